"""What every fine-tuning task is: examples from files, features for the network, a loss, predictions, a score.

N features (an example gives one or several), T slots of the longest, C labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from electra.core.log import logger
from electra.interface import Packed
from electra.models.encoder import Encoder
from electra.models.task_heads import Answerer, Classifier, Tagger
from electra.tasks.columns import Columns, find_column
from electra.text.records import Record
from electra.text.splits import read_records
from electra.text.tokenizer import Tokenizer
from electra.text.windows import TEXT_OR_PAIR, Wanted, join

IGNORED = -100  # the target of a slot, or of an example, that has none
Draws = NDArray[np.int32]
T = TypeVar("T")
Network = TypeVar("Network", bound=nn.Module)


class Example(NamedTuple):
    """One thing to label, as people wrote it."""

    id: str
    texts: tuple[str, ...]  # one text or two; (question, context); the words of a sentence
    label: Any = None  # str, tuple[str, ...], float, tuple of tags, tuple of (answer, start); None where unknown
    where: str = ""  # file and row, for messages


class Features(NamedTuple):
    """One thing to show the network, special tokens included."""

    ids: list[int]
    token_type_ids: list[int]
    example: int  # its number in the list that was encoded: several features may belong to one example
    target: Any = IGNORED  # what `targets` makes tensors of
    places: list[Any] = []  # noqa: RUF012  a slot's word (first pieces only, else -1) or span of characters (else None)


class Task:
    """How a kind of data is read, learned and scored; subclasses say the rest.

    Use: train = task.read(path, "train"); task.learn(train); features = task.encode(tokenizer, train, max_length);
    network = task.build(encoder); outputs = task.run(network, packed, targets); task.loss(outputs, targets).mean();
    collected += task.collect(outputs, batch); task.score(task.decode(collected, features, examples), examples).
    """

    main_metric: ClassVar[str] = "accuracy"
    heads: ClassVar[tuple[str, ...]] = ("linear", "dense")
    dev_splits: ClassVar[tuple[str, ...]] = ("dev",)
    text_names: ClassVar[tuple[str, ...]] = (
        "text", "text1", "sentence1", "premise", "question1", "question", "sentence", "content", "review", "utterance",
    )  # fmt: skip
    pair_names: ClassVar[tuple[str, ...]] = ("text2", "sentence2", "hypothesis", "question2", "sentence")
    label_names: ClassVar[tuple[str, ...]] = ("label", "labels", "class", "category", "intent", "target")

    wanted: ClassVar[Wanted | None] = TEXT_OR_PAIR  # None: as many texts as there are

    def __init__(
        self,
        labels: Sequence[str] = (),
        columns: Mapping[str, str] | None = None,
        symmetric: bool = False,
    ) -> None:
        self.labels = tuple(labels)
        self.columns = dict(columns or {})  # {"text": ..., "text2": ..., "label": ...} where the user names them
        self.symmetric = symmetric  # pairs are learned and predicted in both orders

    def settings(self) -> dict[str, Any]:
        """What makes the same task again, JSON-able: type(task)(**task.settings())."""
        return {"labels": list(self.labels), "columns": self.columns, "symmetric": self.symmetric}

    # -- reading --

    def read(self, source: str, split: str = "train") -> list[Example]:
        """The examples of a file, of a split in a folder, or of an `hf:` data set.

        Raises:
            ValueError: names the file, the row and what to change.
        """
        records = list(read_records(source, split))
        if not records:
            raise ValueError(f"{source}: the {split} split holds no rows")
        columns = self.find_columns(records, source, split)
        logger.info(f"{source} ({split}): {len(records)} rows, {columns}")
        examples = [self.example(record, columns, number) for number, record in enumerate(records)]
        require_some_label(examples, source, split, columns)
        return examples

    def holds(self, source: str, split: str) -> bool:
        """Whether `source` has a split to measure on; a file of one's own is the dev set and nothing else."""
        return split == "dev"

    def find_columns(self, records: list[Record], source: str, split: str) -> Columns:
        """Which column is the text, the second text, the label."""
        found = list(records[0].fields)
        text = find_column(found, "text", self.text_names, self.columns, source)
        pair = find_column(found, "text2", self.pair_names, self.columns, source, optional=True, taken=text)
        needed = is_measured(split)
        label = find_column(found, "label", self.label_names, self.columns, source, optional=not needed, taken=text)
        assert text is not None
        return Columns(text, pair, label)

    def example(self, record: Record, columns: Columns, number: int) -> Example:
        """A row as an example."""
        names = [columns.text] + ([columns.text2] if columns.text2 else [])
        texts = tuple(text_of(record, name) for name in names)
        if not any(text.strip() for text in texts):
            raise ValueError(f"{record.where}: the text in column {columns.text!r} is empty; fill or remove the row")
        label = None if columns.label is None else record.fields.get(columns.label)
        named = (record.fields.get(name) for name in ("id", "idx", "index", "guid"))
        identity = next((value for value in named if value not in (None, "")), number)
        label = None if label is None or label == "" else self.parse_label(label, record)
        return Example(str(identity), texts, label, record.where)

    def parse_label(self, value: Any, record: Record) -> Any:
        """A label as the file has it -> as Example has it."""
        return str(value).strip()

    # -- labels --

    def learn(self, examples: Sequence[Example]) -> None:
        """Take the labels (or the range) from the training examples, unless they are given; refuse useless ones."""
        require_labels(examples)
        found = sorted_labels(label for example in examples for label in self.labels_of(example))
        if not self.labels:
            self.labels = found
        if len(found) < 2:
            raise ValueError(
                f"every training example of {examples[0].where} has the label {found[0]!r}; there is nothing to learn"
            )
        self.index(examples)

    def labels_of(self, example: Example) -> Iterable[str]:
        """The labels an example mentions."""
        return (example.label,)

    def index(self, examples: Sequence[Example]) -> dict[str, int]:
        """The number of each label; ValueError where an example has a label that training has not."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        for example in examples:
            for label in () if example.label is None else self.labels_of(example):
                if label not in numbers:
                    some = ", ".join(self.labels[:20]) + (" ..." if len(self.labels) > 20 else "")
                    raise ValueError(
                        f"{example.where}: the label {label!r} is not among those of training ({some}); "
                        "correct it, or add training examples of it"
                    )
        return numbers

    # -- features --

    def encode(self, tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> list[Features]:
        """Examples -> features of at most `max_length` ids, in order; a symmetric pair gives both orders."""
        first = tokenizer.encode_lines([example.texts[0] for example in examples])
        second = tokenizer.encode_lines([example.texts[1] if len(example.texts) > 1 else "" for example in examples])
        targets = self.example_targets(examples)
        features = []
        for number, (example, a, b) in enumerate(zip(examples, first, second, strict=True)):
            pair = len(example.texts) > 1
            orders = [(a, b), (b, a)] if self.symmetric and pair else [(a, b)]
            features += [
                Features(*join(tokenizer, x, y if pair else None, max_length), number, targets[number])
                for x, y in orders
            ]
        return features

    def example_targets(self, examples: Sequence[Example]) -> list[Any]:
        """What each example's features carry as `target`."""
        numbers = self.index(examples)
        return [IGNORED if example.label is None else numbers[example.label] for example in examples]

    def targets(self, features: Sequence[Features]) -> Tensor:
        """What a batch of features should give: one tensor whose first dimension is N."""
        return torch.tensor([feature.target for feature in features])

    # -- network --

    def in_own_units(self, network: Network) -> tuple[Task, Network]:
        """The task and the network as they are saved: what the network says is then what the task answers."""
        return self, network

    def build(self, encoder: Encoder, head: str = "linear") -> Classifier | Tagger | Answerer:
        """The network that learns the task; `head` is one of `heads`."""
        assert head in ("linear", "dense")
        return Classifier(encoder, max(1, len(self.labels)), head)  # type: ignore[arg-type]

    def run(self, network: nn.Module, packed: Packed, targets: Tensor | None = None) -> Any:
        """The network's outputs; `targets` in training, for heads that are shown part of the answer."""
        return network(packed)

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """The loss of each feature, [N]."""
        return nn.functional.cross_entropy(outputs, targets, reduction="none", ignore_index=IGNORED)

    # -- answers --

    def collect(self, outputs: Any, features: Sequence[Features]) -> list[Any]:
        """What `decode` needs of a batch's outputs, one small thing a feature, off the device."""
        return list(outputs.float().cpu())

    def decode(
        self, collected: Sequence[Any], features: Sequence[Features], examples: Sequence[Example]
    ) -> list[dict[str, Any]]:
        """One JSON-able prediction an example; the mean over its features."""
        groups = grouped(collected, features, len(examples))
        return [
            {"id": example.id, **self.answer(torch.stack(group).mean(0))}
            for example, group in zip(examples, groups, strict=True)
        ]

    def answer(self, output: Tensor) -> dict[str, Any]:
        """An example's mean output, [C] -> its prediction."""
        raise NotImplementedError

    def score(self, predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example]) -> dict[str, float]:
        """The task's metrics; `main_metric` is among them."""
        raise NotImplementedError

    def resampled(
        self, predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example], draws: Draws
    ) -> list[float]:
        """The main metric of each draw of the examples, which all have labels: [R, n] -> R scores."""
        return [
            self.score([predictions[n] for n in drawn], [examples[n] for n in drawn])[self.main_metric]
            for drawn in draws
        ]


