"""Rows cut into blocks for local attention, which looks no further than the neighbouring blocks.

B rows, L slots, H heads, S dimensions of a head, W slots of a block.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from electra.models.dropout import Noise


def blocks(x: Tensor, size: int, outside: float = 0.0) -> Tensor:
    """Cut rows into blocks, the last one filled up: [B, H, L, S] -> [B x blocks, H, W, S]."""
    return F.pad(x, (0, 0, 0, -x.shape[2] % size), value=outside).unflatten(2, (-1, size)).transpose(1, 2).flatten(0, 1)


def neighbourhoods(x: Tensor, size: int, outside: float = 0.0) -> Tensor:
    """Return each block between its two neighbours: [B, H, L, S] -> [B x blocks, H, 3 W, S]."""
    around = F.pad(x, (0, 0, size, size + -x.shape[2] % size), value=outside).unflatten(2, (-1, size)).transpose(1, 2)
    return torch.cat([around[:, :-2], around[:, 1:-1], around[:, 2:]], 3).flatten(0, 1)


def blocked_noise(noise: Noise, size: int) -> Noise:
    """Return the noise of the same pairs of slots in blocks."""
    columns = neighbourhoods(noise.columns[None, None, :, None], size).transpose(-1, -2)
    return Noise(blocks(noise.rows, size), columns.repeat(len(noise.rows), 1, 1, 1))
