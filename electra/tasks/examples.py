"""Examples as people wrote them, features as a network reads them, and small helpers over lists of both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from electra.tasks.columns import Columns
from electra.text.records import Record, json_list

IGNORED = -100  # the target of slots and examples without one
Draws = NDArray[np.int32]
T = TypeVar("T")


class Raw(NamedTuple):
    """A text as it was given, and the offsets of its words."""

    text: str
    spans: tuple[tuple[int, int], ...]


class Example(NamedTuple):
    """One labelled input, as people wrote it."""

    id: str
    texts: tuple[str, ...]  # one text or two; (question, context); the words of a sentence
    label: Any = None  # str, tuple[str, ...], float, tuple of tags, tuple of (answer, start); None if unknown
    where: str = ""  # file and row, for messages
    raw: Raw | None = None  # the text from which `texts`, the words, were cut

    @property
    def file(self) -> str:
        """The file without the row, for messages on all of its examples."""
        return self.where.rpartition(", row ")[0] or self.where


class Features(NamedTuple):
    """One input of the network, special tokens included."""

    ids: list[int]
    token_type_ids: list[int]
    example: int  # index in the list that was encoded; several features may belong to one example
    target: Any = IGNORED  # turned into tensors by `Task.targets`
    places: list[Any] = []  # noqa: RUF012  a slot's word (first pieces only, else -1) or span of characters (else None)
    is_cut: bool = False  # whether some of the example had no room


class Sample(NamedTuple):
    """The beginning of a file, from which its task is recognised."""

    columns: frozenset[str] = frozenset()  # in lower case
    text_is_list: bool = False  # in the column that the user names
    label: str = ""  # the label column in lower case, "" if none is found
    values: Sequence[Any] = ()  # its cells that are not empty
    is_article_file: bool = False  # JSON in one object; it has no columns


Prediction = Mapping[str, Any]
Predictions = list[dict[str, Any]]


def is_measured(split: str) -> bool:
    """Return whether a split needs labels: training and dev sets do, a test set may have none."""
    return split.startswith(("train", "dev"))


def require_some_label(examples: Sequence[Example], source: str, split: str, columns: Columns) -> None:
    """Raise ValueError if a train or dev split has no label at all."""
    if is_measured(split) and all(example.label is None for example in examples):
        raise ValueError(
            f"{source}: no row of the {split} split has a label in column {columns.label!r}; "
            "fill it in, or name another with --label-column"
        )


def require_labels(examples: Sequence[Example]) -> None:
    """Raise ValueError at the first example without a label."""
    bare = next((example for example in examples if example.label is None), None)
    if bare is not None:
        raise ValueError(f"{bare.where}: no label; fill it in or remove the row")


def mean_of_draws(values: Sequence[float], draws: Draws) -> list[float]:
    """Return the mean of each draw, given one value per example: [n], [R, n] -> R means."""
    array = np.asarray(values, float)
    return [float(array[drawn].mean()) for drawn in draws]  # one by one: all at once would take much memory


def sorted_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct labels, numbers by value and the rest by spelling."""
    return tuple(sorted(set(labels), key=lambda x: (0, int(x), "") if x.isdecimal() else (1, 0, x)))


def text_of(record: Record, name: str) -> str:
    """Return the text in a row's column, '' if it is absent; raise ValueError if it is not a text."""
    value = record.fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise ValueError(
            f"{record.where}: column {name!r} holds {type(value).__name__}, not a text; choose another --text-column"
        )
    return str(value)


def require_a_tag_each(words: Sequence[str], tags: Sequence[str] | None, where: str) -> None:
    """Raise ValueError if a word is empty, or if there are tags and not one for each word."""
    if tags is not None and len(tags) != len(words):
        raise ValueError(f"{where} has {len(words)} words and {len(tags)} tags; every word needs exactly one tag")
    blank = next((number for number, word in enumerate(words, 1) if not word.strip()), None)
    if blank is not None:
        raise ValueError(f"{where}: word {blank} is empty; remove it and its tag")


def as_list(value: Any) -> list[str]:
    """Return a list of strings from a list, from one written as JSON, or from a text with blanks."""
    if isinstance(value, str):
        written = json_list(value)
        return value.split() if written is None else written
    return [str(item) for item in value or ()]


def grouped(collected: Sequence[T], features: Sequence[Features], count: int) -> Iterator[list[T]]:
    """Yield the values collected from the features of each of `count` examples."""
    groups: dict[int, list[T]] = defaultdict(list)
    for thing, feature in zip(collected, features, strict=True):
        groups[feature.example].append(thing)
    return (groups[number] for number in range(count))


def known(predictions: Sequence[Prediction], examples: Sequence[Example]) -> list[tuple[Prediction, Example]]:
    """Return the (prediction, example) pairs whose label is known; raise ValueError if there are none."""
    assert len(predictions) == len(examples)
    pairs = [(p, e) for p, e in zip(predictions, examples, strict=True) if e.label is not None]
    if not pairs:
        raise ValueError("none of these examples has a label, so there is nothing to score; predict works without")
    return pairs
