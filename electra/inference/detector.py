"""Which words of a text look replaced, and what would fit in their place."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from tokenizers import Encoding

from electra.text.tokenizer import Tokenizer
from electra.text.words import exempt, fit_case, likeliest_meant

SPACE = re.compile(r"\s")
SPACE_MARKS = ("Ġ", "▁")  # how byte-level BPE and Unigram write the space before a word
CANDIDATES = 128  # tokens the generator may propose for a word, pieces of words among them
PIECE_EVIDENCE = 0.5  # log odds added to a word of n pieces, times ln n


class Detector(Protocol):
    """What finding wrong words needs of a model: detection.pretrained.Model in torch, runtime.Runner without it."""

    tokenizer: Tokenizer
    longest: int  # tokens of a row
    threshold: float
    generator: Any  # None where there is none

    def detect(self, text: str, threshold: float | None = None, suggestions: int = 3) -> list[Word]:
        """The words of a text."""

    def row(self, ids: list[int]) -> list[int]:
        """Ids between special tokens."""

    def replaced(self, rows: list[list[int]]) -> Sequence[Any]:
        """The probability of each token of each row."""

    def fill(self, rows: list[list[int]], positions: list[int], count: int) -> Any:
        """The likeliest ids at one position of each row, [rows, count]."""


class Word(NamedTuple):
    """One word of a text and what the model thinks of it."""

    text: str
    start: int  # offsets in the text as it was given, in characters: text[start:end] is the word
    end: int
    replaced: float  # probability that it was replaced
    suggestions: tuple[str, ...]  # the generator's, best first; only for marked words
    exempt: bool = False  # a number, a sign, code or a rare name: never marked

    def is_marked(self, threshold: float) -> bool:
        """Whether it looks wrong."""
        return self.replaced >= threshold and not self.exempt


class Query(NamedTuple):
    """A text to detect wrong words in."""

    text: str
    threshold: float
    suggestions: int


class Span(NamedTuple):
    """Where a word stands in its text and among its tokens."""

    start: int
    end: int
    first: int  # token
    last: int


def detect_words(model: Detector, text: str, threshold: float, suggestions: int) -> list[Word]:
    """Score the words of a text of any length, by windows that overlap by half."""
    return detect_texts(model, [Query(text, threshold, suggestions)])[0]


def detect_texts(model: Detector, queries: Sequence[Query]) -> list[list[Word]]:
    """The words of several texts, each as if it were alone, in common forward passes."""
    encodings = [encode(model, query.text) for query in queries]
    spans = [spans_in_text(query.text, e) for query, e in zip(queries, encodings, strict=True)]
    rows = [e.ids for e in encodings]  # a list made anew each time it is asked for
    scores = token_scores(model, rows)
    words = [words_of(model, *each) for each in zip(queries, encodings, spans, scores, strict=True)]
    if model.generator is None:
        return words
    marked = [
        (n, i)
        for n, query in enumerate(queries)
        for i, word in enumerate(words[n])
        if query.suggestions and word.is_marked(query.threshold)
    ]
    found = suggest(model, [(rows[n], spans[n][i]) for n, i in marked])
    for (n, i), fitting in zip(marked, found, strict=True):
        others = other_words(model, words[n][i].text, fitting)[: queries[n].suggestions]
        words[n][i] = words[n][i]._replace(suggestions=others)
    return words


def encode(model: Detector, text: str) -> Encoding:
    """The tokens of a text; ValueError where no encoding can hold it."""
    require_valid(text)
    # No line end or tab was there in training, where a text comes line by line; one space for each keeps the offsets.
    return model.tokenizer.encode(SPACE.sub(" ", text))


def words_of(model: Detector, query: Query, encoding: Encoding, spans: list[Span], scores: list[float]) -> list[Word]:
    """The words of a text with their probabilities, without suggestions."""
    ids, unknown = encoding.ids, model.tokenizer.unk_id
    known = [s.first == s.last and ids[s.first] != unknown for s in spans]
    free = exempt(query.text, [(s.start, s.end, k) for s, k in zip(spans, known, strict=True)])
    return [
        Word(query.text[s.start : s.end], s.start, s.end, word_probability(scores[s.first : s.last + 1]), (), f)
        for s, f in zip(spans, free, strict=True)
    ]


def require_valid(text: str) -> None:
    """Refuse text that no encoding can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"the text holds half a surrogate pair at character {error.start}; remove it") from None