def is_measured(split: str) -> bool:
    """Whether a split is learned from or measured on; a test set may have no labels."""
    return split.startswith(("train", "dev"))


def require_some_label(examples: Sequence[Example], source: str, split: str, columns: Columns) -> None:
    """Raise ValueError where a split to measure on has none: before the training, not after it."""
    if is_measured(split) and all(example.label is None for example in examples):
        raise ValueError(f"{source}: no row of the {split} split has a label in column {columns.label!r}; fill it in")


def require_labels(examples: Sequence[Example]) -> None:
    """Raise ValueError at the first example without a label."""
    bare = next((example for example in examples if example.label is None), None)
    if bare is not None:
        raise ValueError(f"{bare.where}: no label; fill it in or remove the row")


def mean_of_draws(values: Sequence[float], draws: Draws) -> list[float]:
    """The mean over each draw of one value an example."""
    array = np.asarray(values, float)
    return [float(array[drawn].mean()) for drawn in draws]  # one by one: all at once would take much memory


def sorted_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct labels, numbers by value and the rest by spelling."""
    return tuple(sorted(set(labels), key=lambda x: (0, int(x), "") if x.isdecimal() else (1, 0, x)))


def text_of(record: Record, name: str) -> str:
    """A row's text; ValueError where there is none."""
    value = record.fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise ValueError(f"{record.where}: column {name!r} holds {type(value).__name__}, not a text")
    return str(value)


def grouped(collected: Sequence[T], features: Sequence[Features], count: int) -> Iterator[list[T]]:
    """What was collected, by example."""
    groups: dict[int, list[T]] = defaultdict(list)
    for thing, feature in zip(collected, features, strict=True):
        groups[feature.example].append(thing)
    return (groups[number] for number in range(count))


def known(
    predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example]
) -> list[tuple[Mapping[str, Any], Example]]:
    """Predictions beside the examples whose label is known."""
    assert len(predictions) == len(examples)
    pairs = [(p, e) for p, e in zip(predictions, examples, strict=True) if e.label is not None]
    if not pairs:
        raise ValueError("none of these examples has a label, so there is nothing to score; predict works without")
    return pairs
