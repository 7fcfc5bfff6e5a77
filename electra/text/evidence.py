"""What a dictionary knows of a word, weighed against what the network thinks of it. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from electra.text.dictionary import Dictionary
from electra.text.labels import sigmoid
from electra.text.pieces import logit

ROUNDS = 30  # of Newton's method, which converges in about ten
RIDGE = 1e-3  # keeps a weight finite whose feature never occurs


class Weights(NamedTuple):
    """A logistic regression of whether a word is wrong: what each feature adds to its log odds."""

    network: float = 1.0  # times the network's log odds
    unknown: float = 0.0  # the dictionary does not have it
    unknown_name: float = 0.0  # nor has it this word, which begins with a capital
    frequency: float = 0.0  # times the logarithm, to base 2, of the number of times that a known word was counted
    always: float = 0.0


class Evidence:
    """A dictionary and the weights of what it says."""

    def __init__(self, dictionary: Dictionary, weights: Weights) -> None:
        self.dictionary, self.weights = dictionary, weights

    def probability(self, word: str, network: float) -> float:
        """Return the probability that a word is wrong, given the network's."""
        return float(self.probabilities([word], [network])[0])

    def probabilities(self, words: Sequence[str], network: Sequence[float]) -> NDArray[np.float64]:
        """Return the same for many words."""
        return np.asarray(sigmoid(features(self.dictionary, words, network) @ np.array(self.weights)), np.float64)


def features(dictionary: Dictionary, words: Sequence[str], network: Sequence[float]) -> NDArray[np.float64]:
    """Return the features of words in the order of `Weights`, [words, 5].

    Signs, numbers and what else does not consist of letters are no words of a dictionary: it says nothing of them.
    """
    rows = []
    for word, p in zip(words, network, strict=True):
        unknown, name = word.isalpha() and word not in dictionary, word[:1].isupper()
        level = dictionary.levels.get(word.lower(), 0)
        rows.append((logit(p), unknown and not name, unknown and name, level, 1))
    return np.array(rows, float).reshape(-1, len(Weights._fields))


def fit(
    dictionary: Dictionary, words: Sequence[str], network: Sequence[float], is_wrong: NDArray[np.float64]
) -> Weights:
    """Return the weights under which the words' labels are likeliest, by Newton's method."""
    x = features(dictionary, words, network)
    w = np.array(Weights(), float)
    for _ in range(ROUNDS):
        p = sigmoid(x @ w)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(w))
        w = w - np.linalg.solve(curvature, x.T @ (p - is_wrong) + RIDGE * w)
    return Weights(*w.tolist())


def read_weights(content: object) -> Weights:
    """Return the weights in a configuration; ValueError if it holds something else."""
    names = set(Weights._fields)
    if not isinstance(content, Mapping) or content.keys() != names:
        raise ValueError(f"dictionary_weights must have the numbers {', '.join(Weights._fields)}")
    if not all(isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < 1e6 for x in content.values()):
        raise ValueError("dictionary_weights must be finite numbers")
    return Weights(**content)
