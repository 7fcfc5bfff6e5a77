"""Weigh a dictionary against the network, on texts whose wrong words are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from electra.tasks.examples import Example, Prediction, Predictions
from electra.text.dictionary import Dictionary
from electra.text.errors.tagged import RIGHT
from electra.text.evidence import Evidence, Weights, fit


def fitted(dictionary: Dictionary, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Weights:
    """Return the weights that predict best which of the words that are asked for are wrong."""
    rows = [
        (word, p, token.tag != RIGHT)
        for prediction, example in zip(predictions, examples, strict=True)
        for word, p, token in zip(prediction["words"], prediction["wrong"], example.label, strict=True)
        if p > 0  # 0: never marked
    ]
    words, network, is_wrong = zip(*rows, strict=True) if rows else ((), (), ())
    return fit(dictionary, words, network, np.array(is_wrong, float))


def weighed(evidence: Evidence, predictions: Sequence[Prediction]) -> Predictions:
    """Return the predictions with the dictionary's evidence."""
    found = Predictions()
    for prediction in predictions:
        weighed = evidence.probabilities(prediction["words"], prediction["wrong"])
        wrong = [float(new) if old > 0 else 0.0 for old, new in zip(prediction["wrong"], weighed, strict=True)]
        found.append({**prediction, "wrong": wrong})
    return found
