"""A number for a text or a pair of texts."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from electra.models.encoder import Encoder
from electra.models.task_heads import Answerer, Classifier, Tagger
from electra.tasks.base import Example, Features, Network, Task, known, require_labels
from electra.text.records import Record


class Regression(Task):
    """A number. The network learns it as 0 at `low` and 1 at `high`; a prediction may lie outside.

    bounds: the range that no score may leave, where there is one.
    """

    main_metric: ClassVar[str] = "spearman"
    label_names: ClassVar[tuple[str, ...]] = ("score", "label", "rating", "value", "target", "labels")

    def __init__(
        self,
        low: float | None = None,
        high: float | None = None,
        bounds: Sequence[float] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.low, self.high, self.bounds = low, high, bounds

    def settings(self) -> dict[str, Any]:
        """What makes the same task again."""
        return super().settings() | {"low": self.low, "high": self.high, "bounds": self.bounds}

    def parse_label(self, value: Any, record: Record) -> float:
        """A finite number within the range, if one is given."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{record.where}: the score {value!r} is not a number; correct or remove the row")
        low, high = self.bounds or (-math.inf, math.inf)
        if not low <= number <= high:
            raise ValueError(f"{record.where}: the score {number:g} is outside {low:g} to {high:g}; correct it")
        return number

    def learn(self, examples: Sequence[Example]) -> None:
        """Take the range from the bounds, or else from the training examples."""
        require_labels(examples)
        scores = [example.label for example in examples]
        if min(scores) == max(scores):
            raise ValueError(f"every training example has the score {scores[0]:g}; there is nothing to learn")
        self.low, self.high = self.bounds or (min(scores), max(scores))

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

    @torch.no_grad()
    def in_own_units(self, network: Network) -> tuple[Task, Network]:
        """With the scale in the last matrix: others who load the model know none."""
        low, width = self.scale()
        network = copy.deepcopy(network)
        last: nn.Linear = network.head.out_proj  # type: ignore[union-attr, assignment]
        last.weight.mul_(width)
        last.bias.mul_(width).add_(low)
        return type(self)(**self.settings() | {"low": 0.0, "high": 1.0}), network

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
