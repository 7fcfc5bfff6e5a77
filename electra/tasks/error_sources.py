"""Read clean text, and texts with labelled errors: tagged words, M2, or pairs of a text and its correction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from electra.tasks.columns import find_column, listed
from electra.tasks.examples import as_list, require_a_tag_each, text_of
from electra.text.errors.alignment import aligned
from electra.text.errors.tagged import RIGHT, Tagged, joined
from electra.text.records import Record, read_lines
from electra.text.sources import file_format
from electra.text.splits import read_records, split_file

TOKENS = ("tokens", "words")
TAGS = ("tags", "labels")
TEXT = ("text", "sentence", "content")
WRITTEN = ("wrong", "incorrect", "source", "input", "original")
CORRECTED = ("corrected", "correction", "correct", "target", "output")


class Labelled(NamedTuple):
    """A text whose wrong words are known."""

    tagged: Tagged
    where: str  # file and row


def read_sources(written: str, split: str, columns: Mapping[str, str]) -> tuple[list[str], list[Labelled]]:
    """Return the lines of clean text and the labelled texts of one source, or of several between commas.

    Raises:
        ValueError: a source cannot be read, or holds neither.
    """
    clean, labelled = list[str](), list[Labelled]()
    for source in [written] if Path(written).exists() else written.split(","):
        for item in read_source(source, split, columns):
            if isinstance(item, str):
                clean.append(item)
            else:
                labelled.append(item)
    if labelled and all(token.tag != RIGHT for text, _ in labelled for token in text.tokens):
        raise ValueError(f"{labelled[0].where}: no word is tagged {RIGHT}; tag right words {RIGHT} and wrong words i")
    if not clean and not labelled:
        raise ValueError(f"{written} holds no text; name a file that has some")
    return clean, labelled


def read_source(source: str, split: str, columns: Mapping[str, str]) -> Iterator[str | Labelled]:
    """Yield the lines or the labelled texts of one source; a .txt file is clean text."""
    path = split_file(source, split)
    if path and file_format(path) == ".txt":
        yield from (text for line in read_lines(path) if (text := " ".join(line.split())))
        return
    for record in read_records(source, split):
        yield from texts_of(record, columns)


def texts_of(record: Record, columns: Mapping[str, str]) -> Iterator[str | Labelled]:
    """Yield what a row holds: tagged words, a text and its correction, or the lines of a clean text."""
    found, where = list(record.fields), record.where
    tokens = find_column(found, "text", TOKENS, columns, where, optional=True)
    tags = find_column(found, "label", TAGS, columns, where, optional=True)
    if tokens and tags:
        yield Labelled(tagged_words(record, tokens, tags), where)
        return
    written = find_column(found, "text", WRITTEN, columns, where, optional=True)
    corrected = find_column(found, "text2", CORRECTED, columns, where, optional=True)
    if written and corrected:
        pair = (" ".join(text_of(record, name).split()) for name in (written, corrected))
        yield Labelled(aligned(*pair), where)
        return
    text = find_column(found, "text", TEXT, columns, where, optional=True)
    if not text:
        raise ValueError(
            f"{where}: needs tokens and tags, a wrong text and the corrected one, or clean text; "
            "write it in one of these forms (docs/reference/errors.md)"
            + listed(found, "text", [*TOKENS, *WRITTEN, *TEXT])
        )
    yield from (line for written in text_of(record, text).splitlines() if (line := " ".join(written.split())))


def tagged_words(record: Record, tokens: str, tags: str) -> Tagged:
    """Return the words of a row and their tags; words are lists, or JSON lists in a table."""
    words, found = (as_list(record.fields[name]) for name in (tokens, tags))
    require_a_tag_each(words, found, record.where)
    return joined(words, found)
