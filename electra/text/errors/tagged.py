"""Texts whose words are tagged: c (right), i (wrong), or the kind of error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

RIGHT, WRONG = "c", "i"
HAN = "\u3400-\u4dbf\u4e00-\u9fff"  # written without spaces: each character is a word, as in BERT's tokeniser
WORD = re.compile(rf"[{HAN}]|[^\W{HAN}]+(?:['’-][^\W{HAN}]+)*|[^\w\s]")
CLITIC = re.compile(r"n['’]t|['’](?:s|m|d|re|ve|ll)", re.IGNORECASE)  # how corpora cut "don't" and "he's"
CLOSING, OPENING = frozenset(",.;:!?)]}%…”»"), frozenset("([{$£€“«")


class Token(NamedTuple):
    """A word of a text, text[start:end], and its tag."""

    start: int
    end: int
    tag: str


class Tagged(NamedTuple):
    """A text and the tags of its words, in order."""

    text: str
    tokens: tuple[Token, ...]


def split_words(text: str) -> list[tuple[int, int]]:
    """Return the spans of words and punctuation marks."""
    return [match.span() for match in WORD.finditer(text)]


def is_han(word: str) -> bool:
    """Return whether a word is written in Chinese characters, without a space before it."""
    return "\u3400" <= word[:1] <= "\u9fff"


def joined(words: Sequence[str], tags: Sequence[str]) -> Tagged:
    """Write words as people do: no space before a comma or "n't", none after an opening bracket.

    Corpora are cut into words, a detector reads text. Each word keeps its tag; those of other scripts and straight
    quotation marks keep a space on both sides.
    """
    parts, tokens, end = list[str](), list[Token](), 0
    for number, (word, tag) in enumerate(zip(words, tags, strict=True)):
        close = word in CLOSING or CLITIC.fullmatch(word) or (number and words[number - 1] in OPENING)
        gap = "" if number == 0 or close else " "
        start = end + len(gap)
        end = start + len(word)
        parts += [gap, word]
        tokens.append(Token(start, end, tag))
    return Tagged("".join(parts), tuple(tokens))
