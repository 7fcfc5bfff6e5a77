"""N-gram baselines for error detection."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from electra.data.cooccurrence import neighbour_counts, unigram_probabilities

Floats = NDArray[np.float64]


class Ngrams:
    """Score tokens by counts of the training text: a higher score is more suspicious."""

    def __init__(self, tokens: NDArray[np.integer], vocab_size: int, special_ids: Collection[int]) -> None:
        self.probability = np.maximum(unigram_probabilities(tokens, vocab_size, special_ids), 1e-12)
        self.counts = neighbour_counts(tokens, 1, vocab_size, special_ids)
        self.total = self.counts.sum()

    def rarity(self, ids: list[int]) -> Floats:
        """Return each token's negative log frequency."""
        return -np.log(self.probability[ids])

    def strangeness(self, ids: list[int]) -> Floats:
        """Return each token's negative pointwise mutual information, summed over its neighbours."""
        scores = np.zeros(len(ids))
        if len(ids) < 2:
            return scores
        pairs = np.asarray(ids)
        seen = np.asarray(self.counts[pairs[:-1], pairs[1:]]).ravel() + 0.1
        expected = self.probability[pairs[:-1]] * self.probability[pairs[1:]] * self.total
        information = np.log(seen / expected)
        scores[:-1] -= information
        scores[1:] -= information
        return scores
