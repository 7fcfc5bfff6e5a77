"""Rotary positions (Su et al., 2021): queries and keys turn by angles in proportion to their positions.

B rows, L slots, H heads, S dimensions of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rotate(x: Tensor, waves: Tensor) -> Tensor:
    """Turn each pair (x_s, x_{s + S/2}) by its position's angle, in fp32: [B, H, L, S] -> [B, H, L, S]."""
    (a, b), (cos, sin) = x.float().chunk(2, -1), waves
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(x.dtype)


def waves(position_ids: Tensor, theta: float, head_size: int) -> Tensor:
    """Return cosines and sines of positions times frequencies: [B, L] -> fp32 [2, B, 1, L, S / 2]."""
    angles = position_ids[:, None, :, None].float() * frequencies(theta, head_size, position_ids.device)
    return torch.stack([angles.cos(), angles.sin()])


def frequencies(theta: float, head_size: int, device: torch.device | None = None) -> Tensor:
    """Return the angular frequencies of a head's pairs, geometric from 1 to nearly 1 / theta radians a token."""
    exponents = torch.arange(0, head_size, 2, dtype=torch.float, device=device) / head_size
    return 1.0 / theta**exponents
