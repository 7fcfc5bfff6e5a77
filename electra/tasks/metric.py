"""How the predictions of a task are scored: its metrics, on the examples as they are and on resampled ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from electra.tasks.examples import Draws, Example, Prediction


class Metric:
    """The metrics of a kind of labelled data, one of which is the main one."""

    main_metric: ClassVar[str] = "accuracy"
    is_percentage: ClassVar[bool] = False  # whether scores are percentages already, not shares of 1

    def score(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Return the task's metrics, `main_metric` among them."""
        raise NotImplementedError

    def resampled(self, predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws) -> list[float]:
        """Return the main metric of each draw of the examples, which all have labels: [R, n] -> R scores."""
        return [
            self.score([predictions[n] for n in drawn], [examples[n] for n in drawn])[self.main_metric]
            for drawn in draws
        ]

    def resampled_scores(
        self, predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws
    ) -> dict[str, list[float]]:
        """Return each metric that has an interval, the main one first, for each draw: [R, n] -> R values."""
        return {self.main_metric: self.resampled(predictions, examples, draws)}

    @classmethod
    def shown(cls, score: float) -> str:
        """Return a score as text, in percent."""
        return f"{score if cls.is_percentage else 100 * score:.1f}"
