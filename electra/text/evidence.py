"""What a dictionary knows of a word, weighed against what the network thinks of it. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from electra.text.dictionary import Dictionary
from electra.text.labels import sigmoid
from electra.text.pieces import logit
from electra.text.words import APOSTROPHES, are_neighbours, is_fragment, is_name, is_shouted

ROUNDS = 30  # of Newton's method, which converges in about ten
SMALLEST = 1e-6  # share of a step; only rounding keeps one so small from lowering the loss, at the optimum
NEWER = {"network_of_unknown", "beside", "repeated"}  # weights that older models lack
LONG = 8  # letters from which a misspelt word is still known by its neighbours after two slips
MISTAKEN = 0.95  # probability, at least, that a word is wrong which is never right: a text may quote it
DOUBT = float(np.log(3))  # log odds less in a fragment, where words are left out and many are names
RIDGE = 1e-3  # keeps a weight finite whose feature never occurs

Extent = tuple[int, int]  # start and end of a word in a text


class Weights(NamedTuple):
    """A logistic regression of whether a word is wrong: what each feature adds to its log odds."""

    network: float = 1.0  # times the network's log odds
    network_of_unknown: float = 0.0  # the same of a word that the dictionary does not have
    unknown: float = 0.0  # the dictionary does not have it
    unknown_name: float = 0.0  # nor has it this word, which begins with a capital
    beside: float = 0.0  # times the logarithm of the number of the commonest word within an edit or two of an unknown
    frequency: float = 0.0  # times the logarithm, to base 2, of the number of times that a known word was counted
    repeated: float = 0.0  # the same word stands right before it, in its sentence
    always: float = 0.0


class Evidence:
    """A dictionary and the weights of what it says."""

    def __init__(self, dictionary: Dictionary, weights: Weights) -> None:
        self.dictionary, self.weights = dictionary, weights

    def probabilities(self, text: str, spans: Sequence[Extent], network: Sequence[float]) -> NDArray[np.float64]:
        """Return the probabilities [W] that the words text[start:end] are wrong, given the network's."""
        odds = features(self.dictionary, text, spans, network) @ np.array(self.weights)
        found = sigmoid(odds - DOUBT if is_fragment(text) else odds)
        mistaken = [self.is_mistake(text, start, end) for start, end in spans]
        return np.where(mistaken, np.maximum(found, MISTAKEN), found)

    def is_mistake(self, text: str, start: int, end: int) -> bool:
        """Return whether text[start:end] is one of its language's words that are never right.

        Names may be written like one, and what is left of a word behind an apostrophe.
        """
        word = text[start:end]
        meant = self.dictionary.language.mistakes.get(word.lower())
        if meant is None or word in (meant, meant.upper()) or text[:start].endswith(APOSTROPHES):
            return False
        return word.islower() or is_shouted(text) or not (meant[0].isupper() or is_name(text, start))


def features(
    dictionary: Dictionary, text: str, spans: Sequence[Extent], network: Sequence[float]
) -> NDArray[np.float64]:
    """Return the features of the words text[start:end] in the order of `Weights`, [W, 8].

    Signs, numbers and what else does not consist of letters are no words of a dictionary: it says nothing of them.
    """
    rows, before, last = [], "", 0
    for (start, end), p in zip(spans, network, strict=True):
        word, odds = text[start:end], logit(p)
        repeats = word.isalpha() and word.lower() == before and last < start and are_neighbours(text, last, start)
        rows.append((odds, *known(dictionary, word, odds), repeats, 1.0))
        before, last = word.lower(), end
    return np.array(rows, float).reshape(-1, len(Weights._fields))


def known(dictionary: Dictionary, word: str, odds: float) -> tuple[float, ...]:
    """Return what a dictionary says of a word with the network's log odds: five features."""
    if not word.isalpha() or word in dictionary:
        return 0.0, 0.0, 0.0, 0.0, dictionary.levels.get(word.lower(), 0)
    if word[0].isupper():
        return odds, 0.0, 1.0, 0.0, 0.0
    return odds, 1.0, 0.0, dictionary.level_beside(word, 1 if len(word) < LONG else 2), 0.0


def fit(x: NDArray[np.float64], is_wrong: NDArray[np.float64]) -> Weights:
    """Return the weights under which the labels [W] of words with features [W, 8] are likeliest, by Newton's method.

    Far from them a whole step may overshoot, each further than the one before: it is halved until the loss falls
    (Boyd and Vandenberghe, Convex Optimization, 9.2 and 9.5).
    """
    w = np.array(Weights(), float)
    for _ in range(ROUNDS):
        p = sigmoid(x @ w)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(w))
        gradient = x.T @ (p - is_wrong) + RIDGE * w
        step = np.linalg.solve(curvature, gradient)
        size, now, slope = 1.0, loss(w, x, is_wrong), float(gradient @ step)
        while loss(w - size * step, x, is_wrong) > now - size * slope / 4 and size > SMALLEST:
            size /= 2
        w = w - size * step
    return Weights(*w.tolist())


def loss(w: NDArray[np.float64], x: NDArray[np.float64], is_wrong: NDArray[np.float64]) -> float:
    """Return the negative log likelihood of the labels, and the ridge of the weights."""
    odds = x @ w
    return float(np.sum(np.logaddexp(0, odds) - is_wrong * odds) + RIDGE / 2 * w @ w)


def read_weights(content: object) -> Weights:
    """Return the weights in a configuration, 0 for those that are newer than it; ValueError if it holds others."""
    names = set(Weights._fields)
    if not isinstance(content, Mapping) or not names - NEWER <= content.keys() <= names:
        raise ValueError(f"dictionary_weights must have the numbers {', '.join(Weights._fields)}")
    if not all(isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < 1e6 for x in content.values()):
        raise ValueError("dictionary_weights must be finite numbers")
    return Weights(**content)
