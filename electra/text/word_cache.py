"""Cache the ids of words, as most words of a corpus have occurred before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain, pairwise

import numpy as np
from tokenizers import models, pre_tokenizers

from electra.text.long_runs import without_cut
from electra.text.normalisation import steps_of
from electra.text.tokenizer import Tokenizer, batches

LINE = 1 << 13  # characters of new words to encode at once
LONGEST = 32  # characters of a word worth caching
MOST = 1 << 19  # words, about 200 MB, after which the cache is emptied
Ids = tuple[int, ...]  # the garbage collector does not visit tuples of numbers, but would visit each list


class Known(dict[str, Ids]):
    """Ids of words. Words with an unknown token are kept apart and counted when looked up, at no cost to others."""

    def __init__(self) -> None:
        self.apart: dict[str, Ids] = {}
        self.met: Counter[str] = Counter()

    def __missing__(self, word: str) -> Ids:
        """Count a word with an unknown token; return its ids."""
        self.met[word] += 1
        return self.apart[word]


class WordCache:
    """Encode lines as the tokeniser does, but each word only once (docs/lab/speed.md)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.fits = words_stand_alone(tokenizer)
        self.known = Known()

    def encode_lines(self, lines: list[str]) -> list[list[int]]:
        """Return the ids of each line, without special tokens."""
        return self.encode_and_count(lines)[0]

    def encode_and_count(self, lines: list[str]) -> tuple[list[list[int]], Counter[str]]:
        """Return the ids of each line, and how often each word occurs that has an unknown token.

        Where words do not stand alone, all words of a line with an unknown token are counted.
        """
        known = self.known
        if not self.fits:
            ids = self.tokenizer.encode_lines(lines)
            return ids, words_of_lines_with(self.tokenizer.unk_id, lines, ids)
        rows = [line.split(" ") for line in lines]
        distinct = chain.from_iterable(rows)
        new = [word for word in dict.fromkeys(distinct) if word not in known and word not in known.apart]
        for word, pieces in zip(new, self.encode_words(new), strict=True):
            (known.apart if self.tokenizer.unk_id in pieces else known)[word] = pieces
        known.met = Counter()
        ids = [list(chain.from_iterable(map(known.__getitem__, words))) for words in rows]
        self.forget(new)
        return ids, known.met

    def encode_words(self, words: list[str]) -> Iterator[Ids]:
        """Yield the ids of each word; encode many as one line, as a line costs more than a word."""
        backend = self.tokenizer.backend
        for some in batches(words, LINE):
            encoding = backend.encode(" ".join(some), add_special_tokens=False)
            ids, starts = tuple(encoding.ids), [start for start, _ in encoding.offsets]
            ends = np.searchsorted(starts, np.cumsum([len(word) + 1 for word in some])).tolist()
            yield from (ids[start:end] for start, end in pairwise([0, *ends]))

    def forget(self, new: list[str]) -> None:
        """Empty a full cache; drop new words too long to recur often."""
        for words in (self.known, self.known.apart):
            if len(words) > MOST:
                words.clear()
            for word in new:
                if len(word) > LONGEST:
                    words.pop(word, None)


def words_of_lines_with(token: int | None, lines: list[str], ids: list[list[int]]) -> Counter[str]:
    """Count the words of the lines that have a token."""
    pairs = zip(lines, ids, strict=True)
    return Counter(word for line, row in pairs if token is not None and token in row for word in line.split())


def words_stand_alone(tokenizer: Tokenizer) -> bool:
    """Return whether words have the same ids in a line as alone, which holds for the tokeniser of BERT.

    Its normaliser works on characters, ours also composes them with their marks, and neither looks across a space; its
    pre-tokeniser splits at spaces, its model reads one word at a time. Added tokens may contain spaces; special ones do
    not matter, as text is not searched for them.
    """
    backend = tokenizer.backend
    return (
        type(backend.model) is models.WordPiece
        and [step["type"] for step in steps_of(backend)] in (["BertNormalizer"], ["NFC", "BertNormalizer"])
        and type(without_cut(backend)) is pre_tokenizers.BertPreTokenizer
        and all(token.special for token in backend.get_added_tokens_decoder().values())
    )
