"""One label for a text or a pair of texts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from electra.tasks.base import Draws, Example, Task, known, mean_of_draws
from electra.text.records import Record

PROBABILITIES = 10  # of how many labels a prediction says the probability


class Classification(Task):
    """One label of several."""

    positive: ClassVar[str] = ""  # the label whose F1 is reported, where a task has one

    def parse_label(self, value: Any, record: Record) -> Any:
        """A class by name or number; numbers of tables may come as 1.0."""
        if isinstance(value, list | dict):
            raise ValueError(
                f"{record.where}: the label is a {type(value).__name__}; use the task multi_label for many"
            )
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The likeliest label, its probability, and those of the next."""
        probabilities = output.softmax(-1)
        best = probabilities.topk(min(PROBABILITIES, len(self.labels)))
        ranked = [
            (self.labels[i], round(p, 6)) for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
        return {"label": ranked[0][0], "score": ranked[0][1], "probabilities": dict(ranked)}

    def score(self, predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example]) -> dict[str, float]:
        """Accuracy, macro F1, Matthews correlation, and the F1 of the positive label where there is one."""
        from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

        pairs = known(predictions, examples)
        guesses, gold = [p["label"] for p, _ in pairs], [e.label for _, e in pairs]
        scores = {
            "accuracy": accuracy_score(gold, guesses),
            "macro_f1": f1_score(gold, guesses, average="macro", zero_division=0.0),
        }
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "A single label was found")  # then it is 0, as it should be
            scores["matthews"] = matthews_corrcoef(gold, guesses)
        if self.positive:
            scores["f1"] = f1_score(gold, guesses, pos_label=self.positive, zero_division=0.0)
        return {name: float(value) for name, value in scores.items()}

    def resampled(
        self, predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example], draws: Draws
    ) -> list[float]:
        """Accuracy is a mean, and needs no library a thousand times."""
        if self.main_metric != "accuracy":
            return super().resampled(predictions, examples, draws)
        return mean_of_draws([p["label"] == e.label for p, e in zip(predictions, examples, strict=True)], draws)
