"""Dropout that draws few random numbers.

On a CPU, drawing a number for each entry of an attention matrix takes longer than its softmax. Here each row and each
column gets a number, and every element hashes its two: in the compiled layer, and again in the backward pass.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Noise(NamedTuple):
    """Random numbers for the dropout of a tensor [..., N]."""

    rows: Tensor  # int32 [..., 1]
    columns: Tensor  # int32 [N]


def draw_noise(p: float, *shape: int, device: torch.device) -> Noise | None:
    """Draw noise for a tensor of this shape; None if nothing is dropped."""
    if p == 0:
        return None
    rows, columns = (*shape[:-1], 1), shape[-1:]
    return Noise(*(torch.empty(s, dtype=torch.int32, device=device).random_(-(2**31), None) for s in (rows, columns)))


def drop(x: Tensor, noise: Noise | None, p: float, training: bool) -> Tensor:
    """Zero each element of [..., N] with probability `p` and scale up the rest; without noise torch draws its own."""
    if noise is None:
        return F.dropout(x, p, training)
    kept = mixed(noise) >= round(p * 2**32) - 2**31
    return torch.where(kept, x * (1 / (1 - p)), torch.zeros((), dtype=x.dtype, device=x.device))


def mixed(noise: Noise) -> Tensor:
    """Return a uniform int32 for each element, [..., N]; hashed, as otherwise similar rows drop the same elements."""
    x = (noise.rows ^ noise.columns).mul_(0x21F0AAAD)
    return x.bitwise_xor_((x >> 15).bitwise_and_(0x1FFFF)).mul_(0x735A2D97)
