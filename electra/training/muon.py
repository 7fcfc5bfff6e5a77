"""Muon: orthogonalised momentum for the matrices of the layers (Jordan et al., 2024).

It takes AdamW's learning rate: updates have the usual size of AdamW's, 0.2 to 0.4 per entry (Liu et al., 2025).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from electra.config import TrainConfig
from electra.training.device import choose_dtype
from electra.training.schedule import Scale, groups_by_scale

MOMENTUM = 0.95
SIZE = 0.3  # root mean square of an update at a learning rate of 1
# The quintic of Jordan et al.: five iterations map every singular value above 0.01 to between 0.7 and 1.2.
COEFFICIENTS, ROUNDS = (3.4445, -4.7750, 2.0315), 5


class Muon(torch.optim.Optimizer):
    """Move matrices, by name, along their orthogonalised momentum; `matrices_in` returns how many a name fuses."""

    def __init__(
        self,
        named: dict[str, nn.Parameter],
        config: TrainConfig,
        matrices_in: Callable[[str], int],
        lr_scale: Scale,
    ) -> None:
        self.fused = {p: matrices_in(name) for name, p in named.items()}
        self.dtype, self.weight_decay = choose_dtype(config), config.weight_decay or 0.0
        super().__init__(groups_by_scale(named, config, lr_scale), {})
        for p in named.values():
            self.state[p] = {"momentum": torch.zeros_like(p)}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the matrices by their gradients."""
        assert closure is None
        rates = {p: group["lr"] for group in self.param_groups for p in group["params"] if p.grad is not None}
        alike: dict[tuple[torch.Size, int], list[nn.Parameter]] = {}
        for p in rates:
            alike.setdefault((p.shape, self.fused[p]), []).append(p)
        for (_, count), same in alike.items():  # one product of stacked matrices instead of many small ones
            gradient = torch.stack([p.grad for p in same if p.grad is not None])
            momentum = torch.stack([self.state[p]["momentum"] for p in same]).lerp_(gradient, 1 - MOMENTUM)
            gradient.lerp_(momentum, MOMENTUM)
            update = orthogonal(unfused(gradient, count), self.dtype)
            size = SIZE * max(update.shape[-2:]) ** 0.5
            for p, m, u in zip(same, momentum, update.reshape(gradient.shape), strict=True):
                self.state[p]["momentum"].copy_(m)
                p.mul_(1 - rates[p] * self.weight_decay).sub_(u * (rates[p] * size))


def unfused(stacked: Tensor, count: int) -> Tensor:
    """Split fused matrices, such as queries, keys and values: [N, count R, C] -> [count N, R, C]."""
    return stacked.reshape(-1, stacked.shape[-2] // count, stacked.shape[-1])


def orthogonal(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """Return roughly the nearest orthogonal matrices, by Newton-Schulz iteration in `dtype`: [N, R, C] -> [N, R, C]."""
    a, b, c = COEFFICIENTS
    x = matrices.to(dtype)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)  # a X + (b G + c G G) X
    return (x.mT if tall else x).to(matrices.dtype)
