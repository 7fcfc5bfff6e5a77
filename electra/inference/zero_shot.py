"""Classification without training: choose the label word that looks least replaced in a template after the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from electra.config import require
from electra.inference.detector import Detector
from electra.text.labels import ranked, softmax
from electra.text.pieces import logit
from electra.text.unicode import require_valid


def zero_shot(model: Detector, texts: Sequence[str], template: str, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the likeliest of `labels` for each text, with the probability of each.

    A label's score is the drop in its word's log odds of being replaced, relative to the template alone; this cancels
    the word's own frequency.
    """
    require(len(set(labels)) >= 2, "give at least two different label words, separated by commas")
    require(template.count("{}") == 1, f"the template {template!r} needs one place for the label word: {{}}")
    before, after = template.split("{}")
    for text in (*texts, template, *labels):
        require_valid(text)
    rows = [row_of(model, text, before, label, after) for text in ("", *texts) for label in labels]
    found = model.replaced([row.ids for row in rows])
    scores = [mean_score(ps[row.first : row.end].tolist()) for ps, row in zip(found, rows, strict=True)]
    table = np.array(scores).reshape(len(texts) + 1, len(labels))
    cut = {number // len(labels) - 1 for number, row in enumerate(rows) if row.is_cut}  # texts
    return [
        ranked(labels, row) | ({"truncated": True} if number in cut else {})
        for number, row in enumerate(softmax(table[1:] - table[0]))
    ]


def mean_score(probabilities: Sequence[float]) -> float:
    """Return the mean log odds that the pieces of a word are original, given those that they were replaced."""
    return sum(-logit(p) for p in probabilities) / len(probabilities)


class Row(NamedTuple):
    """The ids of a text and the template with a label, whose slots are ids[first:end]."""

    ids: list[int]
    first: int
    end: int
    is_cut: bool


def row_of(model: Detector, text: str, before: str, label: str, after: str) -> Row:
    """Return the row of a text and the template with a label; truncate a long text."""
    tokenizer = model.tokenizer
    head = tokenizer.encode(f" {before}").ids if before.strip() else []
    word = tokenizer.encode(f" {label}").ids
    tail = tokenizer.encode(after).ids if after.strip() else []
    require(bool(word), f"the label {label!r} has no token in this vocabulary; choose another word")
    room = model.longest - 2 - len(head) - len(word) - len(tail)
    require(room >= 0, "the template is longer than the model reads; shorten it")
    whole = tokenizer.encode(text).ids
    ids = whole[:room]
    first = 1 + len(ids) + len(head)
    return Row(model.row([*ids, *head, *word, *tail]), first, first + len(word), len(whole) > room)
