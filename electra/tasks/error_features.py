"""Rows of a network for texts whose words are tagged, cut into the words that `detect` answers for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from electra.tasks.examples import Example, Features
from electra.text.errors.tagged import RIGHT, Tagged, split_words
from electra.text.pieces import exempt_words, spans_in_text
from electra.text.tokenizer import Tokenizer
from electra.text.windows import word_runs
from electra.text.words import is_name


class Asked(NamedTuple):
    """A word that the detector answers for, text[start:end]."""

    start: int
    end: int
    is_wrong: bool


def first_row(tokenizer: Tokenizer, max_length: int, tagged: Tagged) -> Features:
    """Return the first row of a text, which is nearly always the only one."""
    return next(rows_of(tokenizer, max_length, tagged))


def rows_of(tokenizer: Tokenizer, max_length: int, tagged: Tagged, number: int = 0) -> Iterator[Features]:
    """Yield the rows of a text, at most `max_length` ids each, cut between words.

    `target` lists the words that are asked for: names, numbers and signs are not, as they are never marked. `places`
    has the index of its word there for each slot, -1 for others. A word longer than a row is read as far as it fits.
    """
    encoding, room = tokenizer.encode(tagged.text), max_length - 2
    ids, spans = encoding.ids, spans_in_text(tagged.text, encoding)
    free = exempt_words(tagged.text, encoding, spans, tokenizer.unk_id)
    wrong = [any(tagged.tokens[n].tag != RIGHT for n in there) for there in overlapping(spans, tagged.tokens)]
    starts = [0, *(span.first for span in spans[1:]), len(ids)]
    runs = word_runs([b - a for a, b in pairwise(starts)], room)
    for first, end in runs if spans else [(0, 0)]:
        offset, asked = starts[first], list[Asked]()
        places = [-1] * (min(starts[end] - offset, room) + 2)
        for n in range(first, end):
            if not free[n]:
                slots = range(spans[n].first - offset + 1, min(spans[n].last - offset + 1, room) + 1)
                places[slots.start : slots.stop] = [len(asked)] * len(slots)
                asked.append(Asked(spans[n].start, spans[n].end, wrong[n]))
        row = [tokenizer.cls_id, *ids[offset : starts[end]][:room], tokenizer.sep_id]
        yield Features(row, [0] * len(row), number, asked, places)


def overlapping(these: Sequence[Sequence[Any]], those: Sequence[Sequence[Any]]) -> Iterator[range]:
    """Yield for each of `these` spans the indices of `those` that share a character with it; both are in order."""
    first = 0
    for start, end, *_ in these:
        while first < len(those) and those[first][1] <= start:
            first += 1
        last = first
        while last < len(those) and those[last][0] < end:
            last += 1
        yield range(first, last)


def tells_case(tokenizer: Tokenizer) -> bool:
    """Return whether a tokeniser tells capitals from small letters."""
    small, large = tokenizer.encode_lines(["house", "House"])
    return small != large


# -- a baseline --------------------------------------------------------------------------------------------------------


def right_words(example: Example) -> Iterator[str]:
    """Yield the right words of a text in lower case."""
    (text,) = example.texts
    spans = split_words(text) if example.label is None else [t[:2] for t in example.label if t.tag == RIGHT]
    yield from (text[start:end].lower() for start, end in spans)


def unknown_words(example: Example, known: Collection[str]) -> dict[str, Any]:
    """Predict that words of letters are wrong if they are not known, unless they look like names."""
    (text,), found = example.texts, list[float]()
    for start, end, _ in example.label:
        word = text[start:end]
        found.append(float(word.isalpha() and word.lower() not in known and not is_name(text, start)))
    return {"id": example.id, "words": [text[a:b] for a, b, _ in example.label], "wrong": found}
