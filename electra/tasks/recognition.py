"""Recognise the task a file is for, by its columns and first rows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from electra.tasks import TASKS, Task
from electra.tasks.examples import Sample
from electra.tasks.regression import NUMBERS
from electra.text.records import load_json
from electra.text.sources import file_format
from electra.text.splits import read_records, split_file

ROWS = 200  # rows to look at


def recognise(source: str, columns: Mapping[str, str]) -> str:
    """Return the name of the last task in TASKS that recognises a file; `columns` are those the user names, by role."""
    sample = Sample(is_article_file=True) if is_article_file(source) else read_sample(source, columns)
    return next(name for name, task in reversed(TASKS.items()) if task.recognises(sample))


def is_article_file(source: str) -> bool:
    """Return whether a source is JSON in one object, as SQuAD's is."""
    path = split_file(source, "train")
    return path is not None and file_format(path) == ".json" and not isinstance(load_json(path), list)


def read_sample(source: str, columns: Mapping[str, str]) -> Sample:
    """Read the first rows of a file, and find its label column by the names that tasks give it."""
    rows = [record.fields for record in islice(read_records(source, "train"), ROWS)]
    if not rows:
        raise ValueError(f"{source} holds no rows; name a file that has some")
    found = {name.lower().strip(): name for name in rows[0]}
    names = [columns["label"]] if "label" in columns else [*Task.label_names, *NUMBERS]
    label = next((found[name.lower()] for name in names if name.lower() in found), "")
    values = [value for row in rows if (value := row.get(label)) not in (None, "")]
    return Sample(frozenset(found), isinstance(rows[0].get(columns.get("text", "")), list), label.lower(), values)
