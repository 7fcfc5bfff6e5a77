"""Build the optimizer of a network: AdamW, beside it Muon for matrices, and Adagrad for a memory's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from electra.config import TrainConfig
from electra.training.adamw import build_adamw
from electra.training.muon import Muon
from electra.training.row_adagrad import RowAdagrad
from electra.training.schedule import Scale, same_scale


class Several(torch.optim.Optimizer):
    """Several optimizers as one, each with its own parameters."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        groups = [group for part in parts for group in part.param_groups]
        super().__init__([{"params": group["params"]} for group in groups], {})
        self.parts = parts
        self.param_groups = groups  # the same dicts, so that a rate set here applies to the parts
        for part in parts:
            self.state.update(part.state)

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all parameters by their gradients."""
        for part in self.parts:
            part.step(closure)


def build_optimizer(
    module: nn.Module,
    config: TrainConfig,
    lr_scale: Scale = same_scale,
    matrices_in: Callable[[str], int] | None = None,
) -> torch.optim.Optimizer:
    """Build the optimizer for all parameters of a module.

    Args:
        matrices_in: if given, Muon updates the matrices of the layers; returns how many matrices the parameter of a
            name fuses, 0 for a parameter outside the layers.
    """
    rest = {name: p for name, p in module.named_parameters() if p.requires_grad}  # a shared tensor is listed once
    rows = {name: rest.pop(name) for name in list(rest) if ".memory.table." in name}
    matrices: dict[str, nn.Parameter] = {}
    if matrices_in:
        matrices = {name: rest.pop(name) for name, p in list(rest.items()) if p.ndim == 2 and matrices_in(name)}
    parts: list[torch.optim.Optimizer] = [build_adamw(rest, config, lr_scale)]
    if matrices_in and matrices:
        parts.append(Muon(matrices, config, matrices_in, lr_scale))
    if rows:
        parts.append(RowAdagrad(rows, config, lr_scale))
    return parts[0] if len(parts) == 1 else Several(parts)


def clip(parameters: Sequence[nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients down to a joint norm of at most `max_norm`; return the norm before. Coalesce sparse ones."""
    values = []
    for p in parameters:
        if p.grad is not None and p.grad.is_sparse:
            p.grad = p.grad.coalesce()
        if p.grad is not None:
            values.append(p.grad.values() if p.grad.is_sparse else p.grad)
    norm = nn.utils.get_total_norm(values, foreach=True)
    torch._foreach_mul_(values, (max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm
