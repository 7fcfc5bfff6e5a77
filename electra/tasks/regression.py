"""A number for a text or a pair of texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from electra.model.encoder import Encoder
from electra.model.task_heads import Answerer, Classifier, Tagger
from electra.tasks.base import Example, Features, Task, known, require_labels
from electra.tasks.records import Record


class Regression(Task):
    """A number. The network learns it as 0 at `low` and 1 at `high`; a prediction may lie outside."""

    main_metric: ClassVar[str] = "spearman"
    label_names: ClassVar[tuple[str, ...]] = ("score", "label", "rating", "value", "target", "labels")

    def __init__(self, low: float | None = None, high: float | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.low, self.high = low, high
        self.closed = low is not None  # a range that is given is one no score may leave

    def settings(self) -> dict[str, Any]:
        """What makes the same task again."""
        return super().settings() | {"low": self.low, "high": self.high}

    def parse_label(self, value: Any, record: Record) -> float:
        """A finite number within the range, if one is given."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{record.where}: the score {value!r} is not a number; correct or remove the row")
        if self.closed and not self.low <= number <= self.high:  # type: ignore[operator]
            raise ValueError(
                f"{record.where}: the score {number:g} is outside {self.low:g} to {self.high:g}; correct it"
            )
        return number

    def learn(self, examples: Sequence[Example]) -> None:
        """Take the range from the training examples unless it is given."""
        require_labels(examples)
        scores = [example.label for example in examples]
        if min(scores) == max(scores):
            raise ValueError(f"every training example has the score {scores[0]:g}; there is nothing to learn")
        if not self.closed:
            self.low, self.high = min(scores), max(scores)

    def example_targets(self, examples: Sequence[Example]) -> list[Any]:
        """Scores on the scale of the network."""
        low, width = self.scale()
        return [math.nan if e.label is None else (e.label - low) / width for e in examples]

    def scale(self) -> tuple[float, float]:
        """The lowest score and the width of the range."""
        assert self.low is not None and self.high is not None, "learn() comes first"
        return self.low, self.high - self.low

    def targets(self, features: Sequence[Features]) -> Tensor:
        """Scores, [N]."""
        return torch.tensor([feature.target for feature in features], dtype=torch.float32)

    def build(self, encoder: Encoder, head: str = "linear") -> Classifier | Tagger | Answerer:
        """A classifier with one output."""
        self.labels = ()
        return super().build(encoder, head)

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """The squared error, [N]."""
        error: Tensor = (outputs.squeeze(-1) - targets).square()
        return error

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The score, on the scale of the data."""
        low, width = self.scale()
        return {"score": low + width * float(output)}

    def score(self, predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example]) -> dict[str, float]:
        """Pearson and Spearman correlation (0 where all predictions are equal), mean squared error."""
        from scipy.stats import pearsonr, spearmanr

        pairs = known(predictions, examples)
        guesses, gold = np.array([p["score"] for p, _ in pairs]), np.array([e.label for _, e in pairs])
        varied = len(pairs) > 1 and bool(np.ptp(guesses) and np.ptp(gold))
        return {
            "pearson": float(pearsonr(guesses, gold).statistic) if varied else 0.0,
            "spearman": float(spearmanr(guesses, gold).statistic) if varied else 0.0,
            "mse": float(np.square(guesses - gold).mean()),
        }
