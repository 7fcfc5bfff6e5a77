"""Any number of labels for a text or a pair of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from electra.tasks.base import Array, Task
from electra.tasks.columns import Columns
from electra.tasks.examples import Example, Features, Prediction, Sample, known, require_labels, sorted_labels
from electra.text.labels import several_labels
from electra.text.records import Record, json_list

if TYPE_CHECKING:
    from torch import Tensor

SEPARATORS = "|;,"  # between labels in one cell of a table


class MultiLabel(Task):
    """No label, one or several."""

    main_metric: ClassVar[str] = "micro_f1"
    problem_type: ClassVar[str | None] = "multi_label_classification"
    options: ClassVar[tuple[str, ...]] = ("windows", "class_weights")
    weights: tuple[float, ...] = ()  # of the examples that have a label, in the loss; (): all alike
    label_names: ClassVar[tuple[str, ...]] = ("labels", "label", "tags", "topics", "categories", "classes")

    @classmethod
    def recognises(cls, sample: Sample) -> bool:
        """Return whether cells hold lists, or texts with separators under a name in the plural."""
        several = sample.label in ("labels", "tags", "topics")
        texts = [value for value in sample.values if isinstance(value, str)] if several else []
        return any(isinstance(v, list) for v in sample.values) or any(s in text for text in texts for s in SEPARATORS)

    def example(self, record: Record, columns: Columns, number: int) -> Example:
        """Turn a row into an example; an empty cell means no label applies, not that the label is unknown."""
        example = super().example(record, columns, number)
        is_none = columns.label is not None and record.fields.get(columns.label) == ""
        return example._replace(label=()) if is_none else example

    def learn(self, examples: Sequence[Example]) -> None:
        """Take the labels; a single one is enough if some examples lack it."""
        require_labels(examples)
        found = sorted_labels(label for example in examples for label in self.labels_of(example))
        if not found:
            raise ValueError(
                f"no training example of {examples[0].file} has any label; name the right column with --label-column"
            )
        if len(found) == 1 and all(example.label for example in examples):
            raise ValueError(f"every training example has the label {found[0]!r}; add examples without it")
        self.labels = self.labels or found
        self.index(examples)
        if self.class_weights:  # as heavy as the examples that lack the label
            counts = Counter(label for example in examples for label in example.label)
            self.weights = tuple((len(examples) - counts[x]) / max(1, counts[x]) or 1.0 for x in self.labels)

    def parse_label(self, value: Any, record: Record) -> tuple[str, ...]:
        """Read a list, a JSON list, or names separated by | ; or , in a cell; an empty list means no label applies."""
        if isinstance(value, str) and value.startswith("["):
            written = json_list(value)
            if written is None:
                raise ValueError(f"{record.where}: the labels {value!r} are not a JSON list; separate them by |")
            value = written
        if isinstance(value, str):
            separator = next((s for s in SEPARATORS if s in value), SEPARATORS[0])
            value = [part.strip() for part in value.split(separator) if part.strip()]
        if not isinstance(value, list | tuple):
            value = [value]
        return tuple(dict.fromkeys(str(label) for label in value))

    def labels_of(self, example: Example) -> Iterable[str]:
        labels: Iterable[str] = example.label
        return labels

    def example_targets(self, examples: Sequence[Example]) -> list[Any]:
        """Return the numbers of each example's labels."""
        numbers = self.index(examples)
        return [[numbers[label] for label in example.label or ()] for example in examples]

    def targets(self, features: Sequence[Features]) -> Tensor:
        """Return 1 at an example's labels and 0 elsewhere, [N, C]."""
        import torch

        result = torch.zeros(len(features), len(self.labels))
        for row, feature in zip(result, features, strict=True):
            row[feature.target] = 1.0
        return result

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return binary cross-entropy, the mean over the labels, [N]."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        weights = outputs.new_tensor(self.weights) if self.weights else None
        return binary_cross_entropy_with_logits(outputs, targets, reduction="none", pos_weight=weights).mean(-1)

    def prediction(self, logits: Array) -> dict[str, Any]:
        """Return the labels above one half, and the probability of each."""
        return several_labels(self.labels, logits)

    def score(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Return micro and macro F1, and the share of examples with all labels right."""
        from sklearn.metrics import accuracy_score, f1_score

        pairs = known(predictions, examples)
        guesses, gold = (
            [[n in labels for n in self.labels] for labels in side]
            for side in ([p["labels"] for p, _ in pairs], [e.label for _, e in pairs])
        )
        return {
            "micro_f1": float(f1_score(gold, guesses, average="micro", zero_division=0.0)),
            "macro_f1": float(f1_score(gold, guesses, average="macro", zero_division=0.0)),
            "exact": float(accuracy_score(gold, guesses)),
        }

    def constant(self, train: Sequence[Example]) -> Callable[[Example], dict[str, Any]]:
        """Return a function that answers with the labels that more than half of the training examples have."""
        counts = Counter(label for e in train for label in e.label)
        labels = [label for label, n in counts.items() if n > len(train) / 2]
        return lambda example: {"labels": labels}
