"""Attention of ModernBERT: what tokens see, and three ways to compute it, which give the same numbers.

Short rows have a mask over all pairs of slots. In long rows local layers score blocks of queries against neighbouring
blocks, and global layers on a CPU score a few queries at a time, so that memory is linear in the length of a row.

B rows, L slots, K asked positions, Q queries, D hidden size, H heads, S dimensions of a head, W slots of a block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from electra.config import ModernBertConfig
from electra.models.attention import Reach, attend, attention_bias
from electra.models.dropout import Noise
from electra.models.layers import Linear
from electra.models.modernbert.blocks import blocked_noise, blocks, neighbourhoods
from electra.models.modernbert.rotary import rotate

OUTSIDE = -1  # the example of slots before and after a row, unlike any in it
CHUNKED_FROM = 1025  # slots of rows on a CPU whose global layers score a few queries at a time
SCORES_AT_ONCE = 1 << 21  # of all rows and heads; 8 MB, which a cache holds
FEWEST_QUERIES = 64  # of a chunk; with fewer, products are slow


class Masked(NamedTuple):
    """Attention over all pairs of slots, with a mask."""

    waves: Tensor
    bias: Tensor  # added to the scores, [B, 1, Q, L]
    at: Tensor | None = None

    @property
    def queries(self) -> int:
        """The number of queries of a row."""
        return self.bias.shape[2]

    def asked(self, at: Tensor) -> Masked:
        """Return the attention of positions [B, K] only."""
        rows = at[:, None, :, None].expand(-1, -1, -1, self.bias.shape[-1])
        return self._replace(bias=self.bias.gather(2, rows), at=at)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, noise: Noise | None, p: float) -> Tensor:
        """Return the attended values, [B, H, L, S] -> [B, H, Q, S]."""
        return attend(slots_at(q, self.at), k, v, self.bias, noise, p)


class Blocks(NamedTuple):
    """Local attention: each block of W queries is scored against itself and its two neighbours."""

    waves: Tensor
    bias: Tensor  # [B x blocks, 1, W, 3 W]
    at: Tensor | None = None

    @property
    def queries(self) -> int:
        """The number of queries of a row: all, as the blocks of a few positions are hardly fewer."""
        return self.waves.shape[3]

    def asked(self, at: Tensor) -> Blocks:
        """Return the attention of positions [B, K] only."""
        return self._replace(at=at)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, noise: Noise | None, p: float) -> Tensor:
        """Return the attended values, [B, H, L, S] -> [B, H, L or K, S]."""
        rows, size = len(q), self.bias.shape[2]
        k, v = (neighbourhoods(x, size) for x in (k, v))
        blocked = attend(blocks(q, size), k, v, self.bias, noise and blocked_noise(noise, size), p)
        whole = blocked.unflatten(0, (rows, -1)).transpose(1, 2).flatten(2, 3)[:, :, : self.queries]
        return slots_at(whole, self.at)


class Chunks(NamedTuple):
    """Attention over all pairs of slots for a few queries at a time; the backward pass computes the scores again."""

    waves: Tensor
    example_ids: Tensor  # [B, L]
    reach: Reach | None
    at: Tensor | None = None

    @property
    def queries(self) -> int:
        """The number of queries of a row."""
        return (self.example_ids if self.at is None else self.at).shape[1]

    def asked(self, at: Tensor) -> Chunks:
        """Return the attention of positions [B, K] only."""
        return self._replace(at=at)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, noise: Noise | None, p: float) -> Tensor:
        """Return the attended values, [B, H, L, S] -> [B, H, Q, S]."""
        return attend_in_chunks(self, slots_at(q, self.at), k, v, noise, p)


Sight = Masked | Blocks | Chunks


class SelfAttention(nn.Module):
    """Multi-head attention with rotated queries and keys: [B, L, D] -> [B, L, D], or [B, K, D] at asked positions."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        D = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.dropout = config.attention_dropout
        self.qkv = Linear(D, 3 * D, bias=config.attention_bias)
        self.out = Linear(D, D, bias=config.attention_bias)

    def forward(self, x: Tensor, sight: Sight, noise: Noise | None) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        q, k = rotate(q, sight.waves), rotate(k, sight.waves)
        attended = sight.attend(q, k, v, noise, self.dropout if self.training else 0.0)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out


