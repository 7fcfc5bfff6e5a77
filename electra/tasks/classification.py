"""One label for a text or a pair of texts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from electra.tasks.base import Array, Task
from electra.tasks.baselines import tfidf_predictions
from electra.tasks.examples import Draws, Example, Prediction, Predictions, Sample, known, mean_of_draws
from electra.text.labels import one_label
from electra.text.records import Record


class Classification(Task):
    """One label of several."""

    problem_type: ClassVar[str | None] = "single_label_classification"
    positive: ClassVar[str] = ""  # the label whose F1 is reported, if any

    @classmethod
    def recognises(cls, sample: Sample) -> bool:
        """Return True: labels of any kind are classes."""
        return True

    def parse_label(self, value: Any, record: Record) -> Any:
        """Return a class by name or number; a table may hold the number 1 as 1.0."""
        if isinstance(value, list | dict):
            raise ValueError(
                f"{record.where}: the label is a {type(value).__name__}; use the task multi_label for many"
            )
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()

    def prediction(self, logits: Array) -> dict[str, Any]:
        """Return the likeliest label, its probability, and those of the next."""
        return one_label(self.labels, logits)

    def score(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Return accuracy, macro F1, Matthews correlation, and the F1 of the positive label, if any."""
        from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

        pairs = known(predictions, examples)
        guesses, gold = [p["label"] for p, _ in pairs], [e.label for _, e in pairs]
        scores = {
            "accuracy": accuracy_score(gold, guesses),
            "macro_f1": f1_score(gold, guesses, average="macro", zero_division=0.0),
        }
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A single label was found")  # it is 0 then, as it should be
            scores["matthews"] = matthews_corrcoef(gold, guesses)
        if self.positive:
            scores["f1"] = f1_score(gold, guesses, pos_label=self.positive, zero_division=0.0)
        return {name: float(value) for name, value in scores.items()}

    def resampled(self, predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws) -> list[float]:
        """Return the main metric of each draw; accuracy, a mean, needs no library call per draw."""
        if self.main_metric != "accuracy":
            return super().resampled(predictions, examples, draws)
        return mean_of_draws([p["label"] == e.label for p, e in zip(predictions, examples, strict=True)], draws)

    def baselines(
        self, train: Sequence[Example], examples: Sequence[Example], learned: bool = True
    ) -> list[tuple[str, Predictions]]:
        """Return the commonest label and, if `learned`, logistic regression on TF-IDF."""
        found = super().baselines(train, examples, learned)
        if learned and len({e.label for e in train}) > 1:
            found.append(("tf-idf + logistic regression", tfidf_predictions(train, examples)))
        return found
