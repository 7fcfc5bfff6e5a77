"""Rank the candidates for marked words: how well each fits the text, and how near it is to what is written.

A candidate's score is the sum of the generator's log probability of the whole word, the discriminator's log odds that
it is right, and its edits from the word as written, each times a weight. The discriminator reads only the best by the
other two.

V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from electra.core.log import tracked
from electra.inference.candidates import SURE, Candidate, Candidates, Neighbourhood
from electra.inference.model import Model, by_length
from electra.inference.sessions import Array
from electra.text.pieces import SPACE_MARKS, Span, word_score
from electra.text.tokenizer import Tokenizer
from electra.text.words import are_neighbours

CONTEXT = 24  # tokens on either side with which a candidate is judged
TOGETHER = 32  # places whose candidates share batches; each takes some 50 KB
JUDGED = 4  # candidates of a word that the discriminator reads
# Fitted by benchmarks/suggestions.py --fit
FITS, RIGHT, EDITS = 0.48, 0.56, 3.54
KNOWN = 5.2  # log odds that a word of the dictionary is right, before it is read: one in 180 is a mistake


class Trial(NamedTuple):
    """A text with a candidate in it: the tokens of the word that stands in its place, and those around it."""

    left: tuple[int, ...]
    word: tuple[int, ...]
    right: tuple[int, ...]


class Place(NamedTuple):
    """A marked word in its text."""

    text: str
    ids: Sequence[int]  # of the text
    spans: Sequence[Span]  # of its words
    number: int  # of the marked word

    def word(self, offset: int = 0) -> str:
        """Return the marked word, or the one at an offset from it; "" beyond the text."""
        n = self.number + offset
        return self.text[self.spans[n].start : self.spans[n].end] if 0 <= n < len(self.spans) else ""

    def neighbourhood(self) -> Neighbourhood:
        """Return the marked word and those beside it."""
        start, end, _, _ = self.spans[self.number]
        before, after = self.word(-1), self.word(1)
        if before and not are_neighbours(self.text, self.spans[self.number - 1].end, start):
            before = ""
        if after and not are_neighbours(self.text, end, self.spans[self.number + 1].start):
            after = ""
        return Neighbourhood(self.word(), before, after)

    def trial(self, tokenizer: Tokenizer, candidate: str, longest: int) -> Trial:
        """Put a candidate in the word's place; if the word is removed, a neighbour is judged instead.

        longest: maximum tokens of the trial.
        """
        first, last = self.spans[self.number][2:]
        if candidate:
            return self.around(first, pieces(tokenizer, candidate, self.ids[first]), last + 1, longest)
        if self.number + 1 < len(self.spans):
            following = self.spans[self.number + 1]
            return self.around(first, self.ids[following.first : following.last + 1], following.last + 1, longest)
        before = self.spans[max(0, self.number - 1)]
        return self.around(before.first, self.ids[before.first : before.last + 1], last + 1, longest)

    def around(self, first: int, word: Sequence[int], after: int, longest: int) -> Trial:
        """Put a word between the tokens before `first` and those from `after` on."""
        size = min(CONTEXT, max(0, (longest - len(word)) // 2))
        left, right = self.ids[max(0, first - size) : first], self.ids[after : after + size]
        return Trial(tuple(left), tuple(word), tuple(right))


class Ranked(NamedTuple):
    """A candidate, what the text becomes with it, and its score so far."""

    candidate: Candidate
    trial: Trial
    score: float = 0.0


class Suggested(NamedTuple):
    """The candidates for a place, best first; "" removes the word."""

    words: list[str]
    certainty: float  # probability that the first is what was meant, of those judged and the word as written


class Ranking:
    """The networks that judge candidates."""

    def __init__(self, discriminator: Model, generator: Model, candidates: Candidates) -> None:
        self.discriminator, self.generator, self.candidates = discriminator, generator, candidates

    def rank(self, places: Sequence[Place], expected: Sequence[Iterable[str]]) -> list[Suggested]:
        """Return the candidates for each place.

        expected: whole words that the generator proposes for each place.
        """
        groups = [slice(start, start + TOGETHER) for start in range(0, len(places), TOGETHER)]
        asked = tracked(groups, len(groups), "suggesting") if self.discriminator.progress else groups
        return [found for group in asked for found in self.rank_together(places[group], expected[group])]

    def rank_together(self, places: Sequence[Place], expected: Sequence[Iterable[str]]) -> list[Suggested]:
        """Rank the candidates for a few places in shared batches."""
        found = [self.trials(place, words) for place, words in zip(places, expected, strict=True)]
        found = [best_first(there) for there in scored(found, self.by_generator)]
        judged = scored([there[:JUDGED] for there in found], self.by_discriminator)
        as_written = scored([[self.as_written(place)] for place in places], self.by_generator)
        as_written = scored(as_written, self.by_discriminator)
        return [
            suggested(best_first(best), there[JUDGED:], written)
            for best, there, (written,) in zip(judged, found, as_written, strict=True)
        ]

    def as_written(self, place: Place) -> Ranked:
        """Return the word that stands in a place."""
        _, _, first, last = place.spans[place.number]
        longest = self.discriminator.longest - 2
        trial = place.around(first, place.ids[first : last + 1][:longest], last + 1, longest)
        return Ranked(Candidate(place.word(), 0), trial, KNOWN if self.candidates.knows(place.word()) else 0.0)

    def trials(self, place: Place, expected: Iterable[str]) -> list[Ranked]:
        """Return the candidates that the networks can read and tell from the word as written, or need not."""
        longest, first = self.discriminator.longest - 2, place.spans[place.number].first
        same = tuple(place.ids[first : place.spans[place.number].last + 1])
        found = [
            Ranked(each, place.trial(self.generator.tokenizer, each.word, longest))
            for each in self.candidates.find(place.neighbourhood(), expected)
        ]
        return [
            each for each in found
            if 0 < len(each.trial.word) <= longest
            and (each.trial.word != same or not each.candidate.word or each.candidate.edits == SURE)
        ]  # fmt: skip

    def by_generator(self, found: Sequence[Ranked]) -> list[float]:
        """Return the part of the scores that is known before the discriminator is asked."""
        fits = log_probabilities(self.generator, [each.trial for each in found])
        return [FITS * fit - EDITS * each.candidate.edits for each, fit in zip(found, fits, strict=True)]

    def by_discriminator(self, found: Sequence[Ranked]) -> list[float]:
        """Return the part of the scores that the discriminator gives."""
        return [RIGHT * odds for odds in odds_right(self.discriminator, [each.trial for each in found])]


def suggested(judged: Sequence[Ranked], others: Sequence[Ranked], written: Ranked) -> Suggested:
    """Return the words of candidates, the judged ones first, and how sure the first is."""
    words = [each.candidate.word for each in (*judged, *others)]
    if not judged:
        return Suggested(words, 0.0)
    scores = np.array([each.score for each in (*judged, written)])
    return Suggested(words, float(np.exp(scores[0] - log_sum(scores))))


def scored(found: Sequence[Sequence[Ranked]], judge: Callable[[Sequence[Ranked]], list[float]]) -> list[list[Ranked]]:
    """Add the judge's numbers to the scores; it is asked about all places at once."""
    more = iter(judge(list(chain.from_iterable(found))))
    return [[each._replace(score=each.score + next(more)) for each in there] for there in found]


