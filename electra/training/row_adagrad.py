"""Adagrad with one step size for each row of a table, of which a step touches few (Gupta et al., 2014).

A row without a gradient stays as it is, with its state, so that a sparse gradient and a dense one with zeros mean the
same, and the time of a step does not depend on the size of the table.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from electra.config import TrainConfig
from electra.training.schedule import Scale, groups_by_scale

FASTER = 100.0  # times the learning rate of other weights: steps touch a row rarely, and move it less each time
EPSILON = 1e-10


class RowAdagrad(torch.optim.Optimizer):
    """Divide each row's gradient by the root of its summed mean squares. No weight decay."""

    def __init__(self, named: dict[str, nn.Parameter], config: TrainConfig, lr_scale: Scale) -> None:
        super().__init__(groups_by_scale(named, config, lambda name: FASTER * lr_scale(name)), {})
        for p in named.values():
            self.state[p] = {"sum": torch.zeros(len(p), device=p.device)}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the rows that have a gradient."""
        assert closure is None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    update(p, p.grad, self.state[p]["sum"], group["lr"])


def update(table: Tensor, gradient: Tensor, total: Tensor, rate: float | Tensor) -> None:
    """Update a table [N, S] and its rows' sums [N] in place, by a dense gradient or a coalesced sparse one."""
    if not gradient.is_sparse:
        total += gradient.square().mean(1)
        table -= rate * gradient / (total.sqrt() + EPSILON)[:, None]
        return
    rows, values = gradient.indices()[0], gradient.values()
    sums = total[rows] + values.square().mean(1)
    total[rows] = sums
    table.index_add_(0, rows, values / (sums.sqrt() + EPSILON)[:, None], alpha=-float(rate))
