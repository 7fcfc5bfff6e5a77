"""Misspellings: a letter is dropped, swapped, doubled, or replaced by one nearby or one that sounds alike."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from random import Random

from electra.text.errors.lexicon import Lexicon

SHORTEST = 3  # letters of a word that is misspelt
Misspelling = Callable[[str, Lexicon, Random], str]


def misspell(word: str, lexicon: Lexicon, rng: Random) -> str:
    """Return a misspelling of a word in lower case; the word itself if the kind that is drawn does not fit it."""
    change = rng.choices(CHANGES, cum_weights=WEIGHTS)[0]
    return change(word, lexicon, rng)


def drop(word: str, lexicon: Lexicon, rng: Random) -> str:
    """Leave out a letter, not the first."""
    i = rng.randrange(1, len(word))
    return word[:i] + word[i + 1 :]


def swap(word: str, lexicon: Lexicon, rng: Random) -> str:
    """Swap two letters."""
    i = rng.randrange(len(word) - 1)
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def double(word: str, lexicon: Lexicon, rng: Random) -> str:
    """Write a letter twice."""
    i = rng.randrange(len(word))
    return word[:i] + word[i] + word[i:]


def neighbour(word: str, lexicon: Lexicon, rng: Random) -> str:
    """Hit a neighbouring key; any letter where the keyboard is unknown."""
    i = rng.randrange(len(word))
    return word[:i] + rng.choice(lexicon.language.keys.get(word[i]) or lexicon.letters or word[i]) + word[i + 1 :]


def vowel(word: str, lexicon: Lexicon, rng: Random) -> str:
    """Write another vowel."""
    vowels = lexicon.language.vowels
    places = [i for i, letter in enumerate(word) if letter in vowels]
    if not places:
        return word
    i = rng.choice(places)
    return word[:i] + rng.choice(vowels) + word[i + 1 :]


def sound(word: str, lexicon: Lexicon, rng: Random) -> str:
    """Write a sound otherwise."""
    fitting = [pair for pair in lexicon.language.sounds if pair[0] in word]
    if not fitting:
        return word
    a, b = rng.choice(fitting)
    return word.replace(a, b, 1)


SHARES: dict[Misspelling, float] = {drop: 0.2, swap: 0.2, double: 0.15, neighbour: 0.2, vowel: 0.12, sound: 0.13}
CHANGES, WEIGHTS = tuple(SHARES), tuple(accumulate(SHARES.values()))
