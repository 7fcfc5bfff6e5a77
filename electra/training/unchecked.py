"""Numbers that a step must have had, read when they are there: asking a GPU for them at once would make it idle."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Unchecked(NamedTuple):
    """The loss and the gradient's norm of a step, on their way from the device: [2], there when the event is."""

    step: int
    values: torch.Tensor
    event: torch.cuda.Event | None

    @classmethod
    def of(cls, step: int, values: torch.Tensor) -> Unchecked:
        """Send for them without waiting."""
        if not values.is_cuda:
            return cls(step, values, None)
        values, event = values.to("cpu", non_blocking=True), torch.cuda.Event()
        event.record()
        return cls(step, values, event)

    def read(self) -> tuple[int, float, float]:
        """Wait until they are there: step, loss, norm."""
        if self.event:
            self.event.synchronize()
        loss, norm = self.values.tolist()
        return self.step, loss, norm
