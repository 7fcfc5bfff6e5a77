"""Sum the gradients of a step over its micro-batches and over all processes, outside captured graphs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from electra.training.distributed import World

UNIT = 2.0**-40  # of the exact sum: a gradient is a whole number of these
LARGEST = 2.0**12  # of a micro-batch's gradient: 2,048 such fit into 64 bits, and sound training stays far below


class FastSum:
    """Let the micro-batches of a process add up in fp32, and sum over processes at the end of a step.

    Rounding depends on the order of addition, and so on the number of processes; one process does nothing here.
    """

    adds_up = True  # torch adds further micro-batches to the gradient of the first

    def add(self, parameters: Sequence[nn.Parameter]) -> None:
        """Take the gradient of a micro-batch."""

    def finish(self, world: World, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Give every parameter its summed gradient; return the summed loss."""
        if world.size == 1:
            return loss
        dense, sparse = with_gradient(parameters)
        world.all_reduce(*(p.grad for p in dense if p.grad is not None), loss)
        for p in sparse:
            assert p.grad is not None
            own = p.grad.coalesce()
            p.grad = joined(world, own.indices().T.contiguous(), own.values(), p)
        return loss


class ExactSum:
    """Sum gradients as whole numbers, in any order: the bits are the same for any number of processes.

    This takes 8 bytes per parameter. Whole numbers cannot hold NaN or infinity, so these are passed on in the loss.
    """

    adds_up = False

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.rows: dict[nn.Parameter, list[tuple[Tensor, Tensor]]] = {}  # sparse gradients: indices and whole numbers
        self.is_sound: Tensor | None = None

    def add(self, parameters: Sequence[nn.Parameter]) -> None:
        """Take the gradient of a micro-batch."""
        dense, sparse = with_gradient(parameters)
        found = self.whole(torch.cat([p.grad.flatten() for p in dense if p.grad is not None]))
        self.total = found if self.total is None else self.total.add_(found)
        for p in sparse:
            assert p.grad is not None
            own = p.grad.coalesce()
            self.rows.setdefault(p, []).append((own.indices().T, self.whole(own.values())))

    def whole(self, values: Tensor) -> Tensor:
        """Return the nearest whole numbers of units, and note whether they all fit."""
        fits = (values.abs() < LARGEST).all()  # false for NaN as well
        self.is_sound = fits if self.is_sound is None else self.is_sound & fits
        return (values / UNIT).round_().long()

    def finish(self, world: World, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Give every parameter its summed gradient; return the summed loss, NaN if a gradient does not fit."""
        assert self.total is not None and self.is_sound is not None
        world.all_reduce(self.total)
        dense, sparse = with_gradient(parameters)
        gradients = [p.grad for p in dense if p.grad is not None]
        for gradient, part in zip(gradients, self.total.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient).float().mul_(UNIT))
        for p in sparse:
            indices, numbers = (torch.cat(parts) for parts in zip(*self.rows[p], strict=True))
            summed = joined(world, indices, numbers, p)
            p.grad = torch.sparse_coo_tensor(
                summed.indices(), summed.values().float().mul_(UNIT), p.shape, is_coalesced=True, check_invariants=False
            )
        loss = torch.where(self.is_sound, loss, torch.nan)
        world.all_reduce(loss)
        return loss


SUMS: dict[str, type[FastSum] | type[ExactSum]] = {"fast": FastSum, "exact": ExactSum}


def with_gradient(parameters: Sequence[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the parameters with a dense gradient and those with a sparse one; the same on every process."""
    given = [p for p in parameters if p.grad is not None]
    return [p for p in given if not p.grad.is_sparse], [p for p in given if p.grad.is_sparse]  # type: ignore[union-attr]


def joined(world: World, indices: Tensor, values: Tensor, p: nn.Parameter) -> Tensor:
    """Return a sparse gradient with the rows of all processes: indices [n, 1], values [n, width]."""
    together = world.all_gather(indices).T, world.all_gather(values)
    return torch.sparse_coo_tensor(*together, p.shape, check_invariants=False).coalesce()
