"""Convert logits to labels of texts and tags of words. No torch.

T slots of a row, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_LABELS = 10  # labels whose probability is part of a prediction
Floats = NDArray[np.floating[Any]]


def softmax(logits: Floats) -> Floats:
    """Return probabilities over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def log_softmax(logits: Floats) -> Floats:
    """Return log probabilities over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def sigmoid(logits: Floats) -> Floats:
    """Return the probability of each logit, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits)))


def one_label(names: Sequence[str], logits: Floats) -> dict[str, Any]:
    """Return the likeliest label with its probability, and the probabilities of the ten likeliest: logits [C]."""
    return ranked(names, softmax(logits), MOST_LABELS)


def ranked(names: Sequence[str], probabilities: Floats, count: int | None = None) -> dict[str, Any]:
    """Return the likeliest name with its probability, and the probabilities of the `count` likeliest, best first."""
    pairs = sorted(zip(names, probabilities.tolist(), strict=True), key=lambda pair: -pair[1])[:count]
    best, p = pairs[0]
    return {"label": best, "score": round(p, 6), "probabilities": {name: round(p, 6) for name, p in pairs}}


def several_labels(names: Sequence[str], logits: Floats) -> dict[str, Any]:
    """Return the labels above one half and the probability of each, independently: logits [C]."""
    probabilities = {name: round(p, 6) for name, p in zip(names, sigmoid(logits).tolist(), strict=True)}
    return {"labels": [name for name, p in probabilities.items() if p > 0.5], "probabilities": probabilities}


class Tag(NamedTuple):
    """The tag of a word."""

    name: str
    probability: float


def word_tags(names: Sequence[str], logits: Floats, places: Sequence[int]) -> list[Tag]:
    """Return the likeliest tag of each word of a row: logits [T, C], read at the words' first pieces."""
    slots = [slot for slot, word in enumerate(places) if word >= 0]
    probabilities = softmax(logits[slots])
    best = probabilities.argmax(-1)
    return [Tag(names[tag], round(float(p[tag]), 6)) for tag, p in zip(best, probabilities, strict=True)]