def token_scores(model: Detector, rows: list[list[int]]) -> list[list[float]]:
    """The probability of each token of each row, read in the window where it stands furthest from an edge."""
    windows = [
        (number, start, window) for number, ids in enumerate(rows) for start, window in cut(ids, model.longest - 2)
    ]
    windows.sort(key=lambda each: len(each[2]))  # rows of a forward pass are padded to the longest
    scores = [[0.0] * len(ids) for ids in rows]
    margins = [[-1] * len(ids) for ids in rows]
    found = model.replaced([model.row(window) for _, _, window in windows])
    for (number, start, window), probabilities in zip(windows, found, strict=True):
        for offset, p in enumerate(probabilities[1:-1].tolist()):
            left = len(rows[number]) if start == 0 else offset  # where the text itself begins or ends is no edge
            right = len(rows[number]) if start + len(window) == len(rows[number]) else len(window) - 1 - offset
            if min(left, right) > margins[number][start + offset]:
                margins[number][start + offset], scores[number][start + offset] = min(left, right), p
    return scores


def cut(ids: list[int], size: int) -> list[tuple[int, list[int]]]:
    """Windows of at most `size` that overlap by half, with where they start."""
    starts = range(0, len(ids) - size // 2, size // 2) if len(ids) > size else range(1)
    return [(start, ids[start : start + size]) for start in starts]


def word_probability(pieces: Sequence[float]) -> float:
    """The probability that a word was replaced, from those of its pieces."""
    return 1 / (1 + math.exp(-word_score([logit(p) for p in pieces])))


def word_score(pieces: Sequence[float]) -> float:
    """The mean of the pieces' scores, and a little more for each further piece.

    The mean finds wrong words best, the maximum misspelt ones, which fall into more pieces; this finds both
    (docs/tiny.md).
    """
    return sum(pieces) / len(pieces) + PIECE_EVIDENCE * math.log(len(pieces))


def logit(probability: float) -> float:
    """The log odds of a probability, kept finite."""
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def word_spans(word_ids: list[int | None]) -> list[tuple[int, int]]:
    """The first and last token of each word."""
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
    """Where the words stand: without the space that some tokenisers count to them, with the accents that some strip."""
    spans: list[Span] = []
    offsets = encoding.offsets  # made anew each time it is asked for
    for first, last in word_spans(encoding.word_ids):
        start, end = offsets[first][0], offsets[last][1]
        while start < end and text[start].isspace():
            start += 1
        while start < end < len(text) and is_mark(text[end]):
            end += 1
        if spans and start < spans[-1].end:  # nothing but accents, of the word before
            spans[-1] = spans[-1]._replace(end=max(end, spans[-1].end), last=last)
        elif start < end:
            spans.append(Span(start, end, first, last))
    return spans


def is_mark(character: str) -> bool:
    """Whether a character is an accent, a vowel sign or the like, written onto the one before."""
    return unicodedata.category(character).startswith("M")


def suggest(model: Detector, places: Sequence[tuple[list[int], Span]]) -> list[list[str]]:
    """For each span of tokens of a text, the whole words the generator would rather see there, best first."""
    if not places:
        return []
    half = (model.longest - 3) // 2
    rows, positions = [], []
    for ids, span in places:
        left = ids[max(0, span.first - half) : span.first]
        rows.append(model.row([*left, model.tokenizer.mask_id, *ids[span.last + 1 : span.last + 1 + half]]))
        positions.append(len(left) + 1)
    best = model.fill(rows, positions, min(CANDIDATES, model.tokenizer.vocab_size))
    return [
        [word for word in (whole_word(model, i, ids[span.first]) for i in row) if word]
        for row, (ids, span) in zip(best.tolist(), places, strict=True)
    ]


def whole_word(model: Detector, token_id: int, instead_of: int) -> str:
    """The token as a word of its own, or nothing where it is a piece of one."""
    token, before = (model.tokenizer.backend.id_to_token(i) or "" for i in (token_id, instead_of))
    if token.startswith("##") or token.startswith(SPACE_MARKS) != before.startswith(SPACE_MARKS):
        return ""
    word: str = model.tokenizer.backend.decode([token_id]).strip()
    return word if word[:1].isalpha() and all(c.isalnum() or c in "'-" or is_mark(c) for c in word) else ""


def other_words(model: Detector, text: str, words: list[str]) -> tuple[str, ...]:
    """Each of `words` once, in the capitals of `text`, without those that are `text` as the tokeniser reads it."""
    normalizer = model.tokenizer.backend.normalizer
    read = {(normalizer.normalize_str(text) if normalizer else text).lower(), text.lower()}
    return tuple(
        dict.fromkeys(fit_case(word, text) for word in likeliest_meant(words, text) if word.lower() not in read)
    )
