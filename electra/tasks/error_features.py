"""Rows of a network for texts whose words are tagged."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from electra.tasks.examples import Example, Features
from electra.tasks.word_pieces import WordCutter, WordPieces
from electra.text.errors.tagged import RIGHT, Tagged, split_words
from electra.text.tokenizer import Tokenizer
from electra.text.windows import word_runs
from electra.text.words import is_name

Asked = tuple[int, int, bool]  # a word that the detector answers for, text[start:end], and whether it is wrong


class FirstRow:
    """Make a row of at most `max_length` ids of a planted text; what exceeds it, which is rare, is left out."""

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        self.tokenizer, self.max_length, self.cut = tokenizer, max_length, WordCutter(tokenizer)

    def __call__(self, tagged: Tagged) -> Features:
        return next(rows_of(self.tokenizer, self.max_length, self.cut(tagged)))


def rows_of(tokenizer: Tokenizer, max_length: int, words: Sequence[WordPieces], number: int = 0) -> Iterator[Features]:
    """Yield rows of at most `max_length` ids of the words of text `number`.

    `target` lists the words that are asked for; `places` has the index of its word there for each slot, -1 for others.
    A word longer than a row is read as far as it fits.
    """
    room = max_length - 2
    for first, end in word_runs([min(len(word[0]), room) for word in words], room):
        asked, ids, places = list[Asked](), [tokenizer.cls_id], [-1]
        for pieces, start, stop, is_asked, is_wrong in words[first:end]:
            ids += pieces[:room]
            places += [len(asked) if is_asked else -1] * min(len(pieces), room)
            if is_asked:
                asked.append((start, stop, is_wrong))
        ids.append(tokenizer.sep_id)
        places.append(-1)
        yield Features(ids, [0] * len(ids), number, asked, places)


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
