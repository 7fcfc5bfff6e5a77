"""Attention that backbones share: what a token sees, and the products of queries, keys and values.

B rows, L slots, Q queries, H heads, S dimensions of a head.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from electra.models.dropout import Noise, drop

UNSEEN = -10000.0  # added to a score; its exponential is zero


class Reach(NamedTuple):
    """How many slots before and after its own a token sees."""

    before: int
    after: int


def attention_bias(
    queries: Tensor, keys: Tensor, query_slots: Tensor, key_slots: Tensor, reach: Reach | None, dtype: torch.dtype
) -> Tensor:
    """Return what is added to scores, 0 where a query sees a key: example numbers [B, Q], [B, L] -> [B, 1, Q, L].

    Slots are those of the row, [Q] or [B, Q], and [L]. Without a reach a query sees its whole example.
    """
    unseen = queries[:, :, None] != keys[:, None]
    if reach is not None:
        ahead = key_slots - query_slots[..., None]
        unseen = unseen | (ahead < -reach.before) | (ahead > reach.after)
    return torch.zeros(unseen.shape, dtype=dtype, device=unseen.device).masked_fill_(unseen, UNSEEN)[:, None]


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, noise: Noise | None, p: float) -> Tensor:
    """Return the attended values: [B, H, Q, S], [B, H, L, S], bias [B, 1, Q, L] -> [B, H, Q, S]."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, bias, p)
    # Written out: on a CPU the fused kernel's backward pass takes longer than these lines (docs/lab/speed.md).
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5 + bias
    return drop(scores.softmax(-1).to(q.dtype), noise, p, p > 0) @ v
