"""Weigh a dictionary against the network, on texts whose wrong words are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from electra.tasks.examples import Example, Prediction, Predictions
from electra.text.dictionary import Dictionary
from electra.text.errors.tagged import RIGHT
from electra.text.evidence import Evidence, Extent, Weights, features, fit


def fitted(dictionary: Dictionary, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Weights:
    """Return the weights that predict best which of the words that are asked for are wrong."""
    known, is_wrong, asked = [features(dictionary, "", (), ())], list[bool](), list[bool]()
    for prediction, example in zip(predictions, examples, strict=True):
        known.append(features(dictionary, example.texts[0], extents(example), prediction["wrong"]))
        is_wrong += [token.tag != RIGHT for token in example.label]
        asked += [p > 0 for p in prediction["wrong"]]  # 0: never marked
    rows = np.array(asked, bool)
    return fit(np.concatenate(known)[rows], np.array(is_wrong, float)[rows])


def weighed(evidence: Evidence, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Predictions:
    """Return the predictions with the dictionary's evidence."""
    found = Predictions()
    for prediction, example in zip(predictions, examples, strict=True):
        weighed = evidence.probabilities(example.texts[0], extents(example), prediction["wrong"])
        wrong = [float(new) if old > 0 else 0.0 for old, new in zip(prediction["wrong"], weighed, strict=True)]
        found.append({**prediction, "wrong": wrong})
    return found


def extents(example: Example) -> list[Extent]:
    """Return where each word of a text with known labels begins and ends."""
    return [token[:2] for token in example.label]
