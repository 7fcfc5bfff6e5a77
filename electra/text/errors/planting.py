"""Plant the errors of people in clean text, as a pure function of (seed, epoch, number of the text)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from random import Random
from typing import NamedTuple

from electra.text.errors.addresses import addressed
from electra.text.errors.kinds import KINDS, Edit, Place
from electra.text.errors.language import Language
from electra.text.errors.lexicon import Lexicon
from electra.text.errors.tagged import RIGHT, Tagged, Token, is_han, split_words
from electra.text.words import SENTENCE_END, fit_case

RATES = (0.0, 0.0, 0.06, 0.12, 0.18, 0.25)  # shares of a text's words chosen to become wrong; each text draws one
TRIES = 30  # places to look at for an error of a kind
BESIDE = 0.25  # share of errors right after another, as people's come in clusters
SLIPS = {"spelling", "regular"}  # none right after these: there 15 % of words are wrong, after others 33 % (FCE)


class Planter:
    """Plant errors in texts of one corpus.

    texts: the corpus, whose words are counted. cased: whether the reader tells capitals from small letters, so that
    wrong capitals can be learned.
    """

    def __init__(self, texts: Sequence[str], language: Language, cased: bool) -> None:
        self.lexicon = Lexicon(texts, language)
        kinds = {
            name: kind
            for name, kind in KINDS.items()
            if (not kind.needs or getattr(language, kind.needs)) and (cased or name != "capital")
        }
        self.names = tuple(kinds)
        self.weights = tuple(accumulate(kind.share for kind in kinds.values()))

    def plant(self, text: str, seed: int, epoch: int, number: int) -> Tagged:
        """Return the text with errors, each tagged by its kind; a word after a missing one is wrong."""
        rng, spans = Random((seed << 96) | (epoch << 64) | number), split_words(text)
        words = [text[start:end] for start, end in spans]
        rate = rng.choice(RATES)
        edits = self.edits(words, sum(rng.random() < rate for _ in words), rng) if rate else {}
        page, at = Page(text, words, spans), 0
        for place in sorted(edits):
            kind, edit = edits[place]
            page.copy(at, place)
            page.write(kind, edit, place)
            at = place + edit.taken
        page.copy(at, len(words))
        return addressed(page.tagged(), self.lexicon, rng)

    def edits(self, words: Sequence[str], count: int, rng: Random) -> dict[int, tuple[str, Edit]]:
        """Return at most `count` errors and their kinds by place: a kind is drawn first, then a place that it fits."""
        found, taken, after = dict[int, tuple[str, Edit]](), set[int](), len(words)
        for name in rng.choices(self.names, cum_weights=self.weights, k=count):
            anywhere = (int(rng.random() * len(words)) for _ in range(TRIES))
            for at in chain([after] if rng.random() < BESIDE else [], anywhere):
                if at in taken or at >= len(words):
                    continue
                edit = KINDS[name].change(Place(words, at, words[at].lower()), self.lexicon, rng)
                if edit and taken.isdisjoint(range(at, at + edit.touched)):
                    found[at] = name, edit
                    taken.update(range(at, at + edit.touched))
                    after = len(words) if name in SLIPS else at + edit.touched
                    break
        return found


class Missing(NamedTuple):
    """A word that was left out: the next word takes its place, its tag and, at the start of a sentence, its capital."""

    kind: str
    gap: str
    opening: str


class Page:
    """A text as it is rewritten."""

    def __init__(self, text: str, words: Sequence[str], spans: Sequence[tuple[int, int]]) -> None:
        self.text, self.words, self.spans = text, words, spans
        self.parts, self.tokens, self.length = list[str](), list[Token](), 0
        self.missing: Missing | None = None

    def copy(self, first: int, end: int) -> None:
        """Write the words in `first:end` as they are; one after a missing word takes its tag and capital."""
        if self.missing and first < end:
            kind, gap, opening = self.missing
            self.put(gap, fit_case(self.words[first], opening) if opening else self.words[first], kind)
            self.missing, first = None, first + 1
        if first < end:
            start, last = self.spans[first - 1][1] if first else 0, self.spans[end - 1][1]
            shift = self.length - start
            self.parts.append(self.text[start:last])
            self.tokens += [Token(a + shift, b + shift, RIGHT) for a, b in self.spans[first:end]]
            self.length = last + shift

    def write(self, kind: str, edit: Edit, at: int) -> None:
        """Write an edit in place of the words from `at` on."""
        for number, (word, is_wrong) in enumerate(edit.written):
            gap = self.gap(at + number) if number < edit.taken else "" if is_han(word) else " "
            self.put(gap, word, kind if is_wrong else RIGHT)
        if not edit.written:
            opens = at == 0 or self.words[at - 1] in SENTENCE_END
            gap = max(self.gap(at), self.gap(at + 1), key=len) if at else ""
            self.missing = Missing(kind, gap, self.words[at] if opens else "")

    def put(self, gap: str, word: str, tag: str) -> None:
        """Write a word after a gap."""
        start = self.length + len(gap)
        self.length = start + len(word)
        self.parts += (gap, word)
        self.tokens.append(Token(start, self.length, tag))

    def gap(self, at: int) -> str:
        """Return what stands between the word before and this one."""
        return self.text[self.spans[at - 1][1] if at else 0 : self.spans[at][0]]

    def tagged(self) -> Tagged:
        """Return what was written."""
        last = self.spans[-1][1] if self.spans else 0
        return Tagged("".join([*self.parts, self.text[last:]]), tuple(self.tokens))
