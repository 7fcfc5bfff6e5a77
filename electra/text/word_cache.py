"""Cache the ids of words, as most words of a corpus have occurred before."""

from __future__ import annotations

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


class WordCache:
    """Encode lines as the tokeniser does, but each word only once (docs/lab/speed.md)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.fits = words_stand_alone(tokenizer)
        self.known: dict[str, list[int]] = {}

    def encode_lines(self, lines: list[str]) -> list[list[int]]:
        """Return the ids of each line, without special tokens."""
        if not self.fits:
            return self.tokenizer.encode_lines(lines)
        rows = [line.split(" ") for line in lines]
        new = [word for word in dict.fromkeys(chain.from_iterable(rows)) if word not in self.known]
        self.known.update(zip(new, self.encode_words(new), strict=True))
        ids = [list(chain.from_iterable(map(self.known.__getitem__, words))) for words in rows]
        self.forget(new)
        return ids

    def encode_words(self, words: list[str]) -> Iterator[list[int]]:
        """Yield the ids of each word; encode many as one line, as a line costs more than a word."""
        backend = self.tokenizer.backend
        backend.encode_special_tokens = True
        for some in batches(words, LINE):
            encoding = backend.encode(" ".join(some), add_special_tokens=False)
            ids, starts = encoding.ids, [start for start, _ in encoding.offsets]
            ends = np.searchsorted(starts, np.cumsum([len(word) + 1 for word in some])).tolist()
            yield from (ids[start:end] for start, end in pairwise([0, *ends]))

    def forget(self, new: list[str]) -> None:
        """Empty a full cache; drop new words too long to recur often."""
        if len(self.known) > MOST:
            self.known.clear()
        for word in new:
            if len(word) > LONGEST:
                self.known.pop(word, None)


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
