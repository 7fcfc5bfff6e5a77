"""Recognise the task a file is for, by its columns and first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from electra.tasks.classification import Classification
from electra.tasks.multi_label import SEPARATORS
from electra.tasks.regression import Regression
from electra.text.records import load_json
from electra.text.sources import file_format
from electra.text.splits import read_records, split_file

ROWS = 200  # rows to look at
NUMBERS = ("score", "rating", "value")  # columns whose numbers are scores even where all are whole


def recognise(source: str, columns: Mapping[str, str]) -> str:
    """Return the name of the task; `columns` are those the user has named, by role."""
    if is_squad(source):
        return "qa"
    rows = [record.fields for record in islice(read_records(source, "train"), ROWS)]
    if not rows:
        raise ValueError(f"{source} holds no rows")
    found = {name.lower().strip(): name for name in rows[0]}
    if {"question", "context"} <= found.keys():
        return "qa"
    if {"tokens", "words"} & found.keys() or isinstance(rows[0].get(columns.get("text", "")), list):
        return "tagging"
    names = [columns["label"]] if "label" in columns else [*Classification.label_names, *Regression.label_names]
    label = next((found[name.lower()] for name in names if name.lower() in found), "")
    return kind_of_labels(label, [value for row in rows if (value := row.get(label)) not in (None, "")])


def is_squad(source: str) -> bool:
    """Return whether a source is SQuAD's JSON: an object that holds articles."""
    path = Path() if source.startswith("hf:") else split_file(source, "train")
    return path.is_file() and file_format(path) == ".json" and not isinstance(load_json(path), list)


def kind_of_labels(name: str, values: Sequence[Any]) -> str:
    """Return multi_label, regression or classification, by the values of the label column."""
    texts = [value for value in values if isinstance(value, str)]
    if any(isinstance(value, list) for value in values):
        return "multi_label"
    if name.lower() in ("labels", "tags", "topics") and any(s in text for text in texts for s in SEPARATORS):
        return "multi_label"
    numbers = [number for value in values if (number := as_number(value)) is not None]
    is_numeric = bool(values) and len(numbers) == len(values)
    if is_numeric and (name.lower() in NUMBERS or any(number % 1 for number in numbers)):
        return "regression"
    return "classification"


def as_number(value: Any) -> float | None:
    """Return a value as a number; None where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
