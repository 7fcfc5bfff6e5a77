"""Detect wrong words in a document: in all of a plain text, in the prose of Markdown."""

from __future__ import annotations

from electra.inference.detector import Detector, Query, detect_texts
from electra.inference.words import Word
from electra.text.markdown import SUFFIXES, Passage, passages_of


def detect_document(model: Detector, name: str, text: str, threshold: float, suggestions: int) -> list[Word]:
    """Return the words of a document with their offsets in it; `name` is its file."""
    if not name.lower().endswith(SUFFIXES):
        return model.detect(text, threshold, suggestions)
    passages = list(passages_of(text))
    found = detect_texts(model, [Query(passage.text, threshold, suggestions) for passage in passages])
    return [in_document(word, passage) for words, passage in zip(found, passages, strict=True) for word in words]


def in_document(word: Word, passage: Passage) -> Word:
    """Return a word of a passage at its place in the document; one in code is never marked."""
    is_code = any(start < word.end and word.start < end for start, end in passage.code)
    return word._replace(start=passage.at[word.start], end=passage.at[word.end - 1] + 1, exempt=word.exempt or is_code)
