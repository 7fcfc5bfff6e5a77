"""A number for a text or a pair of texts."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from electra.tasks.base import Array, Task
from electra.tasks.examples import Example, Features, Prediction, Sample, known, require_labels
from electra.text.records import Record

if TYPE_CHECKING:
    from torch import Tensor

    from electra.models.encoder import Encoder
    from electra.models.heads import Network

NUMBERS = ("score", "rating", "value")  # columns of scores, even if all are whole numbers


class Regression(Task):
    """A number, which the network learns as 0 at `low` and 1 at `high`; a prediction may lie outside.

    bounds: the range of valid scores, if known.
    """

    main_metric: ClassVar[str] = "spearman"
    problem_type: ClassVar[str | None] = "regression"
    epochs: ClassVar[float] = 10.0
    options: ClassVar[tuple[str, ...]] = ("windows",)
    label_names: ClassVar[tuple[str, ...]] = ("score", "label", "rating", "value", "target", "labels")

    @classmethod
    def recognises(cls, sample: Sample) -> bool:
        """Return whether all cells are numbers, and some have a fraction or the column's name is a score's."""
        try:
            numbers = [float(value) for value in sample.values]
        except (TypeError, ValueError):
            return False
        return bool(numbers) and (sample.label in NUMBERS or any(number % 1 for number in numbers))

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
        return super().settings() | {"low": self.low, "high": self.high, "bounds": self.bounds}

    def parse_label(self, value: Any, record: Record) -> float:
        """Return a finite number, within the bounds if there are any."""
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
        """Take the range from the bounds, or from the training examples if there are none."""
        require_labels(examples)
        scores = [example.label for example in examples]
        if min(scores) == max(scores):
            raise ValueError(
                f"every training example has the score {scores[0]:g}; "
                "name the right column with --label-column, or add examples of other scores"
            )
        self.low, self.high = self.bounds or (min(scores), max(scores))

    def example_targets(self, examples: Sequence[Example]) -> list[Any]:
        """Return the scores on the scale of the network."""
        low, width = self.scale()
        return [math.nan if e.label is None else (e.label - low) / width for e in examples]

    def scale(self) -> tuple[float, float]:
        """Return the lowest score and the width of the range; 0 and 1 if none was learned."""
        if self.low is None or self.high is None:
            return 0.0, 1.0
        return self.low, (self.high - self.low) or 1.0

    def targets(self, features: Sequence[Features]) -> Tensor:
        """Return the scores, [N]."""
        import torch

        return torch.tensor([feature.target for feature in features], dtype=torch.float32)

    def in_own_units(self, network: Network) -> tuple[Task, Network]:
        """Move the scale into the last matrix: other libraries do not know the scale."""
        import torch

        low, width = self.scale()
        network = copy.deepcopy(network)
        last: torch.nn.Linear = network.head.out_proj  # type: ignore[union-attr, assignment]
        with torch.no_grad():
            last.weight.mul_(width)
            last.bias.mul_(width).add_(low)
        return type(self)(**self.settings() | {"low": 0.0, "high": 1.0}), network

    def build(self, encoder: Encoder, head: str = "linear") -> Network:
        """Build a classifier with one output."""
        self.labels = ()
        return super().build(encoder, head)

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return the squared error, [N]."""
        error: Tensor = (outputs.squeeze(-1) - targets).square()
        return error

    def prediction(self, logits: Array) -> dict[str, Any]:
        """Return the score, on the scale of the data."""
        low, width = self.scale()
        return {"score": low + width * float(logits[0])}

    def score(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Return Pearson and Spearman correlation (0 if all predictions are equal), mean squared error."""
        from scipy.stats import pearsonr, spearmanr

        pairs = known(predictions, examples)
        guesses, gold = np.array([p["score"] for p, _ in pairs]), np.array([e.label for _, e in pairs])
        varied = len(pairs) > 1 and bool(np.ptp(guesses) and np.ptp(gold))
        return {
            "pearson": float(pearsonr(guesses, gold).statistic) if varied else 0.0,
            "spearman": float(spearmanr(guesses, gold).statistic) if varied else 0.0,
            "mse": float(np.square(guesses - gold).mean()),
        }

    def constant(self, train: Sequence[Example]) -> Callable[[Example], dict[str, Any]]:
        """Return a function that answers with the mean of the training scores."""
        mean = float(np.mean([e.label for e in train]))
        return lambda example: {"score": mean}
