"""All that the training loop knows of what it trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from electra.interface import Output


class Trainable(nn.Module):
    """Networks and a loss; subclasses write `count` and `forward`."""

    stage = 1  # another number where a step does something else than before

    def __init__(self) -> None:
        super().__init__()
        # What becomes of a part of the loss that shares no graph with what follows: the loop takes its gradient at
        # once, and what it kept is free before the next network runs.
        self.settle: Callable[[Tensor], Tensor] = lambda loss: loss

    def begin_step(self, step: int, done: float) -> None:
        """Called before every optimizer step, with the share of the training that is done."""

    def count(self, batch: Any) -> Any:
        """What this batch adds to the denominators of the step's losses: a tuple of scalars, `tokens` among them."""
        raise NotImplementedError

    def forward(self, batch: Any, counts: Any = None) -> Output:
        """The loss of a micro-batch; `counts` are those of the whole step, by default the batch's own."""
        raise NotImplementedError
