"""Plant errors in clean text, to measure error detection."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from electra.text.errors.language import find_language

PLAIN_WORD = re.compile(r"[a-z]+")
SEGMENT = 30  # words of a text
PLANTED = 2  # wrong words in each
MIN_COUNT = 5  # a rarer word never replaces another

# Return the words that replace a word: none, another word, or the word twice; None to keep it. The last replacement is
# marked as wrong or, if there is none, the next word.
Change = Callable[[str], "list[str] | None"]


class Planted(NamedTuple):
    """A text with wrong words, a label for each word, and the original words."""

    words: list[str]
    is_wrong: list[bool]
    originals: tuple[str, ...] = ()  # of each word; "" for an added word

    @property
    def text(self) -> str:
        """The words, joined by spaces."""
        return " ".join(self.words)

    @property
    def wrong_starts(self) -> frozenset[int]:
        """Where the wrong words start in `text`, in characters."""
        starts = accumulate((len(word) + 1 for word in self.words), initial=0)
        return frozenset(start for start, yes in zip(starts, self.is_wrong, strict=False) if yes)


def plant_errors(documents: Iterable[str], kind: str, count: int, seed: int) -> list[Planted]:
    """Cut documents into segments of 30 words, make two words of each wrong, and return at most `count`.

    kind: random (another word, drawn by its frequency), misspelling (two letters are swapped), confusable (their for
    there), dropped (the word before the wrong one is missing) or doubled (a word is repeated).
    """
    texts = [document.split() for document in documents]
    rng = random.Random(seed)
    changes: dict[str, Callable[[], Change]] = {
        "random": lambda: random_word(texts, rng),
        "misspelling": lambda: misspelling(rng),
        "confusable": lambda: confusable(rng),
        "dropped": lambda: lambda word: [],
        "doubled": lambda: lambda word: [word, word],
    }
    change = changes[kind]()
    segments = [
        words[i : i + SEGMENT]
        for words in texts
        for i in range(0, min(len(words) - SEGMENT + 1, 10 * SEGMENT), SEGMENT)
    ]
    rng.shuffle(segments)
    planted = (plant(words, change, rng) for words in segments)
    return [p for p in planted if sum(p.is_wrong) == PLANTED][:count]


def plant(words: Sequence[str], change: Change, rng: random.Random) -> Planted:
    """Change two plain words; leave a text unchanged if fewer than two thirds of its words are plain."""
    places = [i for i, word in enumerate(words[:-1]) if PLAIN_WORD.fullmatch(word)]
    changed: dict[int, list[str]] = {}
    if len(places) >= 2 * SEGMENT // 3:
        rng.shuffle(places)
        for place in places:
            there = change(words[place])
            if there is not None and there != [words[place]] and not {place - 1, place + 1} & changed.keys():
                changed[place] = there
            if len(changed) == PLANTED:
                break
    return with_changes(words, changed)


def with_changes(words: Sequence[str], changed: dict[int, list[str]]) -> Planted:
    """Replace words by their position, and label the wrong ones."""
    result, is_wrong, originals = list[str](), list[bool](), list[str]()
    for place, word in enumerate(words):
        there = changed.get(place, [word])
        result += there
        is_wrong += [False] * (len(there) - 1) + [place in changed or changed.get(place - 1) == []] * bool(there)
        originals += [word] if len(there) == 1 else [word, ""][: len(there)]
    return Planted(result, is_wrong, tuple(originals))


def random_word(documents: Iterable[Sequence[str]], rng: random.Random) -> Change:
    """Return a change to another word of the documents, drawn by its frequency."""
    counts = Counter(word for words in documents for word in words if PLAIN_WORD.fullmatch(word))
    known = [word for word, n in counts.items() if n >= MIN_COUNT]
    weights = [counts[word] for word in known]
    return lambda word: rng.choices(known, weights) if known else None


def misspelling(rng: random.Random) -> Change:
    """Return a change that swaps two neighbouring letters in words of at least four."""

    def swap(word: str) -> list[str] | None:
        if len(word) < 4:
            return None
        i = rng.randrange(len(word) - 1)
        return [word[:i] + word[i + 1] + word[i] + word[i + 2 :]]

    return swap


def confusable(rng: random.Random) -> Change:
    """Return a change to a word that is often confused with the original."""
    others = find_language("english").confusable
    return lambda word: [rng.choice(others[word])] if word in others else None
