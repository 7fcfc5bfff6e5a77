"""The base class of fine-tuning tasks: examples from files, features for the network, loss, predictions, score.

N features (an example gives one or several), C labels. Importing a task needs no torch; `targets`, `build`, `run` and
`loss`, which are for training, import it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from electra.core.errors import some_of
from electra.core.log import logger
from electra.models.kinds import Kind
from electra.tasks.columns import Columns, find_column
from electra.tasks.examples import (
    IGNORED,
    Example,
    Features,
    Predictions,
    Sample,
    grouped,
    is_measured,
    require_labels,
    require_some_label,
    sorted_labels,
    text_of,
)
from electra.tasks.metric import Metric
from electra.tasks.training_set import FixedSet, TrainingSet
from electra.text.records import Record
from electra.text.splits import read_records
from electra.text.tokenizer import Tokenizer
from electra.text.windows import TEXT_OR_PAIR, Wanted, even_runs, join

if TYPE_CHECKING:
    from torch import Tensor, nn

    from electra.interface import Packed
    from electra.models.encoder import Encoder
    from electra.models.heads import Network

SHOWN = 20  # labels in a message
Array = NDArray[Any]


class Task(Metric):
    """A kind of labelled data, with its reading, learning, predictions and scores.

    Training: train = task.read(path, "train"); task.learn(train); features = task.encode(tokenizer, train, max_length);
    network = task.build(encoder); outputs = task.run(network, packed, targets); task.loss(outputs, targets).mean().
    Answering: collected = [task.collect(arrays, feature), ...]; task.decode(collected, features, examples).
    """

    heads: ClassVar[Mapping[str, Kind]] = {"linear": Kind.LINEAR_CLASSIFIER, "dense": Kind.CLASSIFIER}  # best first
    problem_type: ClassVar[str | None] = None  # Hugging Face's name in config.json, if it has one
    length: ClassVar[int] = 128  # default maximum tokens of a text
    epochs: ClassVar[float] = 3.0  # passes over the training data (paper, Table 7)
    keeps_head: ClassVar[bool] = False  # whether learning goes on with the pre-trained head, if there is one
    options: ClassVar[tuple[str, ...]] = ()  # settings of FinetuneConfig that the task takes as arguments
    splits_words: ClassVar[bool] = False  # whether an example's texts are words
    wanted: ClassVar[Wanted | None] = TEXT_OR_PAIR  # None: any number of texts
    dev_splits: ClassVar[tuple[str, ...]] = ("dev",)
    text_names: ClassVar[tuple[str, ...]] = (
        "text", "text1", "sentence1", "premise", "question1", "question", "sentence", "content", "review", "utterance",
    )  # fmt: skip
    pair_names: ClassVar[tuple[str, ...]] = ("text2", "sentence2", "hypothesis", "question2", "sentence")
    label_names: ClassVar[tuple[str, ...]] = ("label", "labels", "class", "category", "intent", "target")

    def __init__(
        self,
        labels: Sequence[str] = (),
        columns: Mapping[str, str] | None = None,
        symmetric: bool = False,
        windows: str | None = None,
        class_weights: str | None = None,
    ) -> None:
        self.labels = tuple(labels)
        self.columns = dict(columns or {})  # {"text": ..., "text2": ..., "label": ...} as far as the user names them
        self.symmetric = symmetric  # pairs are learned and predicted in both orders
        self.windows = windows  # mean or max: long texts are read in windows, whose logits are combined so
        self.class_weights = class_weights  # balanced: rare labels weigh more in the loss

    def settings(self) -> dict[str, Any]:
        """Return JSON-able arguments that rebuild the task: type(task)(**task.settings())."""
        found = {"labels": list(self.labels), "columns": self.columns, "symmetric": self.symmetric}
        return found | ({"windows": self.windows} if self.windows else {})

    # -- reading --

    def read_beside(self, folder: Path) -> None:
        """Read what the task uses of the files beside the pre-trained model."""

    @classmethod
    def recognises(cls, sample: Sample) -> bool:
        """Return whether a file fits this task, given that it fits no later one in TASKS."""
        return False

    def read(self, source: str, split: str = "train") -> list[Example]:
        """Read the examples of a file, of a split in a folder, or of an `hf:` data set.

        Raises:
            ValueError: names the file, the row and what to change.
        """
        records = self.read_rows(source, split)
        if not records:
            raise ValueError(f"{source}: the {split} split holds no rows; name a file that has some")
        columns = self.find_columns(records, source, split)
        logger.info(f"{source} ({split}): {len(records)} rows, {columns}")
        examples = [self.example(record, columns, number) for number, record in enumerate(records)]
        require_some_label(examples, source, split, columns)
        return examples

    def read_rows(self, source: str, split: str) -> list[Record]:
        """Return the rows of a split, not yet examples."""
        return list(read_records(source, split))

    def holds(self, source: str, split: str) -> bool:
        """Return whether `source` has a split to measure on; a user's file is the dev set and nothing else."""
        return split == "dev"

    def find_columns(self, records: list[Record], source: str, split: str) -> Columns:
        """Find the columns of the text, the second text and the label."""
        found = list(records[0].fields)
        text = find_column(found, "text", self.text_names, self.columns, source)
        pair = find_column(found, "text2", self.pair_names, self.columns, source, optional=True, taken=text)
        needed = is_measured(split)
        label = find_column(found, "label", self.label_names, self.columns, source, optional=not needed, taken=text)
        assert text is not None
        return Columns(text, pair, label)

    def example(self, record: Record, columns: Columns, number: int) -> Example:
        """Turn a row into an example."""
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
        """Turn a label of the file into a label of Example."""
        return str(value).strip()

    def asked(self, given: str | Sequence[str], number: int, tokenizer: Tokenizer) -> Example:
        """Turn an input of `predict` into an example."""
        return Example(str(number), (given,) if isinstance(given, str) else tuple(given))

    # -- labels --

    def learn(self, examples: Sequence[Example]) -> None:
        """Take the labels (or the range) from the training examples, unless given; raise ValueError if useless."""
        require_labels(examples)
        found = sorted_labels(label for example in examples for label in self.labels_of(example))
        if not self.labels:
            self.labels = found
        if len(found) < 2:
            raise ValueError(
                f"every training example of {examples[0].file} has the label {found[0]!r}; "
                "add examples of another, or name the right column with --label-column"
            )
        self.index(examples)

    def labels_of(self, example: Example) -> Iterable[str]:
        """Return the labels an example mentions."""
        return (example.label,)

    def index(self, examples: Sequence[Example]) -> dict[str, int]:
        """Return the number of each label; raise ValueError for an example's label that is absent from training."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        for example in examples:
            for label in () if example.label is None else self.labels_of(example):
                if label not in numbers:
                    raise ValueError(
                        f"{example.where}: the label {label!r} is not among those of training "
                        f"({some_of(self.labels, SHOWN)}); correct it, or add training examples of it"
                    )
        return numbers

    # -- features --

    def encode(self, tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> list[Features]:
        """Turn examples into features of at most `max_length` ids, in order.

        A symmetric pair gives both orders, with `windows` a long text several rows.
        """
        first = tokenizer.encode_lines([example.texts[0] for example in examples])
        second = tokenizer.encode_lines([example.texts[1] if len(example.texts) > 1 else "" for example in examples])
        targets = self.example_targets(examples)
        features = []
        for number, (example, a, b) in enumerate(zip(examples, first, second, strict=True)):
            pair = len(example.texts) > 1
            if pair and self.windows:
                raise ValueError(f"{example.where or 'input'}: windows read one text, not a pair; leave --windows out")
            rows = [(a, b), (b, a)] if self.symmetric and pair else [(a, b)]
            if self.windows:
                rows = [(a[first:end], []) for first, end in even_runs(len(a), max_length - 2)]
            for x, y in rows:
                is_cut = len(x) + pair * (len(y) + 1) > max_length - 2
                row = join(tokenizer, x, y if pair else None, max_length)
                features.append(Features(*row, number, targets[number], is_cut=is_cut))
        return features

    def training_set(self, tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> TrainingSet:
        """Return the features to learn from."""
        return FixedSet(self.encode(tokenizer, examples, max_length))

    def example_targets(self, examples: Sequence[Example]) -> list[Any]:
        """Return the `target` that each example's features carry."""
        numbers = self.index(examples)
        return [IGNORED if example.label is None else numbers[example.label] for example in examples]

    # -- training --

    def targets(self, features: Sequence[Features]) -> Tensor:
        """Return the targets of a batch of features as one tensor whose first dimension is N."""
        import torch

        return torch.tensor([feature.target for feature in features])

    def build(self, encoder: Encoder, head: str = "linear") -> Network:
        """Build the network that learns the task; `head` is one of `heads`."""
        from electra.models.task_heads import Classifier

        assert head in ("linear", "dense")
        return Classifier(encoder, max(1, len(self.labels)), head)  # type: ignore[arg-type]

    def run(self, network: nn.Module, packed: Packed, targets: Tensor | None = None) -> Any:
        """Return the network's outputs; some heads are shown part of the answer, given in `targets`."""
        return network(packed)

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return the loss of each feature, [N]."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, targets, reduction="none", ignore_index=IGNORED)

    def in_own_units(self, network: Network) -> tuple[Task, Network]:
        """Return the task and the network to save, so that the network's output is the prediction itself."""
        return self, network

    def config_entries(self, scores: Mapping[str, float]) -> dict[str, Any]:
        """Return what config.json says of the task for other readers, given the scores on the dev file."""
        entries: dict[str, Any] = {"problem_type": self.problem_type} if self.problem_type else {}
        names = self.labels or ("LABEL_0",) * bool(self.problem_type)  # an unnamed output stands for regression
        named = {"id2label": {str(n): name for n, name in enumerate(names)}} if names else {}
        return entries | named | ({"label2id": {v: n for n, v in enumerate(names)}} if self.labels else {})

    # -- answering --

    def collect(self, outputs: Mapping[str, Array], feature: Features) -> Any:
        """Reduce the named outputs of one feature to what `decode` needs."""
        return outputs["logits"]

    def decode(
        self, collected: Sequence[Any], features: Sequence[Features], examples: Sequence[Example]
    ) -> Predictions:
        """Return one JSON-able prediction per example, from the mean (or the maximum) of its features' logits."""
        groups = grouped(collected, features, len(examples))
        combined = np.max if self.windows == "max" else np.mean
        return [
            {"id": example.id, **self.prediction(combined(group, 0))}
            for example, group in zip(examples, groups, strict=True)
        ]

    def prediction(self, logits: Array) -> dict[str, Any]:
        """Return the prediction of an example from its mean logits [C]."""
        raise NotImplementedError

    # -- baselines --

    def baselines(
        self, train: Sequence[Example], examples: Sequence[Example], learned: bool = True
    ) -> list[tuple[str, Predictions]]:
        """Return named predictions that need no network; `learned`: also those of a fitted linear model."""
        if not train:
            return []
        require_labels(train)
        constant = self.constant(train)
        return [("majority", [{"id": e.id, **constant(e)} for e in examples])]

    def constant(self, train: Sequence[Example]) -> Callable[[Example], dict[str, Any]]:
        """Return a function that predicts the commonest training label."""
        label = Counter(e.label for e in train).most_common(1)[0][0]
        return lambda example: {"label": label}