def best_first(found: Sequence[Ranked]) -> list[Ranked]:
    """Sort by score."""
    return sorted(found, key=lambda each: -each.score)


def pieces(tokenizer: Tokenizer, word: str, instead_of: int) -> list[int]:
    """Return the tokens of a word, with a space before it if the token it replaces has one."""
    before = tokenizer.backend.id_to_token(instead_of) or ""
    return tokenizer.encode(f" {word}" if before.startswith(SPACE_MARKS) else word).ids


# -- networks ----------------------------------------------------------------------------------------------------------


def log_probabilities(generator: Model, trials: Sequence[Trial]) -> list[float]:
    """Return the generator's log probability of the whole word in each trial.

    The pieces of a word are predicted from left to right, each with itself and those after it masked: the product is
    the probability of the word among those of as many pieces (Kauf and Ivanova 2023, arXiv 2305.10588).
    """
    mask = generator.tokenizer.mask_id
    asked: dict[tuple[tuple[int, ...], int], list[tuple[int, int]]] = {}  # trial and piece by row and masked place
    for number, (left, word, right) in enumerate(trials):
        for i, piece in enumerate(word):
            row = (*left, *word[:i], *(mask,) * (len(word) - i), *right)
            asked.setdefault((row, len(left) + i), []).append((number, piece))
    rows, places = [generator.row(row) for row, _ in asked], [place + 1 for _, place in asked]
    wanted, found = list(asked.values()), [0.0] * len(trials)
    for group in by_length(rows):
        positions = {"positions": np.array([[places[n]] for n in group], np.int64)}
        (logits,) = generator.session(generator.pad([rows[n] for n in group]) | positions, ("logits",))
        for n, row_logits in zip(group, logits.reshape(len(group), -1), strict=True):
            total = log_sum(row_logits)
            for trial, piece in wanted[n]:
                found[trial] += float(row_logits[piece]) - total
    return found


def log_sum(logits: Array) -> float:
    """Return the logarithm of the sum of the exponentials, [V] -> one number."""
    highest = logits.max()
    return float(highest + np.log(np.exp(logits - highest).sum()))


def odds_right(discriminator: Model, trials: Sequence[Trial]) -> list[float]:
    """Return the discriminator's log odds that the word in each trial is right."""
    found = discriminator.run([discriminator.row([*left, *word, *right]) for left, word, right in trials], "logits")
    return [
        -word_score(logits[len(left) + 1 :][: len(word)].tolist())
        for logits, (left, word, _) in zip(found, trials, strict=True)
    ]
