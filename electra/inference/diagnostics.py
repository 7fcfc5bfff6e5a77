"""The marked words of a text as editors, continuous integration, programs and people read them.

A file may come in parts: each is written when it has been read.
"""

from __future__ import annotations

import io
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from difflib import unified_diff
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from electra.inference.marked_text import MarkedText
from electra.inference.words import Word
from electra.text.unicode import utf16_length

WARNING = 2  # the severity in the Language Server Protocol


class Format(NamedTuple):
    """How a file's words are written: what comes first, an item for each word, and what stands between and behind."""

    opening: Callable[[MarkedText], str]
    items: Callable[[MarkedText], Iterable[str]]
    between: str
    closing: str


def written(format: Format, parts: Iterable[MarkedText]) -> Iterator[str]:
    """Yield what is written of the parts of a file."""
    has_items = False
    for number, part in enumerate(parts):
        shown = [] if number else [format.opening(part)]
        for item in format.items(part):
            shown += [format.between * has_items, item]
            has_items = True
        yield "".join(shown)
    yield format.closing


# -- lines and columns -------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A marked word in its file; line and column count from 0."""

    word: Word
    line: int
    column: int
    utf16: int  # column in UTF-16 units

    def message(self) -> str:
        """Say what is wrong."""
        others = ", ".join(self.word.shown_suggestions())
        return f"{self.word.text!r} looks wrong" + (f": {others}" if others else "")


def places(text: MarkedText) -> Iterator[Place]:
    """Yield the marked words of a text."""
    starts = [0, *accumulate(len(line) + 1 for line in text.text.split("\n"))]
    for word in text.marked:
        line = bisect_right(starts, word.start) - 1
        before = text.text[starts[line] : word.start]
        column, units = (0, 0) if line else (text.at.column, text.at.utf16)
        yield Place(word, text.at.line + line, column + len(before), units + utf16_length(before))


def plain_lines(text: MarkedText) -> Iterator[str]:
    """Yield a line for each marked word: file:line:column: message, as compilers write."""
    return (f"{text.name}:{p.line + 1}:{p.column + 1}: {p.message()}\n" for p in places(text))


def github_commands(text: MarkedText) -> Iterator[str]:
    """Yield a workflow command for each marked word, which GitHub shows beside the line."""
    return (
        f"::warning file={escaped(text.name, ',:')},line={p.line + 1},col={p.column + 1},"
        f"endColumn={p.column + 1 + len(p.word.text)},title=electra::{escaped(p.message())}\n"
        for p in places(text)
    )


def escaped(written: str, signs: str = "") -> str:
    """Escape what ends a workflow command, or one of its properties."""
    for sign in "%\r\n" + signs:
        written = written.replace(sign, f"%{ord(sign):02X}")
    return written


def uri(text: MarkedText) -> str:
    """Return the address of a text's file; standard input has none."""
    return text.name if text.name == "-" else Path(text.name).resolve().as_uri()


def diagnostic(place: Place) -> dict[str, Any]:
    """Return a Diagnostic of the Language Server Protocol, whose columns count UTF-16 units."""
    ends = place.utf16, place.utf16 + utf16_length(place.word.text)
    start, end = ({"line": place.line, "character": character} for character in ends)
    return {
        "range": {"start": start, "end": end},
        "severity": WARNING,
        "source": "electra",
        "message": place.message(),
        "data": {"suggestions": list(place.word.suggestions), "probability": round(place.word.replaced, 4)},
    }


# -- JSON --------------------------------------------------------------------------------------------------------------


def in_json(content: Callable[[MarkedText], dict[str, Any]], items: Callable[[MarkedText], Iterable[object]]) -> Format:
    """Return the format of an object in a line of JSON, whose last entry is a list of items."""
    empty = "]}"
    return Format(
        lambda text: as_json(content(text)).removesuffix(empty),
        lambda text: map(as_json, items(text)),
        ", ",
        f"{empty}\n",
    )


def as_json(content: object) -> str:
    """Return content as JSON that is readable in all scripts."""
    return json.dumps(content, ensure_ascii=False)


def heading(text: MarkedText) -> dict[str, Any]:
    """Return what JSON says of a file, without its words."""
    return {"file": text.name, "threshold": text.threshold, "words": []}


def records(text: MarkedText, words: Iterable[Word]) -> Iterator[dict[str, Any]]:
    """Yield what JSON says of words of a text, with offsets in its file."""
    return (word.moved(text.at.offset).as_record(text.threshold) for word in words)


# -- a diff ------------------------------------------------------------------------------------------------------------


def as_diff(text: MarkedText) -> str:
    """Return a unified diff from the text as given to the fixed one, whose lines end where `patch` ends them."""
    old, new = (io.StringIO(written, newline="\n").readlines() for written in (text.given or "", text.text))
    name = diff_name(text.name)
    lines = unified_diff(old, new, name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def diff_name(name: str) -> str:
    """Return a file's name for a diff: relative, as `patch` wants it, and ended by a tab if it has blanks."""
    path, here = Path(name), Path.cwd()
    relative = str(path.relative_to(here)) if path.is_relative_to(here) else name
    return f"{relative}\t" if " " in relative else relative


# -- all of them -------------------------------------------------------------------------------------------------------

FORMATS = {
    "plain": Format(lambda text: "", plain_lines, "", ""),
    "github": Format(lambda text: "", github_commands, "", ""),
    # The parameters of `textDocument/publishDiagnostics`.
    "lsp": in_json(lambda text: {"uri": uri(text), "diagnostics": []}, lambda text: map(diagnostic, places(text))),
    "json": in_json(heading, lambda text: records(text, text.words)),
    "marked-json": in_json(heading, lambda text: records(text, text.marked)),
    "diff": Format(lambda text: "", lambda text: [as_diff(text)], "", ""),
}
