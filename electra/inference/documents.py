"""Detect wrong words in a document, part by part: in all of a plain text, in the prose of Markdown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from electra.core.log import logger, tracked
from electra.inference.detector import Detector, Query, detect_texts
from electra.inference.fixing import fix
from electra.inference.reading import Reading
from electra.inference.words import Word
from electra.text.markdown import SUFFIXES, Passage, passages_of
from electra.text.paragraphs import BLOCK, blocks, paragraphs

Part = tuple[str, list[Word]]  # a part of a document and its words, whose offsets are in it


def detect_document(model: Detector, name: str, text: str, threshold: float, suggestions: int) -> list[Word]:
    """Return the words of a document with their offsets in it; `name` is its file."""
    words, start = list[Word](), 0
    for part, found in detect_parts(model, name, [text], threshold, suggestions):
        words += [word.moved(start) for word in found]
        start += len(part)
    return words


def detect_parts(
    model: Detector, name: str, pieces: Iterable[str], threshold: float, suggestions: int
) -> Iterator[Part]:
    """Yield the parts of a document, which comes in any pieces, in order, each as soon as it is read.

    Words between the same neighbours get the suggestions of the first of them: logs and tables repeat themselves.
    """
    reading = Reading()
    if name.lower().endswith(SUFFIXES):
        yield from markdown_parts(model, "".join(pieces), threshold, suggestions, reading)
    else:
        for block in blocks(pieces):
            yield block, detect_texts(model, [Query(block, threshold, suggestions)], reading)[0]
    if reading.foreign:
        logger.warning(
            f"{name}: {reading.foreign:,} of {reading.words:,} words stand in paragraphs that are not in "
            f"{model.language}, and are not judged"
        )


def markdown_parts(model: Detector, text: str, threshold: float, suggestions: int, reading: Reading) -> Iterator[Part]:
    """Yield the parts of a Markdown document; between passages of prose stands what is not judged."""
    start = 0
    for group in groups(passages_of(text)):
        end = group[-1].at[-1] + 1
        found = detect_texts(model, [Query(passage.text, threshold, suggestions) for passage in group], reading)
        words = [in_document(word, passage) for each, passage in zip(found, group, strict=True) for word in each]
        yield text[start:end], [word.moved(-start) for word in words]
        start = end
    if start < len(text):
        yield text[start:], []


def groups(passages: Iterable[Passage]) -> Iterator[Sequence[Passage]]:
    """Yield passages in groups of about BLOCK characters."""
    group, size = list[Passage](), 0
    for passage in passages:
        group.append(passage)
        size += len(passage.text)
        if size >= BLOCK:
            yield group
            group, size = [], 0
    if group:
        yield group


def fix_document(model: Detector, name: str, text: str, threshold: float, suggestions: int) -> tuple[str, list[Word]]:
    """Return a document with what is surely wrong put right, each paragraph by itself, and its words."""

    def words_of(text: str) -> list[Word]:
        return detect_document(model, name, text, threshold, suggestions)

    twice = model.candidates.language.twice if model.candidates else frozenset[str]()
    if name.lower().endswith(SUFFIXES):
        return fix(text, words_of, threshold, twice)
    fixed, words, length = list[str](), list[Word](), 0
    parts = detect_parts(model, name, [text], threshold, 0)
    for part, found in tracked(parts, len(text), "fixing, characters", lambda part: len(part[0])):
        starts = [word.start for word in found]
        for start, end in paragraphs(part):
            paragraph = part[start:end]
            its_words = [word.moved(-start) for word in found[bisect_left(starts, start) : bisect_left(starts, end)]]
            if any(word.is_marked(threshold) for word in its_words):
                paragraph, its_words = fix(paragraph, words_of, threshold, twice)
            fixed.append(paragraph)
            words += [word.moved(length) for word in its_words]
            length += len(paragraph)
    return "".join(fixed), words


def in_document(word: Word, passage: Passage) -> Word:
    """Return a word of a passage at its place in the document; one in code is never marked."""
    is_code = any(start < word.end and word.start < end for start, end in passage.code)
    return word._replace(start=passage.at[word.start], end=passage.at[word.end - 1] + 1, exempt=word.exempt or is_code)
