"""Muon: a matrix of a layer moves by its momentum made orthogonal (Jordan et al., 2024); all else by AdamW.

Its learning rate is AdamW's: an update has the size that AdamW's has on average, 0.2 an entry (Liu et al., 2025).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from electra.config import PretrainConfig
from electra.training.device import choose_dtype
from electra.training.optimizer import build_optimizer, initial_rate

MOMENTUM = 0.95
# The quintic of Jordan et al.: it takes every singular value above 0.01 to between 0.7 and 1.2 in five rounds.
COEFFICIENTS, ROUNDS = (3.4445, -4.7750, 2.0315), 5


class Muon(torch.optim.Optimizer):
    """Two optimizers in one: orthogonal momentum for `matrices`, and `adamw` for its own parameters."""

    def __init__(self, named: dict[str, nn.Parameter], adamw: torch.optim.AdamW, config: PretrainConfig) -> None:
        matrices = list(named.values())
        self.joined = {p for name, p in named.items() if ".qkv." in name}
        self.dtype = choose_dtype(config)
        rate = initial_rate(config, matrices)
        group = {"params": matrices, "weight_decay": config.weight_decay, "lr_scale": 1.0, "lr": rate}
        super().__init__([group], {})
        for p in matrices:
            self.state[p] = {"momentum": torch.zeros_like(p)}
        self.adamw = adamw
        self.state.update(adamw.state)
        self.param_groups += adamw.param_groups  # the same dicts: a rate set here is set there

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters from their gradients."""
        assert closure is None
        self.adamw.step()
        group = self.param_groups[0]
        alike: dict[tuple[torch.Size, bool], list[nn.Parameter]] = {}
        for p in (p for p in group["params"] if p.grad is not None):
            alike.setdefault((p.shape, p in self.joined), []).append(p)
        for (_, is_joined), same in alike.items():  # one product of stacked matrices instead of many small ones
            gradient = torch.stack([p.grad for p in same if p.grad is not None])
            momentum = torch.stack([self.state[p]["momentum"] for p in same]).lerp_(gradient, 1 - MOMENTUM)
            gradient.lerp_(momentum, MOMENTUM)
            update = orthogonal(square_parts(gradient) if is_joined else gradient, self.dtype)
            size = 0.2 * max(update.shape[-2:]) ** 0.5
            for p, m, u in zip(same, momentum, update.reshape(gradient.shape), strict=True):
                self.state[p]["momentum"].copy_(m)
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(u * (group["lr"] * size))


def square_parts(stacked: Tensor) -> Tensor:
    """Queries, keys and values, one matrix for speed, are three matrices: [N, 3 D, D] -> [3 N, D, D]."""
    return stacked.reshape(-1, stacked.shape[-1], stacked.shape[-1])


def orthogonal(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """The nearest orthogonal matrices, roughly, by Newton-Schulz iteration in `dtype`: [N, R, C] -> [N, R, C]."""
    a, b, c = COEFFICIENTS
    x = matrices.to(dtype)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)  # a X + (b G + c G G) X
    return (x.mT if tall else x).to(matrices.dtype)


def build_muon(module: nn.Module, config: PretrainConfig) -> Muon:
    """Muon for the matrices of the layers; AdamW, as ever, for embeddings, heads, biases and LayerNorms."""
    matrices = {name: p for name, p in module.named_parameters() if ".layers." in name and p.ndim == 2}
    adamw = build_optimizer(module, config, leave=matrices)
    return Muon(matrices, adamw, config)


OPTIMIZERS: dict[str, Callable[[nn.Module, PretrainConfig], Any]] = {"adamw": build_optimizer, "muon": build_muon}
