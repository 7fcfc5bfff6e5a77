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

# What stands in a word's place: nothing, another word, or the word twice. The last of them is wrong; where nothing
# stands, the word behind is.
Change = Callable[[str], "list[str] | None"]

CONFUSABLE = tuple(
    tuple(words.split())
    for words in (
        "their there", "form from", "then than", "to too", "of off", "where were", "quite quiet", "loose lose",
        "affect effect", "accept except", "advice advise", "principal principle", "weather whether", "peace piece",
        "through threw", "here hear", "know now", "which witch", "whose who", "by buy", "one won",
        "no know", "see sea", "right write", "for four", "past passed", "later latter", "led lead", "lives leaves",
        "angle angel", "trail trial", "being begin", "an and", "on one", "or our", "as has", "was saw", "be bee",
        "made maid", "with width", "course coarse", "site sight", "sun son", "week weak", "role roll", "main mane",
        "desert dessert", "device devise", "diary dairy", "casual causal", "board bored", "plain plane", "sale sail",
    )
)  # fmt: skip


class Planted(NamedTuple):
    """A text with wrong words, where they are, and what stood there."""

    words: list[str]
    is_wrong: list[bool]
    originals: tuple[str, ...] = ()  # of each word; "" where none stood

    @property
    def text(self) -> str:
        """The words with a space between."""
        return " ".join(self.words)


def plant_errors(documents: Iterable[str], kind: str, count: int, seed: int) -> list[Planted]:
    """Cut documents into `count` segments of 30 words and make two words of each wrong.

    kind: random (another real word, drawn as often as it occurs), misspelling (two letters changed places),
    confusable (their for there), dropped (a word is missing before the wrong one) or doubled (a word comes twice).
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
    """Change two plain words; texts that are mostly numbers and signs are left as they are."""
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
    return laid_out(words, changed)


def laid_out(words: Sequence[str], changed: dict[int, list[str]]) -> Planted:
    """The words with what stands in some places."""
    result, is_wrong, originals = list[str](), list[bool](), list[str]()
    for place, word in enumerate(words):
        there = changed.get(place, [word])
        result += there
        is_wrong += [False] * (len(there) - 1) + [place in changed or changed.get(place - 1) == []] * bool(there)
        originals += [word] if len(there) == 1 else [word, ""][: len(there)]
    return Planted(result, is_wrong, tuple(originals))


def random_word(documents: Iterable[Sequence[str]], rng: random.Random) -> Change:
    """Another word of the same text, as often as it occurs there."""
    counts = Counter(word for words in documents for word in words if PLAIN_WORD.fullmatch(word))
    known = [word for word, n in counts.items() if n >= MIN_COUNT]
    weights = [counts[word] for word in known]
    return lambda word: rng.choices(known, weights) if known else None


def misspelling(rng: random.Random) -> Change:
    """Two neighbouring letters change places, in words of four letters and more."""

    def swap(word: str) -> list[str] | None:
        if len(word) < 4:
            return None
        i = rng.randrange(len(word) - 1)
        return [word[:i] + word[i + 1] + word[i] + word[i + 2 :]]

    return swap


def confusable(rng: random.Random) -> Change:
    """A word that is often taken for this one."""
    others = {word: [w for w in group if w != word] for group in CONFUSABLE for word in group}
    return lambda word: [rng.choice(others[word])] if word in others else None
