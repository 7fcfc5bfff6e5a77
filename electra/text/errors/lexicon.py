"""The words of a text by their frequency, from which wrong words are drawn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from electra.text.errors.company import same_company, thinned
from electra.text.errors.language import Language
from electra.text.errors.tagged import WORD

READ = 2_000_000  # words of the text that are counted, evenly spread over it
RARE = 5  # in a million: a rarer word may be a typing error itself
ALPHABET = 40  # letters that a misspelling may bring in
FLATTER = 0.7  # power of a word's frequency; drawn by frequency alone, random words would nearly all be "the"


class Lexicon:
    """Words of clean text in lower case, and what a language's lists say of them."""

    def __init__(self, texts: Sequence[str], language: Language) -> None:
        self.texts, self.language = texts, language
        counts = count_words(texts)
        least = max(2, counts.total() * RARE // 1_000_000)
        common = {word: count for word, count in counts.most_common() if count >= least}
        self.counts, self.least = common, least
        self.known = frozenset(common)
        self.words = tuple(common)
        self.weights = list(accumulate(count**FLATTER for count in common.values()))
        letters = Counter(letter for word in common for letter in word)
        self.letters = tuple(letter for letter, _ in letters.most_common(ALPHABET))
        self.inflected: dict[str, tuple[str, ...]] = {}  # remembered, as near
        self.near: dict[str, tuple[str, ...]] = {}

    @cached_property
    def alike(self) -> dict[str, tuple[str, ...]]:
        """The words that are found in the same places, for each of the commonest; a few seconds of work."""
        return same_company(self.texts, self.words)

    def draw(self, rng: random.Random) -> str:
        """Return a word, drawn by a power of its frequency."""
        return rng.choices(self.words, cum_weights=self.weights)[0]

    def count(self, word: str) -> int:
        """Return how often a word was counted; a rare one as the least frequent that is known."""
        return self.counts.get(word, self.least)

    def forms(self, word: str) -> tuple[str, ...]:
        """Return other forms of a word: those of the language's list, and known words with another ending."""
        if word not in self.inflected:
            self.inflected[word] = self.language.inflections(word, self.known)
        return self.inflected[word]

    def neighbours(self, word: str) -> tuple[str, ...]:
        """Return the known words that differ from a word in one letter, or in the order of two."""
        if word not in self.near:
            halves = [(word[:i], word[i:]) for i in range(len(word) + 1)]
            found = {a + b[1:] for a, b in halves} | {a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1}
            found.update(a + letter + rest for a, b in halves for letter in self.letters for rest in (b, b[1:]))
            self.near[word] = tuple(sorted(found & self.known - {word}))
        return self.near[word]

    def uncapitalised(self, word: str) -> str:
        """Return the word as it is written within a sentence: in lower case, unless it is a name."""
        return word.lower() if word.lower() in self.known else word


def count_words(texts: Sequence[str]) -> Counter[str]:
    """Count the words of letters that are written in lower case, in a part of the texts if they are long."""
    counts: Counter[str] = Counter()
    for text in thinned(texts, READ):
        counts.update(word for word in WORD.findall(text) if word.isalpha() and word == word.lower())
    return counts
