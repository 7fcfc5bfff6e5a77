"""Put right the words of a text that are surely wrong; the rest is left to its author.

A word is replaced if its first suggestion is surely what was meant, and the model finds it right where it then stands.
So a text that was fixed is not changed by fixing it again.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from itertools import pairwise
from typing import NamedTuple

from electra.inference.words import Word
from electra.text.words import are_neighbours, begins_sentence

SURE = 0.85  # certainty of a suggestion that is applied
Detect = Callable[[str], list[Word]]


class Edit(NamedTuple):
    """A part of a text and what is written instead."""

    start: int
    end: int
    written: str


def fix(text: str, detect: Detect, threshold: float, twice: Container[str] = frozenset()) -> tuple[str, list[Word]]:
    """Return the text with what is surely wrong put right, and its words; `detect` marks those of a text.

    twice: words, in lower case, of which two in a row are left to the author, as both may be meant (had had).

    Edits are applied together, and those after which a word there is still marked are taken back. This is repeated as
    long as it leaves fewer words marked: a word may be judged otherwise when its neighbours have been put right.
    """
    words = detect(text)
    while edits := edits_of(text, words, threshold, twice):
        applied, its_words = text, words
        while edits:
            applied = apply(text, edits)
            its_words = detect(applied)
            good = judged_right(edits, its_words, threshold)
            if len(good) == len(edits):
                break
            edits = good
        if not edits or count(its_words, threshold) >= count(words, threshold):
            break
        text, words = applied, its_words
    return text, words


def edits_of(text: str, words: Sequence[Word], threshold: float, twice: Container[str] = frozenset()) -> list[Edit]:
    """Return an edit for each word whose first suggestion is sure; of two neighbours for the first.

    Each was judged beside the other as it is.
    """
    edits, before = list[Edit](), -2
    for number, word in enumerate(words):
        if word.is_marked(threshold) and word.suggestions and word.certainty >= SURE and before != number - 1:
            written = word.suggestions[0]
            edit = Edit(word.start, word.end, written) if written else removal(text, words, number, twice)
            if edit:
                before = number
                edits.append(edit)
    return edits


def removal(text: str, words: Sequence[Word], number: int, twice: Container[str]) -> Edit | None:
    """Return the edit that removes a word: of one that stands twice the second, which is never a sentence's first.

    None if it stands twice and may do so, or in two paragraphs or columns: a heading and the text below may share a
    word.
    """
    word, near = words[number], words[max(0, number - 1) : number + 2]
    twins = [(a, b) for a, b in pairwise(near) if a.text.lower() == b.text.lower()]
    for first, second in reversed(twins):
        if first.text.lower() not in twice and are_neighbours(text, first.end, second.start):
            return Edit(first.end, second.end, "")
    if twins:
        return None
    if number + 1 < len(words) and begins_sentence(text, word.start) and word.text[:1].isupper():
        following = words[number + 1]
        return Edit(word.start, following.start + 1, following.text[:1].upper())
    if text[word.start - 1 : word.start] == " ":
        return Edit(word.start - 1, word.end, "")
    return Edit(word.start, word.end + (text[word.end : word.end + 1] == " "), "")


def apply(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with edits, which come in order and do not overlap."""
    parts, end = [], 0
    for edit in edits:
        parts += [text[end : edit.start], edit.written]
        end = edit.end
    return "".join([*parts, text[end:]])


def judged_right(edits: Sequence[Edit], words: Sequence[Word], threshold: float) -> list[Edit]:
    """Return the edits at whose place, in the text with all of them, no word is marked; `words` are its words."""
    marked = [word for word in words if word.is_marked(threshold)]
    good, shift = [], 0
    for edit in edits:
        start = edit.start + shift
        end = start + len(edit.written)
        shift += len(edit.written) - (edit.end - edit.start)
        near = 0 if edit.written else 2  # characters to the words beside the place of one that was removed
        if not any(word.start < end + near and start - near < word.end for word in marked):
            good.append(edit)
    return good


def count(words: Sequence[Word], threshold: float) -> int:
    """Return the number of marked words."""
    return sum(word.is_marked(threshold) for word in words)
