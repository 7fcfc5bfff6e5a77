"""One label for a text or a pair of texts."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from electra.tasks.base import Array, Task
from electra.tasks.baselines import tfidf_predictions
from electra.tasks.examples import IGNORED, Draws, Example, Prediction, Predictions, Sample, known, mean_of_draws
from electra.text.labels import one_label
from electra.text.records import Record

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Task):
    """One label of several."""

    problem_type: ClassVar[str | None] = "single_label_classification"
    positive: ClassVar[str] = ""  # the label whose F1 is reported, if any
    options: ClassVar[tuple[str, ...]] = ("windows", "class_weights")
    weights: tuple[float, ...] = ()  # of the labels in the loss; (): all alike

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

    def learn(self, examples: Sequence[Example]) -> None:
        """Take the labels from the training examples, and their weights, inverse to their frequency, if balanced."""
        super().learn(examples)
        if self.class_weights:
            counts = Counter(example.label for example in examples)
            self.weights = tuple(len(examples) / len(self.labels) / max(1, counts[label]) for label in self.labels)

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return the loss of each feature, [N]."""
        from torch.nn.functional import cross_entropy

        weights = outputs.new_tensor(self.weights) if self.weights else None
        return cross_entropy(outputs, targets, weights, reduction="none", ignore_index=IGNORED)

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
        """Return the main metric of each draw; accuracy and macro F1 need no library call per draw."""
        fast = {"accuracy": accuracies, "macro_f1": macro_f1s}.get(self.main_metric)
        return fast(predictions, examples, draws) if fast else super().resampled(predictions, examples, draws)

    def resampled_scores(
        self, predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws
    ) -> dict[str, list[float]]:
        """Return the main metric, and macro F1, in which a label that is never predicted shows."""
        found = super().resampled_scores(predictions, examples, draws)
        return found if "macro_f1" in found else found | {"macro_f1": macro_f1s(predictions, examples, draws)}

    def baselines(
        self, train: Sequence[Example], examples: Sequence[Example], learned: bool = True
    ) -> list[tuple[str, Predictions]]:
        """Return the commonest label and, if `learned`, logistic regression on TF-IDF."""
        found = super().baselines(train, examples, learned)
        if learned and len({e.label for e in train}) > 1:
            found.append(("tf-idf + logistic regression", tfidf_predictions(train, examples)))
        return found


def accuracies(predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws) -> list[float]:
    """Return the accuracy of each draw: [R, n] -> R scores."""
    return mean_of_draws([p["label"] == e.label for p, e in zip(predictions, examples, strict=True)], draws)


def macro_f1s(predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws) -> list[float]:
    """Return the mean F1 of the labels that a draw has or that are predicted in it: [R, n] -> R scores."""
    names = sorted({e.label for e in examples} | {p["label"] for p in predictions})
    number = {name: n for n, name in enumerate(names)}
    gold, given = (np.array([number[x] for x in side]) for side in (
        [e.label for e in examples], [p["label"] for p in predictions]))  # fmt: skip
    scores = []
    for drawn in draws:
        g, p = gold[drawn], given[drawn]
        counts = [np.bincount(x, minlength=len(names)) for x in (g[g == p], g, p)]
        there = counts[1] + counts[2] > 0
        scores.append(float(np.mean(2 * counts[0][there] / (counts[1] + counts[2])[there])))
    return scores
