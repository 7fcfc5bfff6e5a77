"""Detect a diverged run: loss and gradient norm, copied asynchronously and checked one step later.

Reading them from a GPU at once would leave it idle until the next step is launched.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch


class Pending(NamedTuple):
    """Loss and gradient norm of a step, [2], valid on the CPU once the event has occurred."""

    step: int
    values: torch.Tensor
    copied: torch.cuda.Event | None


class DivergenceCheck:
    """Keep the loss and gradient norm of recent steps until they are checked."""

    def __init__(self, checkpoints: Path) -> None:
        self.checkpoints = checkpoints
        self.pending: list[Pending] = []

    def add(self, step: int, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Start copying the scalars of a step to the CPU."""
        values = torch.stack([loss, norm])
        copied = None
        if values.is_cuda:
            values, copied = values.to("cpu", non_blocking=True), torch.cuda.Event()
            copied.record()
        self.pending.append(Pending(step, values, copied))

    def require_finite(self, behind: int = 0) -> None:
        """Check all steps but the last `behind`; raise FloatingPointError if one was not finite."""
        while len(self.pending) > behind:
            step, values, copied = self.pending.pop(0)
            if copied:
                copied.synchronize()
            loss, norm = values.tolist()
            if not math.isfinite(loss + norm):
                has_saved = any(self.checkpoints.glob("step-*"))
                left = (
                    f"the last checkpoint in {self.checkpoints} is good" if has_saved else "there is no checkpoint yet"
                )
                raise FloatingPointError(
                    f"step {step}: loss {loss}, gradient norm {norm}. Nothing of it was saved; {left}. "
                    "Lower --learning-rate or use --precision fp32"
                )