# -- choosing a form ---------------------------------------------------------------------------------------------------


def sight(example_ids: Tensor, waves: Tensor, reach: Reach | None, block: int, dtype: torch.dtype) -> Sight:
    """Return the form of attention for rows: with a mask unless they are long; without blocks if `block` is 0.

    An exported network, for rows of any length, has the mask: blocks would make it slow in short rows.
    """
    length = example_ids.shape[1]
    if not torch.compiler.is_exporting():
        if reach is not None and block:
            return in_blocks(example_ids, waves, reach, block, dtype)
        if length >= CHUNKED_FROM and not example_ids.is_cuda:
            return Chunks(waves, example_ids, reach)
    slots = torch.arange(length, device=example_ids.device)
    return Masked(waves, attention_bias(example_ids, example_ids, slots, slots, reach, dtype))


def in_blocks(example_ids: Tensor, waves: Tensor, reach: Reach, size: int, dtype: torch.dtype) -> Blocks:
    """Return attention in blocks of a number of slots, which no reach exceeds."""
    numbers, slots = example_ids[:, None, :, None], torch.arange(3 * size, device=example_ids.device)
    queries, keys = (cut(numbers, size, OUTSIDE).flatten(1) for cut in (blocks, neighbourhoods))
    return Blocks(waves, attention_bias(queries, keys, slots[size : 2 * size], slots, reach, dtype))


# -- products ----------------------------------------------------------------------------------------------------------


@torch.compiler.disable
def attend_in_chunks(sight: Chunks, q: Tensor, k: Tensor, v: Tensor, noise: Noise | None, p: float) -> Tensor:
    """Return the attended values, [B, H, Q, S]; not compiled, as a graph would repeat a chunk's many times."""
    numbers, length = sight.example_ids, k.shape[2]
    slots = torch.arange(length, device=q.device)
    places = slots.expand_as(numbers) if sight.at is None else sight.at

    def chunk(part: slice, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        here = places[:, part]
        between = attention_bias(numbers.gather(1, here), numbers, here, slots, sight.reach, q.dtype)
        return attend(q, k, v, between, noise and Noise(noise.rows[:, :, part], noise.columns), p)

    size = max(FEWEST_QUERIES, SCORES_AT_ONCE // (length * q.shape[0] * q.shape[1]))
    parts = [slice(start, start + size) for start in range(0, q.shape[2], size)]
    attended: Tensor = Recomputed.apply(q, k, v, chunk, parts)
    return attended


class Recomputed(torch.autograd.Function):
    """Apply chunk(part, q[:, :, part], k, v) to all parts, in both passes; only q, k and v are kept between them.

    Not torch.utils.checkpoint: what it keeps of each chunk lies between freed scores and fragments the heap, which then
    grows as if the scores were kept.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, chunk: Callable[..., Tensor], parts: list[slice]) -> Tensor:
        ctx.save_for_backward(q, k, v)
        ctx.chunk, ctx.parts = chunk, parts
        out = torch.empty_like(q)
        for part in parts:
            out[:, :, part] = chunk(part, q[:, :, part], k, v)
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v = ctx.saved_tensors
        of_q = torch.empty_like(q)
        of_k, of_v = (torch.zeros_like(x, dtype=torch.float) for x in (k, v))  # sums of many, in bf16 too coarse
        for part in ctx.parts:
            with torch.enable_grad():
                given = [x.detach().requires_grad_() for x in (q[:, :, part], k, v)]
                out = ctx.chunk(part, *given)
            of_part, more_of_k, more_of_v = torch.autograd.grad(out, given, gradient[:, :, part])
            of_q[:, :, part] = of_part
            of_k += more_of_k
            of_v += more_of_v
        return of_q, of_k.to(k.dtype), of_v.to(v.dtype), None, None


def slots_at(x: Tensor, positions: Tensor | None) -> Tensor:
    """Gather slots: [B, H, L, S], [B, K] -> [B, H, K, S]; None returns x."""
    if positions is None:
        return x
    return x.gather(2, positions[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3]))
