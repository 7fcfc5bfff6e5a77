"""Plant wrong words in clean text, to measure how well they are found."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

PLAIN_WORD = re.compile(r"[a-z]+")
SEGMENT = 30  # words of one text
PLANTED = 2  # wrong words in each
MIN_COUNT = 5  # a word seen less often is not put in another's place

Corrupt = Callable[[str], str | None]


class Planted(NamedTuple):
    """A text with wrong words, and where they are."""

    words: list[str]
    is_wrong: list[bool]

    @property
    def text(self) -> str:
        """The words with a space between."""
        return " ".join(self.words)


def plant_errors(documents: Iterable[str], kind: str, count: int, seed: int) -> list[Planted]:
    """Cut documents into `count` segments of 30 words and make two words of each wrong.

    kind: random (another real word, drawn as often as it occurs) or misspelling (two letters changed places).
    """
    texts = [document.split() for document in documents]
    rng = random.Random(seed)
    corrupt = random_word(texts, rng) if kind == "random" else misspelling(rng)
    segments = [
        words[i : i + SEGMENT]
        for words in texts
        for i in range(0, min(len(words) - SEGMENT + 1, 10 * SEGMENT), SEGMENT)
    ]
    rng.shuffle(segments)
    planted = (plant(words, corrupt, rng) for words in segments)
    return [p for p in planted if sum(p.is_wrong) == PLANTED][:count]


def plant(words: Sequence[str], corrupt: Corrupt, rng: random.Random) -> Planted:
    """Replace two plain words; texts that are mostly numbers and signs are left as they are."""
    result, is_wrong = list(words), [False] * len(words)
    places = [i for i, word in enumerate(words) if PLAIN_WORD.fullmatch(word)]
    if len(places) < 2 * SEGMENT // 3:
        return Planted(result, is_wrong)
    rng.shuffle(places)
    for place in places:
        wrong = corrupt(words[place])
        if wrong and wrong != words[place]:
            result[place], is_wrong[place] = wrong, True
        if sum(is_wrong) == PLANTED:
            break
    return Planted(result, is_wrong)


def random_word(documents: Iterable[Sequence[str]], rng: random.Random) -> Corrupt:
    """Another word of the same text, as often as it occurs there."""
    counts = Counter(word for words in documents for word in words if PLAIN_WORD.fullmatch(word))
    known = [word for word, n in counts.items() if n >= MIN_COUNT]
    weights = [counts[word] for word in known]
    return lambda word: rng.choices(known, weights)[0] if known else None


def misspelling(rng: random.Random) -> Corrupt:
    """Two neighbouring letters change places, in words of four letters and more."""

    def swap(word: str) -> str | None:
        if len(word) < 4:
            return None
        i = rng.randrange(len(word) - 1)
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]

    return swap
