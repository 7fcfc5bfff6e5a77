"""Classification without training: choose the label word that looks least replaced in a template after the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from electra.config import require
from electra.inference.detector import Detector, require_valid
from electra.text.labels import ranked, softmax
from electra.text.pieces import logit


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
    rows, spans = [], []
    for text in ("", *texts):
        for label in labels:
            row, span = row_of(model, text, before, label, after)
            rows.append(row)
            spans.append(span)
    found = model.replaced(rows)
    scores = [sum(-logit(p) for p in ps[a:b].tolist()) / (b - a) for ps, (a, b) in zip(found, spans, strict=True)]
    table = np.array(scores).reshape(len(texts) + 1, len(labels))
    return [ranked(labels, row) for row in softmax(table[1:] - table[0])]


def row_of(model: Detector, text: str, before: str, label: str, after: str) -> tuple[list[int], tuple[int, int]]:
    """Return the ids of text and template with a label, and the label's slots; truncate a long text."""
    tokenizer = model.tokenizer
    head = tokenizer.encode(f" {before}").ids if before.strip() else []
    word = tokenizer.encode(f" {label}").ids
    tail = tokenizer.encode(after).ids if after.strip() else []
    require(bool(word), f"the label {label!r} has no token in this vocabulary; choose another word")
    room = model.longest - 2 - len(head) - len(word) - len(tail)
    require(room >= 0, "the template is longer than the model reads; shorten it")
    ids = tokenizer.encode(text).ids[:room]
    first = 1 + len(ids) + len(head)
    return model.row([*ids, *head, *word, *tail]), (first, first + len(word))
