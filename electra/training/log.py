"""Log of a run: metrics.jsonl for programs, progress for people, warnings when nothing is learned."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from electra.core.log import duration, logger, progress_line, show_progress
from electra.core.storage import explained
from electra.training.distributed import World

# In the order of their importance, as a line of the terminal may not hold all.
SHOWN = {
    "loss": "loss",
    "gen_loss": "gen",
    "mlm_loss": "mlm",
    "disc_loss": "disc",
    "disc_auc": "auc",
    "gen_accuracy": "acc",
    "disc_recall": "recall",
}
PARTS = {"gen_loss", "mlm_loss", "disc_loss"}  # of a loss that says little itself
WIDTH = 79  # columns of a line
LONGEST_SILENCE = 10.0  # seconds
PATIENCE = 5  # consecutive lines with the same symptom before a warning


class RunningMeans:
    """Means of metrics since the last line, which stay on the device until a line is due."""

    def __init__(self, sums: dict[str, float] | None = None, times: dict[str, int] | None = None) -> None:
        self.sums: dict[str, Tensor] = {
            name: torch.tensor(value, dtype=torch.float64) for name, value in (sums or {}).items()
        }
        self.times = times or {}  # by name, as the metrics may change during a run

    def add(self, metrics: dict[str, Tensor]) -> None:
        """Add the metrics of a micro-batch."""
        for name, value in metrics.items():
            value = value.detach().double()  # sums of fp32 numbers in fp64 do not depend on their order
            self.sums[name] = self.sums[name].to(value.device) + value if name in self.sums else value
            self.times[name] = self.times.get(name, 0) + 1

    def gather(self, world: World) -> None:
        """Move the sums of all processes to the first."""
        if world.size == 1:
            return
        names: list[str] = world.from_first(lambda: list(self.times))
        own = [(float(self.sums.get(name, 0.0)), self.times.get(name, 0)) for name in names]
        sums = torch.tensor(own, dtype=torch.float64).view(-1, 2)
        world.all_reduce(sums)
        self.sums, self.times = {}, {}
        if world.is_first:
            self.sums = dict(zip(names, sums[:, 0], strict=True))
            self.times = {name: int(count) for name, count in zip(names, sums[:, 1], strict=True)}

    def state(self) -> dict[str, Any]:
        """Return the sums as JSON, without loss of precision."""
        return {"sums": {name: float(value) for name, value in self.sums.items()}, "times": self.times}

    def values(self) -> dict[str, float]:
        """Return the means."""
        return {name: float(value) / self.times[name] for name, value in self.sums.items()}


class Log:
    """Write the lines of a run, and warn of silent failures."""

    def __init__(self, path: Path) -> None:
        self.path, self.shown_at = path, float("-inf")
        self.streaks: dict[str, int] = {}
        self.report: Callable[[Mapping[str, Any]], None] | None = None  # gets every line too

    def write(self, **fields: Any) -> None:
        """Append one line to metrics.jsonl."""
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(fields) + "\n")
        except OSError as error:
            raise explained(error, self.path) from error
        if self.report:
            self.report(fields)

    def train(
        self, step: int, metrics: dict[str, float], speed: float, left: float | None, is_warm: bool, **fields: Any
    ) -> None:
        """Write the means since the last line and show them as progress; after the warm-up, check them too."""
        self.write(kind="train", step=step, **metrics, tokens_per_second=round(speed, 1), **fields)
        self.show(step, metrics, speed, left)
        if is_warm:
            self.watch(metrics)

    def is_due(self) -> bool:
        """Return whether nothing has been shown for so long that a user may wonder."""
        return time.monotonic() - self.shown_at >= LONGEST_SILENCE

    def show(self, step: int, metrics: dict[str, float], speed: float, left: float | None) -> None:
        """Show progress on one line of a terminal: what matters most first, and only as much as fits."""
        self.shown_at = time.monotonic()
        shown = {"left": "?" if left is None else duration(left), "step": f"{step:,}", "tokens/s": f"{speed:,.0f}"}
        for name, short in SHOWN.items():
            if name in metrics and not (name == "loss" and metrics.keys() & PARTS):
                longer = shown | {short: f"{metrics[name]:.3f}"}
                if len(progress_line(longer)) > WIDTH:
                    break
                shown = longer
        show_progress(str(self.path), shown)

    def watch(self, metrics: dict[str, float]) -> None:
        """Check for the ways in which a run fails silently."""
        self.warn_if_persistent(
            "the discriminator learns nothing: it calls every token original. Lower the learning rate, or make the "
            "generator smaller: one that is too good too early leaves no errors to find",
            metrics.get("disc_recall", 1.0) < 0.005 and metrics.get("disc_auc", 1.0) < 0.6,
        )
        self.warn_if_persistent(
            "the generator has collapsed: its loss is as high as a guess. Lower the learning rate",
            metrics.get("gen_accuracy", 1.0) < 0.005,
        )
        self.warn_if_persistent(
            "this run has collapsed so far: it gives the same label to every example. If it does not recover, try "
            "another --seed, a lower --learning-rate or more --epochs",
            metrics.get("commonest", 0.0) > 0.9999,
        )

    def warn_if_persistent(self, message: str, seen: bool) -> None:
        """Warn once if a symptom is seen in several consecutive lines."""
        self.streaks[message] = self.streaks.get(message, 0) + 1 if seen else 0
        if self.streaks[message] == PATIENCE:
            logger.warning(message)
