"""The words that keep the same company: those that stand between the same neighbours, and are taken for each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from electra.text.errors.tagged import WORD

READ = 8_000_000  # words of the text whose neighbours are counted, evenly spread over it
COMPARED = 5000  # the commonest words, which are compared
NEIGHBOURS = 1000  # the commonest words, which are counted at their left and right
ALIKE = 5  # words that are kept for each
LEAST = 0.25  # cosine of two words that are alike
ROWS = 500  # words that are compared with all others at once


def same_company(texts: Sequence[str], words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return for each of the commonest words those that are found in its places, the nearest first.

    texts: a corpus. words: its words in lower case, the commonest first.

    A word is the positive mutual information of it with its left and with its right neighbours (Church and Hanks,
    1990); two words are as near as the cosine of the two.
    """
    words = words[:COMPARED]
    vectors = mutual_information(neighbour_counts(texts, words))
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return {words[i]: tuple(words[j] for j in row) for i, row in enumerate(nearest(vectors)) if row}


def neighbour_counts(texts: Sequence[str], words: Sequence[str]) -> NDArray[np.float64]:
    """Return how often each word has each common word at its left and at its right, [W, 2 N]."""
    number = {word: i for i, word in enumerate(words)}
    read = np.fromiter(numbers(thinned(texts, READ), number), np.int64)
    near = min(NEIGHBOURS, len(words))
    counts = np.zeros((len(words), 2 * near))
    left, right = read[:-1], read[1:]
    for this, beside, column in ((right, left, 0), (left, right, near)):
        counted = (this >= 0) & (beside >= 0) & (beside < near)
        np.add.at(counts, (this[counted], column + beside[counted]), 1)
    return counts


def thinned(texts: Sequence[str], words: int) -> Sequence[str]:
    """Return texts of about so many words, evenly spread over a corpus; all if it has no more."""
    return texts[:: max(1, sum(map(len, texts)) // (6 * words))]  # six characters to a word, the space included


def numbers(texts: Sequence[str], number: dict[str, int]) -> Iterator[int]:
    """Yield the numbers of the words of texts, -1 for other words and between texts."""
    for text in texts:
        yield from (number.get(word.lower(), -1) for word in WORD.findall(text))
        yield -1


def mutual_information(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the positive pointwise mutual information of rows and columns; what was seen once says nothing."""
    seen = np.where(counts > 1, counts, 0)
    chance = counts.sum(1, keepdims=True) * (counts.sum(0, keepdims=True) / max(1, counts.sum()))
    return np.log(
        np.maximum(seen, chance) / np.where(chance > 0, chance, 1), where=seen > chance, out=np.zeros_like(counts)
    )


def nearest(vectors: NDArray[np.float64]) -> Iterator[list[int]]:
    """Yield for each unit vector [W, D] the numbers of those beside it, the nearest first."""
    for start in range(0, len(vectors), ROWS):
        cosines = np.round(vectors[start : start + ROWS] @ vectors.T, 6)  # as the last digits differ by machine
        for i, row in enumerate(cosines):
            order = np.argsort(-row, kind="stable")[: ALIKE + 1]
            yield [int(j) for j in order if j != start + i and row[j] >= LEAST][:ALIKE]
