"""The kinds of errors, each a function from a word at its place to what is written instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from electra.text.errors.lexicon import Lexicon
from electra.text.errors.spelling import SHORTEST, misspell
from electra.text.words import fit_case

LEFT_OUT = 0.45  # share of the errors in articles and prepositions in which the word is missing
FARTHEST = 4  # words that a moved word is carried over


class Place(NamedTuple):
    """A word in its text."""

    words: Sequence[str]
    at: int
    word: str  # in lower case

    @property
    def written(self) -> str:
        """The word as it is written."""
        return self.words[self.at]

    @property
    def following(self) -> str:
        """The next word, "" at the end or before a punctuation mark."""
        following = self.words[self.at + 1] if self.at + 1 < len(self.words) else ""
        return following if following.isalpha() else ""


class Edit(NamedTuple):
    """What is written instead of `taken` words, each with whether it is wrong; if nothing is, the next word counts."""

    taken: int
    written: tuple[tuple[str, bool], ...]

    @property
    def touched(self) -> int:
        """Words of the text that it changes or, after a missing one, whose tag it changes."""
        return self.taken + (not self.written)


MISSING = Edit(1, ())
Change = Callable[[Place, Lexicon, Random], Edit | None]  # None: the kind does not fit the word


class Kind(NamedTuple):
    """A kind of error."""

    share: float  # of all errors, a little less where few words fit
    change: Change
    needs: str = ""  # the list of the language without which there are no such errors


def instead(place: Place, other: str) -> Edit | None:
    """Write another word in the capitals of the one at the place."""
    return Edit(1, ((fit_case(other, place.written), True),)) if other != place.word else None


def mistaken(place: Place, others: Sequence[str], lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write one of other words, as often as this one is written for it.

    Otherwise a rare word would be wrong nearly everywhere ("too" for "to"), and a detector would learn to mark it.
    """
    if not others:
        return None
    other = rng.choice(others)
    return instead(place, other) if rng.random() * lexicon.count(place.word) < lexicon.count(other) else None


def spelling(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Misspell a word."""
    fits = len(place.word) >= SHORTEST and place.word in lexicon.known  # nobody knows how a rare name is spelt
    return instead(place, misspell(place.word, lexicon, rng)) if fits else None


def nearly_equal(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write another word that is spelt nearly the same."""
    others = lexicon.neighbours(place.word) if len(place.word) >= SHORTEST and place.word in lexicon.known else ()
    return mistaken(place, others, lexicon, rng)


def confused(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write a word that is often taken for this one."""
    return mistaken(place, lexicon.language.confused.get(place.word, ()), lexicon, rng)


def inflection(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write another form of the word."""
    return mistaken(place, lexicon.forms(place.word), lexicon, rng)


def regular(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write a form that the word does not have: borned, childs, informations."""
    word = place.word
    fitting = [pair for pair in lexicon.language.endings if pair[1] and word[2:].endswith(pair[0])]
    if not fitting or word not in lexicon.known or word in lexicon.language.confused:
        return None
    old, new = rng.choice(fitting)
    form = word[: len(word) - len(old)] + new
    return None if form in lexicon.known else instead(place, form)


def article(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Leave out an article, or write another."""
    return function_word(place, lexicon.language.articles, lexicon, rng)


def preposition(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Leave out a preposition, or write another."""
    return function_word(place, lexicon.language.prepositions, lexicon, rng)


def little_word(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Leave out a pronoun, an auxiliary verb or a conjunction, or write another word in its place."""
    if place.word not in lexicon.language.little:
        return None
    return missing(place) if rng.random() < LEFT_OUT else alike(place, lexicon, rng)


def alike(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write a word that is found in the same places: on for in, make for give, problem for question."""
    return mistaken(place, lexicon.alike.get(place.word, ()), lexicon, rng)


def function_word(place: Place, alike: Sequence[str], lexicon: Lexicon, rng: Random) -> Edit | None:
    """Leave out a word of a list, or write another one of it."""
    if place.word not in alike:
        return None
    return missing(place) if rng.random() < LEFT_OUT else mistaken(place, alike, lexicon, rng)


def needless(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write an article, a preposition or another little word before a word."""
    if not place.word.isalpha():
        return None
    language = lexicon.language
    words = rng.choice((language.articles, language.prepositions, language.little)) or language.prepositions
    (extra,) = rng.choices(words, [lexicon.count(word) for word in words])
    return Edit(1, ((fit_case(extra, place.written), True), (lexicon.uncapitalised(place.written), False)))


def missing(place: Place, *_: object) -> Edit | None:
    """Leave out a word that another follows."""
    return MISSING if place.word.isalpha() and place.following else None


def comma(place: Place, *_: object) -> Edit | None:
    """Leave out a comma."""
    return MISSING if place.word == "," and place.following else None


def doubled(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write a word twice."""
    if not place.word.isalpha() or place.word in lexicon.language.twice:
        return None
    return Edit(1, ((place.written, False), (lexicon.uncapitalised(place.written), True)))


def swapped(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Swap a word and the next."""
    following = place.following
    if not place.word.isalpha() or not following or following.lower() == place.word:
        return None
    return Edit(2, ((fit_case(following, place.written), True), (lexicon.uncapitalised(place.written), True)))


def moved(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Carry a word over some that follow it, within its clause: I like football very much -> I like very much it."""
    over = place.words[place.at + 1 : place.at + 1 + rng.randint(2, FARTHEST)]
    if len(over) < 2 or not all(word.isalpha() for word in (place.word, *over)):
        return None
    first, *others = over
    carried = (lexicon.uncapitalised(place.written), True)
    return Edit(1 + len(over), ((fit_case(first, place.written), True), *((w, False) for w in others), carried))


def random_word(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write any word of the text."""
    return instead(place, lexicon.draw(rng)) if lexicon.words and place.word.isalpha() else None


def capital(place: Place, lexicon: Lexicon, rng: Random) -> Edit | None:
    """Write a name in lower case, or a word within a sentence with a capital."""
    word = place.written
    if (
        not word.isalpha() or place.at == 0 or lexicon.uncapitalised(word) != word
    ):  # at the start of a sentence, or perhaps so
        return None
    other = word.lower() if word != word.lower() else word.capitalize()
    return Edit(1, ((other, True),)) if other != word else None


KINDS: dict[str, Kind] = {
    "spelling": Kind(0.16, spelling),
    "inflection": Kind(0.15, inflection, "endings"),
    "regular": Kind(0.02, regular, "endings"),
    "confused": Kind(0.12, confused, "confused"),
    "preposition": Kind(0.11, preposition, "prepositions"),
    "article": Kind(0.08, article, "articles"),
    "needless": Kind(0.08, needless, "prepositions"),
    "little": Kind(0.06, little_word, "little"),
    "missing": Kind(0.04, missing),
    "alike": Kind(0.06, alike),
    "nearly_equal": Kind(0.03, nearly_equal),
    "doubled": Kind(0.03, doubled),
    "swapped": Kind(0.02, swapped),
    "moved": Kind(0.02, moved),
    "random": Kind(0.04, random_word),
    "comma": Kind(0.02, comma),
    "capital": Kind(0.02, capital),
}
