"""The report of `--check` on data before any training: labels, duplicates, lengths, empty texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from electra.tasks.base import Task
from electra.tasks.examples import Example, Features
from electra.text.tokenizer import Tokenizer

RARE = 10  # training examples of a label below which it is unlikely to be learned
SHOWN = 30  # labels listed


def check(
    task: Task,
    splits: Mapping[str, Sequence[Example]],
    features: Mapping[str, Sequence[Features]],
    tokenizer: Tokenizer,
    max_length: int,
) -> str:
    """Return a report on the splits, "train" first, and their features; the task has learned its labels from it.

    Raises:
        ValueError: a split has a label absent from train.
    """
    train = next(iter(splits.values()))
    lines = ["examples   " + ", ".join(f"{name} {len(examples)}" for name, examples in splits.items())]
    lines += label_lines(task, splits)
    lines += [line for name, examples in splits.items() for line in text_lines(task, name, examples)]
    seen = {example.texts for example in train}
    for name, examples in list(splits.items())[1:]:
        both = [example for example in examples if example.texts in seen]
        if both:
            lines.append(
                f"leak       {len(both)} of {len(examples)} texts of {name} are in train too, e.g. {both[0].where}"
            )
    lines += [length_line(name, features[name], examples, tokenizer, max_length) for name, examples in splits.items()]
    return "\n".join(lines)


def label_lines(task: Task, splits: Mapping[str, Sequence[Example]]) -> list[str]:
    """Report how often each label occurs, and which are rare or missing in training."""
    if not task.labels:
        return number_lines(splits)
    counts = {name: Counter(label for e in es if e.label is not None for label in task.labels_of(e))
              for name, es in splits.items()}  # fmt: skip
    train = next(iter(counts.values()))
    order = sorted(task.labels, key=lambda label: -train[label])
    width = max(len(label) for label in order)
    lines = ["labels     " + " ".join(["".ljust(width), *(f"{name:>9}" for name in counts)])]
    for label in order[:SHOWN]:
        lines.append(" " * 11 + " ".join([label.ljust(width), *(f"{count[label]:>9}" for count in counts.values())]))
    if len(order) > SHOWN:
        lines.append(f"           and {len(order) - SHOWN} more")
    rare = [f"{label} ({train[label]})" for label in order if train[label] < RARE]
    return lines + ([f"rare       under {RARE} training examples: {', '.join(rare[:SHOWN])}"] if rare else [])


def number_lines(splits: Mapping[str, Sequence[Example]]) -> list[str]:
    """Report the range of scores, or how many questions have an answer."""
    lines = []
    for name, examples in splits.items():
        labels: list[Any] = [example.label for example in examples if example.label is not None]
        if labels and isinstance(labels[0], float):
            mean = sum(labels) / len(labels)
            lines.append(f"scores     {name}: {min(labels):g} to {max(labels):g}, mean {mean:.3g}")
        elif labels:
            lines.append(f"answers    {name}: {sum(map(bool, labels))} answered, {sum(not x for x in labels)} without")
    return lines


def text_lines(task: Task, name: str, examples: Sequence[Example]) -> list[str]:
    """Report empty texts, duplicates, and texts that occur with different labels."""
    lines = []
    empty = [example for example in examples if not all(text.strip() for text in example.texts)]
    if empty:
        lines.append(f"empty      {name}: {len(empty)} examples have an empty text, the first at {empty[0].where}")
    labels: dict[tuple[str, ...], set[Any]] = {}
    for example in examples:
        labels.setdefault(example.texts, set()).add(example.label)
    if len(labels) < len(examples):
        lines.append(f"duplicates {name}: {len(examples) - len(labels)} examples repeat another's text")
    torn = next((texts for texts, found in labels.items() if len(found) > 1), None)
    if torn is not None:
        count = sum(len(found) > 1 for found in labels.values())
        lines.append(f"conflicts  {name}: {count} texts have different labels, e.g. {' '.join(torn)[:60]!r}")
    return lines


def length_line(
    name: str, features: Sequence[Features], examples: Sequence[Example], tokenizer: Tokenizer, max_length: int
) -> str:
    """Report the lengths of the examples in tokens, and how many are truncated or read in windows."""
    lengths = sorted(true_lengths(tokenizer, examples))
    cut = len({feature.example for feature in features if feature.is_cut})
    line = f"lengths    {name}: median {lengths[len(lengths) // 2]:,}, longest {lengths[-1]:,} tokens; "
    line += f"the model is given {max_length}"
    if cut:
        line += f": {cut:,} of {len(examples):,} are truncated"
    if len(features) > len(examples):
        line += f"; long ones are split into windows, {len(features):,} in all"
    return line


def true_lengths(tokenizer: Tokenizer, examples: Sequence[Example]) -> list[int]:
    """Return the tokens of each example's texts, special ones not counted, before anything is truncated."""
    distinct = list(dict.fromkeys(text for example in examples for text in example.texts))
    sizes = {text: len(ids) for text, ids in zip(distinct, tokenizer.encode_lines(distinct), strict=True)}
    return [sum(sizes[text] for text in example.texts) for example in examples]
