"""Classification without training: the label word that looks least replaced in a template after the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from electra.config import require
from electra.inference.detector import logit, require_valid

if TYPE_CHECKING:
    from electra.inference.detector import Detector


def zero_shot(model: Detector, texts: Sequence[str], template: str, labels: Sequence[str]) -> list[dict[str, Any]]:
    """For each text the likeliest of `labels`, with the probability of each.

    A label's score is how much less replaced its word looks after the text than alone in the template: without that
    a word that is common anywhere would win everywhere.
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
    powers = np.exp(table[1:] - table[0])  # log odds are finite and small
    return [answer(labels, row) for row in powers / powers.sum(-1, keepdims=True)]


def row_of(model: Detector, text: str, before: str, label: str, after: str) -> tuple[list[int], tuple[int, int]]:
    """The ids of text and template with a label, and the slots of the label; the text is cut where it is too long."""
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


def answer(labels: Sequence[str], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    """The best label and the probability of each."""
    ranked = sorted(zip(labels, probabilities.tolist(), strict=True), key=lambda pair: -pair[1])
    return {
        "label": ranked[0][0],
        "score": round(ranked[0][1], 6),
        "probabilities": {label: round(p, 6) for label, p in ranked},
    }
