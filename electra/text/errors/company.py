"""The words that keep the same company: those that stand between the same neighbours, and are taken for each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

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
    read = numbers(thinned(texts, READ), words)
    near = min(NEIGHBOURS, len(words))
    left, right = read[:-1], read[1:]
    cells = list[NDArray[np.int64]]()
    for this, beside, column in ((right, left, 0), (left, right, near)):
        counted = (this >= 0) & (beside >= 0) & (beside < near)
        cells.append(2 * near * this[counted] + column + beside[counted])
    counts = np.bincount(np.concatenate(cells), minlength=2 * near * len(words))
    return counts.astype(np.float64).reshape(len(words), 2 * near)


def thinned(texts: Sequence[str], words: int) -> Sequence[str]:
    """Return texts of about so many words, evenly spread over a corpus; all if it has no more."""
    return texts[:: max(1, sum(map(len, texts)) // (6 * words))]  # six characters to a word, the space included


class Numbers(dict[str, int]):
    """Numbers of words as they are written; each spelling is put in lower case once."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.of_lower = {word: i for i, word in enumerate(words)}

    def __missing__(self, written: str) -> int:
        """Return the number of a word, -1 if it has none, and remember it."""
        self[written] = self.of_lower.get(written.lower(), -1)
        return self[written]


def numbers(texts: Sequence[str], words: Sequence[str]) -> NDArray[np.int64]:
    """Return the numbers of the words of texts, -1 for other words and between texts."""
    find = Numbers(words).__getitem__
    return np.fromiter(chain.from_iterable((*map(find, WORD.findall(text)), -1) for text in texts), np.int64)


def mutual_information(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the positive pointwise mutual information of rows and columns; what was seen once says nothing."""
    found = np.zeros_like(counts)
    row, column = np.nonzero(counts > 1)  # few of all
    seen, of_column = counts[row, column], counts.sum(0) / max(1, counts.sum())
    chance = counts.sum(1)[row] * of_column[column]
    found[row, column] = np.log(np.maximum(seen, chance) / chance)
    return found


def nearest(vectors: NDArray[np.float64]) -> Iterator[list[int]]:
    """Yield for each unit vector [W, D] the numbers of those beside it, the nearest first."""
    found = [pairs_alike(vectors, start) for start in range(0, len(vectors), ROWS)]
    row, column, cosine = (np.concatenate(part) for part in zip(*found, strict=True)) if found else [np.empty(0)] * 3
    order = np.lexsort((column, -cosine, row))
    ends = np.searchsorted(row[order], np.arange(len(vectors) + 1))
    return (column[order[start:end]][:ALIKE].tolist() for start, end in pairwise(ends))


def pairs_alike(
    vectors: NDArray[np.float64], start: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the pairs of a block of vectors with those from it on that are alike, both ways: two numbers, a cosine."""
    cosines = np.round(vectors[start : start + ROWS] @ vectors[start:].T, 6)  # as the last digits differ by machine
    one, other = np.nonzero(np.triu(cosines >= LEAST, 1))
    cosine = np.tile(cosines[one, other], 2)
    return np.concatenate([one, other]) + start, np.concatenate([other, one]) + start, cosine
