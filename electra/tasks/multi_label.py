"""Any number of labels for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from electra.tasks.base import Example, Features, Task, known, require_labels, sorted_labels
from electra.tasks.columns import Columns
from electra.text.records import Record, json_list

SEPARATORS = "|;,"  # between labels in one cell of a table


class MultiLabel(Task):
    """None, one or several of the labels."""

    main_metric: ClassVar[str] = "micro_f1"
    label_names: ClassVar[tuple[str, ...]] = ("labels", "label", "tags", "topics", "categories", "classes")

    def example(self, record: Record, columns: Columns, number: int) -> Example:
        """A row; an empty cell is no label at all, where the row of another task would lack one."""
        example = super().example(record, columns, number)
        is_none = columns.label is not None and record.fields.get(columns.label) == ""
        return example._replace(label=()) if is_none else example

    def learn(self, examples: Sequence[Example]) -> None:
        """Take the labels; one is enough where some examples have it and others do not."""
        require_labels(examples)
        found = sorted_labels(label for example in examples for label in self.labels_of(example))
        if not found:
            raise ValueError(f"no training example of {examples[0].where} has any label; there is nothing to learn")
        if len(found) == 1 and all(example.label for example in examples):
            raise ValueError(f"every training example has the label {found[0]!r}; there is nothing to learn")
        self.labels = self.labels or found
        self.index(examples)

    def parse_label(self, value: Any, record: Record) -> tuple[str, ...]:
        """A list, a JSON list, or names between | ; or , in a cell; an empty list is no label at all."""
        if isinstance(value, str) and value.startswith("["):
            written = json_list(value)
            if written is None:
                raise ValueError(f"{record.where}: the labels {value!r} are no JSON list; separate them by |")
            value = written
        if isinstance(value, str):
            separator = next((s for s in SEPARATORS if s in value), SEPARATORS[0])
            value = [part.strip() for part in value.split(separator) if part.strip()]
        if not isinstance(value, list | tuple):
            value = [value]
        return tuple(dict.fromkeys(str(label) for label in value))

    def labels_of(self, example: Example) -> Iterable[str]:
        """The labels of an example."""
        labels: Iterable[str] = example.label
        return labels

    def example_targets(self, examples: Sequence[Example]) -> list[Any]:
        """The numbers of each example's labels."""
        numbers = self.index(examples)
        return [[numbers[label] for label in example.label or ()] for example in examples]

    def targets(self, features: Sequence[Features]) -> Tensor:
        """1 at an example's labels, else 0, [N, C]."""
        result = torch.zeros(len(features), len(self.labels))
        for row, feature in zip(result, features, strict=True):
            row[feature.target] = 1.0
        return result

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Binary cross-entropy, the mean over the labels, [N]."""
        return nn.functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(-1)

    def answer(self, output: Tensor) -> dict[str, Any]:
        """The labels above one half, and the probability of each."""
        probabilities = {label: round(p, 6) for label, p in zip(self.labels, output.sigmoid().tolist(), strict=True)}
        return {"labels": [label for label, p in probabilities.items() if p > 0.5], "probabilities": probabilities}

    def score(self, predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example]) -> dict[str, float]:
        """Micro and macro F1, and the share of examples with all labels right."""
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
