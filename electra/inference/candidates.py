"""Candidates: the words that may have been meant by a marked one, before a network has judged them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from electra.text.dictionary import AROUND, Dictionary, edits
from electra.text.errors.language import Language, find_language
from electra.text.words import fit_case

SPELT_ALIKE = 24  # words of the dictionary
EXPECTED = 8  # words of the generator that are spelt otherwise
FAR = 6  # edits; more make no difference
# Edits that count for the removal of a doubled word; for that of an article or preposition, another form or a confused
# word; and for the removal of another little word, which is seldom right.
TWICE, RELATED, SELDOM = -4, 0, 1
APOSTROPHES = ("'", "’")
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
        self.language = language_of(dictionary)

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
        """Return the related words and those spelt alike, with their edits."""
        related = dict.fromkeys(self.related(word), RELATED)
        return related | {
            near.word: near.edits for near in self.dictionary.near(word, SPELT_ALIKE) if near.word not in related
        }

    def related(self, word: str) -> list[str]:
        """Return the known words that are taken for a word, and its other forms."""
        others = (*self.language.confused.get(word, ()), *self.language.inflections(word, self.dictionary))
        return [other for other in others if other in self.dictionary]

    def removal(self, word: str, place: Neighbourhood) -> list[Candidate]:
        """Return the removal of a word that stands twice in a row, or is one of those that are often too many."""
        if word in (place.before.lower(), place.after.lower()):
            return [Candidate("", TWICE)]
        if not place.after:
            return []
        if word in (*self.language.articles, *self.language.prepositions):
            return [Candidate("", RELATED)]
        return [Candidate("", SELDOM)] if word in self.language.little else []


def language_of(dictionary: Dictionary) -> Language:
    """Return the lists of the dictionary's language, empty ones if there are none for it."""
    english = find_language("english")
    few = (*english.articles, *english.prepositions[:8])
    return english if dictionary.commonest.issuperset(few) else Language()
