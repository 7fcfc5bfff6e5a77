"""Map words to their pieces, and combine the scores of a word's pieces. No torch."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from tokenizers import Encoding

from electra.text.errors.tagged import split_words
from electra.text.words import exempt

LEAST = 1e-6  # probability at which log odds stop
SPACE_MARKS = ("Ġ", "▁")  # how byte-level BPE and Unigram write the space before a word
COMPOSED = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff\uff9e\uff9f]")  # Hangul vowels and finals, half-width kana's marks
PIECE_EVIDENCE = 0.5  # log odds added to a word of n pieces, times ln n


class Span(NamedTuple):
    """A word's offsets in its text, and its first and last token."""

    start: int
    end: int
    first: int  # token
    last: int


def word_probability(pieces: Sequence[float]) -> float:
    """Return the probability that a word was replaced, from those of its pieces."""
    return 1 / (1 + math.exp(-word_score([logit(p) for p in pieces])))


def word_score(pieces: Sequence[float]) -> float:
    """Return the mean of the pieces' scores, plus a little for each further piece.

    The mean finds wrong words best, the maximum misspelt ones, which fall into more pieces; this finds both
    (docs/lab/tiny.md).
    """
    return sum(pieces) / len(pieces) + PIECE_EVIDENCE * math.log(len(pieces))


def logit(probability: float) -> float:
    """Return the log odds of a probability, kept finite."""
    p = min(max(probability, LEAST), 1 - LEAST)
    return math.log(p / (1 - p))


def word_spans(word_ids: list[int | None]) -> list[tuple[int, int]]:
    """Return the first and last token of each word."""
    spans: list[tuple[int, int]] = []
    before: int | None = None
    for position, word in enumerate(word_ids):
        if word is not None and word == before:
            spans[-1] = (spans[-1][0], position)
        elif word is not None:
            spans.append((position, position))
        before = word
    return spans


def spans_in_text(text: str, encoding: Encoding) -> list[Span]:
    """Return the words' spans, without the leading space that some tokenisers include.

    Accents that a tokeniser strips, or composes with the letter before, belong to the word they are written on.
    """
    spans: list[Span] = []
    offsets = encoding.offsets  # rebuilt on every access, so read it once
    for first, last in word_spans(encoding.word_ids):
        start, end = offsets[first][0], offsets[last][1]
        while start < end and text[start].isspace():
            start += 1
        while start < end < len(text) and belongs_before(text[end]):
            end += 1
        if spans and start < spans[-1].end:  # only combining marks; they belong to the previous word
            spans[-1] = spans[-1]._replace(end=max(end, spans[-1].end), last=last)
        elif start < end:
            spans.append(Span(start, end, first, last))
    return spans


def split_as_detected(text: str, encoding: Encoding) -> list[tuple[int, int]]:
    """Return the spans of the words that `detect` answers for, without signs that the tokeniser leaves on a word."""
    return [
        (span.start + first, span.start + last)
        for span in spans_in_text(text, encoding)
        for first, last in split_words(text[span.start : span.end]) or [(0, span.end - span.start)]
    ]


def exempt_words(text: str, encoding: Encoding, spans: Sequence[Span], unk_id: int | None) -> list[bool]:
    """Return whether each word is never marked: a number, a sign, code, or a name of several pieces."""
    ids = encoding.ids
    return exempt(text, [(s.start, s.end, s.first == s.last and ids[s.first] != unk_id) for s in spans])


def belongs_before(character: str) -> bool:
    """Return whether a character is part of the letter before it, with which normalisers compose it."""
    return is_mark(character) or COMPOSED.fullmatch(character) is not None


def is_mark(character: str) -> bool:
    """Return whether a character is a combining mark, such as an accent or a vowel sign."""
    return unicodedata.category(character).startswith("M")
