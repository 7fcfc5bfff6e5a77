"""Candidates: the words that may have been meant by a marked one, before a network has judged them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from electra.text.dictionary import AROUND, Dictionary, edits
from electra.text.words import APOSTROPHES, fit_case

SPELT_ALIKE = 24  # words of the dictionary
EXPECTED = 8  # words of the generator that are spelt otherwise
FAR = 6  # edits; more make no difference
# Candidates that are not misspellings count as so many edits.
SURE = -4  # the removal of a doubled word, and what a mistake of the language's list means
RELATED = 0  # the removal of an article or preposition, another form of the word, and a word it is confused with
SELDOM = 1  # the removal of another little word
# Some tokenisers count punctuation and 's to the word.
SIGNS = f"[{re.escape(AROUND)}]*"
PARTS = re.compile(rf"({SIGNS})(.*?)((?:['’]\w{{1,2}})?{SIGNS})", re.DOTALL)


class Candidate(NamedTuple):
    """A word that may have been meant; "" if the marked one is to be removed."""

    word: str
    edits: int  # from the word as written


class Neighbourhood(NamedTuple):
    """A marked word and the words beside it in its paragraph, "" at an end."""

    word: str
    before: str
    after: str


class Candidates:
    """The candidates that a dictionary and the lists of its language have for a word."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.language = dictionary.language

    def find(self, place: Neighbourhood, expected: Iterable[str]) -> list[Candidate]:
        """Return the distinct candidates for a word, in its capitals and with its punctuation.

        expected: whole words that the generator proposes, best first.
        """
        parts = PARTS.fullmatch(place.word)
        assert parts is not None  # it matches any text
        head, written, tail = parts.groups()
        word = written.lower()
        found = self.unexpected(word) if place.before not in APOSTROPHES else {}
        others = {other: edits(word, other) for other in expected if other not in found}
        found |= {other: n for other, n in others.items() if n <= 2}
        found |= dict([(other, min(n, FAR)) for other, n in others.items() if n > 2][:EXPECTED])
        fitting = {head + fit_case(other, written) + tail: n for other, n in reversed(found.items())}
        removal = self.removal(word, place)
        return [*removal, *(Candidate(other, n) for other, n in fitting.items() if other != place.word)]

    def knows(self, written: str) -> bool:
        """Return whether a word is in the dictionary, without its punctuation."""
        parts = PARTS.fullmatch(written)
        return parts is not None and parts[2] in self.dictionary

    def unexpected(self, word: str) -> dict[str, int]:
        """Return what a mistake means, related words, the two that a word joins and those spelt alike, with edits."""
        meant = self.language.mistakes.get(word)
        found = {meant: SURE} if meant else {}
        found |= dict.fromkeys((other for other in self.related(word) if other != meant), RELATED)
        found |= dict.fromkeys(self.joined(word), 1)
        near = self.dictionary.near(word, SPELT_ALIKE)
        return found | {other: edits for other, edits in near if other not in found and other in self.dictionary}

    def related(self, word: str) -> list[str]:
        """Return the known words that are taken for a word, and its other forms."""
        others = (*self.language.confused.get(word, ()), *self.language.inflections(word, self.dictionary))
        return [other for other in others if other in self.dictionary]

    def joined(self, word: str) -> list[str]:
        """Return the pairs of the commonest words that an unknown one becomes with a space: ofthe, of the."""
        if word in self.dictionary:
            return []
        pairs = ((word[:n], word[n:]) for n in range(1, len(word)))
        return [" ".join(pair) for pair in pairs if all(self.stands_alone(part) for part in pair)]

    def stands_alone(self, word: str) -> bool:
        """Return whether a word is one of the commonest; of single letters few are words."""
        letters = (*self.language.articles, *self.language.little)
        return word in self.dictionary.commonest and (len(word) > 1 or word in letters)

    def removal(self, word: str, place: Neighbourhood) -> list[Candidate]:
        """Return the removal of a word that stands twice in a row, or is one of those that are often too many."""
        if word in (place.before.lower(), place.after.lower()):
            return [Candidate("", SURE)]
        if not place.after:
            return []
        if word in (*self.language.articles, *self.language.prepositions):
            return [Candidate("", RELATED)]
        return [Candidate("", SELDOM)] if word in self.language.little else []
