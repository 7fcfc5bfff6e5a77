"""Log of a run: metrics.jsonl for programs, progress for people, warnings when nothing is learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from electra.core.log import duration, logger, show_progress

SHOWN = {
    "loss": "loss",
    "gen_loss": "gen",
    "gen_accuracy": "acc",
    "mlm_loss": "mlm",
    "disc_loss": "disc",
    "disc_auc": "auc",
    "disc_recall": "recall",
}
PATIENCE = 5  # consecutive lines with the same symptom before a warning


class RunningMeans:
    """Means of metrics since the last line, which stay on the device until a line is due."""

    def __init__(self, sums: dict[str, float] | None = None, times: dict[str, int] | None = None) -> None:
        self.sums: dict[str, Tensor] = {name: torch.tensor(value) for name, value in (sums or {}).items()}
        self.times = times or {}  # by name, as the metrics may change during a run

    def add(self, metrics: dict[str, Tensor]) -> None:
        """Add the metrics of a micro-batch."""
        for name, value in metrics.items():
            value = value.detach().float()
            self.sums[name] = self.sums[name].to(value.device) + value if name in self.sums else value
            self.times[name] = self.times.get(name, 0) + 1

    def state(self) -> dict[str, Any]:
        """Return the sums as JSON, without loss of precision."""
        return {"sums": {name: float(value) for name, value in self.sums.items()}, "times": self.times}

    def values(self) -> dict[str, float]:
        """Return the means."""
        return {name: float(value) / self.times[name] for name, value in self.sums.items()}


class Log:
    """Write the lines of a run, and warn of silent failures."""

    def __init__(self, path: Path, warmup_steps: int) -> None:
        self.path, self.warmup_steps = path, warmup_steps
        self.streaks: dict[str, int] = {}

    def write(self, **fields: Any) -> None:
        """Append one line to metrics.jsonl."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")

    def train(self, step: int, metrics: dict[str, float], speed: float, left: float | None, **fields: Any) -> None:
        """Write the means since the last line and show them as progress."""
        self.write(kind="train", step=step, **metrics, tokens_per_second=round(speed, 1), **fields)
        shown = {"step": f"{step:,}"} | {s: f"{metrics[n]:.3f}" for n, s in SHOWN.items() if n in metrics}
        shown["tokens/s"] = f"{speed:,.0f}"
        if left is not None:
            shown["left"] = duration(left)
        show_progress(str(self.path), shown)
        if step >= self.warmup_steps:
            self.watch(metrics)

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
