"""Compute word vectors from counts of neighbouring tokens, to initialise embeddings.

V is the size of the vocabulary. Counts are sparse: a vocabulary of 30,000 takes seconds.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import scipy  # loads scipy.sparse when it is asked for: runs with other first weights need none of it
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WINDOW = ((1, 1.0), (2, 0.5))  # distance of a neighbour and its weight
PART = 1 << 21  # tokens counted at once: pairs take many times the memory of their sums
MAX_TOKENS = 20_000_000  # more text barely changes the vectors


def unigram_probabilities(tokens: NDArray[np.integer], vocab_size: int, special_ids: Collection[int]) -> Floats:
    """Return the frequency of each token, smoothed by half a count, 0 for special tokens: [V]."""
    counts = np.bincount(tokens, minlength=vocab_size) + 0.5
    counts[list(special_ids)] = 0
    return counts / counts.sum()


def word_vectors(
    tokens: NDArray[np.integer], vocab_size: int, special_ids: Collection[int], width: int, seed: int
) -> Floats:
    """Factor the positive pointwise mutual information of tokens and their neighbours: [V, width], of unit scale."""
    from sklearn.utils.extmath import randomized_svd  # imported here, as it takes 120 MB

    blocks = []
    for distance, weight in WINDOW:
        counts = neighbour_counts(tokens, distance, vocab_size, special_ids)
        blocks += [weight * positive_pmi(counts), weight * positive_pmi(counts.T.tocsr())]
    U, S, _ = randomized_svd(scipy.sparse.hstack(blocks).tocsr(), width, n_oversamples=16, n_iter=3, random_state=seed)
    vectors: Floats = U * np.sqrt(S)
    vectors = (vectors - vectors.mean(0)) / (vectors.std() or 1.0)  # 0 of a text in which no word has a neighbour
    # Rare tokens have short vectors and frequent ones long. Bring the lengths closer: the first LayerNorm would make
    # them equal.
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    typical = np.sqrt(width)
    return vectors * typical / (lengths + 0.3 * typical)


def neighbour_counts(
    tokens: NDArray[np.integer], distance: int, vocab_size: int, special_ids: Collection[int]
) -> scipy.sparse.csr_matrix:
    """Count how often token j follows token i at `distance`, without special tokens: sparse [V, V]."""
    is_special = np.zeros(vocab_size, bool)
    is_special[list(special_ids)] = True
    tokens = tokens[:MAX_TOKENS]
    total = scipy.sparse.csr_matrix((vocab_size, vocab_size), dtype=np.float32)
    for start in range(0, len(tokens) - distance, PART):
        left, right = tokens[start : start + PART], tokens[start + distance : start + distance + PART]
        left = left[: len(right)]
        inside = ~(is_special[left] | is_special[right])
        pairs = (np.ones(int(inside.sum()), np.float32), (left[inside], right[inside]))
        total += scipy.sparse.csr_matrix(pairs, shape=(vocab_size, vocab_size))
    return total


def positive_pmi(counts: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """Return max(0, log P(i, j) / P(i) P(j)), P(j) raised to the power of 0.75 (Levy et al., 2015): sparse [V, V]."""
    rows = np.asarray(counts.sum(1)).ravel() + 1
    context = np.asarray(counts.sum(0)).ravel() ** 0.75
    context = context / max(context.sum(), 1e-9)
    ratio = scipy.sparse.diags(1 / rows) @ counts @ scipy.sparse.diags(1 / np.maximum(context, 1e-9))
    ratio = ratio.tocsr()
    ratio.data = np.maximum(np.log(ratio.data), 0).astype(np.float32)
    ratio.eliminate_zeros()
    return ratio
