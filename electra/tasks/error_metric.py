"""Score the detection of wrong words: precision, recall and F0.5 at a threshold, and average precision over all.

n texts, W words in all, R draws of the texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from electra.tasks.examples import Draws, Example, Prediction
from electra.text.errors.tagged import RIGHT, WRONG

Floats = NDArray[np.float64]
BETA = 0.5  # a needless mark annoys more than a missed error


class Scored(NamedTuple):
    """The words of texts, each array [W], from the likeliest wrong one to the least."""

    probability: Floats  # that the word is wrong
    is_wrong: Floats  # 1 or 0
    is_clean: Floats  # 1 for a right word, 0 for a wrong one or a punctuation mark, as --calibrate counts
    text: NDArray[np.int64]  # number of the word's text
    kinds: tuple[str, ...]  # tags


def scored(predictions: Sequence[Prediction], examples: Sequence[Example]) -> Scored:
    """Return the words of texts whose labels are known."""
    rows = [
        (p, token.tag, any(map(str.isalnum, example.texts[0][token.start : token.end])), n)
        for n, (prediction, example) in enumerate(zip(predictions, examples, strict=True))
        for p, token in zip(prediction["wrong"], example.label, strict=True)
    ]
    rows.sort(key=lambda row: -row[0])
    wrong = np.array([tag != RIGHT for _, tag, _, _ in rows], float)
    words = np.array([is_word for _, _, is_word, _ in rows], float)
    numbers = np.array([n for *_, n in rows], np.int64)
    kinds = tuple(tag for _, tag, _, _ in rows)
    return Scored(np.array([p for p, *_ in rows], float), wrong, words * (1 - wrong), numbers, kinds)


def best_threshold(words: Scored, most: float) -> float:
    """Return the threshold of the best F0.5 that marks at most the share `most` of clean words."""
    ends = last_of_equals(words.probability)
    right, marked, false = (np.cumsum(x)[ends] for x in (words.is_wrong, np.ones_like(words.is_wrong), words.is_clean))
    scores = f_score(right, marked, words.is_wrong.sum())
    allowed = (false <= most * words.is_clean.sum()) & (words.probability[ends] > 0)
    if not allowed.any():
        return float(np.nextafter(words.probability[:1].max(initial=0.0), 2.0))
    best = int(np.where(allowed, scores, -1.0).argmax())
    here = words.probability[ends]
    below = here[best + 1] if best + 1 < len(here) else 0.0
    return float((here[best] + below) / 2)


def at_threshold(words: Scored, threshold: float, weights: Floats | None = None) -> dict[str, float]:
    """Return the scores of the words, those of text t counted weights[t] times."""
    weight = np.ones_like(words.is_wrong) if weights is None else weights[words.text]
    marked = weight * (words.probability >= threshold)
    right, there, clean = marked @ words.is_wrong, weight @ words.is_wrong, weight @ words.is_clean
    return {
        "f0.5": float(f_score(right, marked.sum(), there)),
        "precision": float(right) / max(float(marked.sum()), 1.0),
        "recall": float(right) / max(float(there), 1.0),
        "ap": average_precision(words, weight),
        "false_marks": float(marked @ words.is_clean) / max(float(clean), 1.0),
    }


def resampled(words: Scored, threshold: float, draws: Draws) -> dict[str, list[float]]:
    """Return the scores of each draw of the texts: [R, n] -> R values of each score."""
    found = [at_threshold(words, threshold, np.bincount(d, minlength=draws.shape[1]).astype(float)) for d in draws]
    return {name: [scores[name] for scores in found] for name in found[0]}


def recall_by_kind(words: Scored, threshold: float) -> dict[str, float]:
    """Return the recall of each kind of error, the commonest first; empty if no tag names a kind."""
    there = Counter(kind for kind in words.kinds if kind not in (RIGHT, WRONG))
    marks = zip(words.kinds, words.probability >= threshold, strict=True)
    found = Counter(kind for kind, is_marked in marks if is_marked)
    return {f"recall_{kind}": found[kind] / count for kind, count in there.most_common()}


def average_precision(words: Scored, weight: Floats) -> float:
    """Return the mean precision over all wrong words, each at the threshold that just finds it."""
    ends = last_of_equals(words.probability)
    right, marked = np.cumsum(weight * words.is_wrong)[ends], np.cumsum(weight)[ends]
    if not len(right) or not right[-1]:
        return 0.0
    return float(np.diff(right, prepend=0.0) @ (right / np.maximum(marked, 1)) / right[-1])


def last_of_equals(descending: Floats) -> NDArray[np.int64]:
    """Return the place of the last of each run of equal values."""
    return np.flatnonzero(np.diff(descending, append=-np.inf))


def f_score(right: Any, marked: Any, there: Any) -> Any:
    """Return F0.5 from the numbers of words rightly marked, marked, and wrong."""
    return (1 + BETA**2) * right / np.maximum(marked + BETA**2 * there, 1)
