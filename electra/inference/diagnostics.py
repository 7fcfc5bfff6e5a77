"""The marked words of a text as editors, continuous integration and people read them: by line and column."""

from __future__ import annotations

import io
import json
from bisect import bisect_right
from collections.abc import Iterator
from difflib import unified_diff
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from electra.inference.marked_text import MarkedText
from electra.inference.words import Word

WARNING = 2  # the severity in the Language Server Protocol


class Place(NamedTuple):
    """A marked word in its line; line and column count from 0."""

    word: Word
    line: int
    column: int
    before: str  # of the line

    def message(self) -> str:
        """Say what is wrong."""
        others = ", ".join(self.word.shown_suggestions())
        return f"{self.word.text!r} looks wrong" + (f": {others}" if others else "")


def places(text: MarkedText) -> Iterator[Place]:
    """Yield the marked words of a text."""
    starts = [0, *accumulate(len(line) + 1 for line in text.text.split("\n"))]
    for word in text.words:
        if word.is_marked(text.threshold):
            line = bisect_right(starts, word.start) - 1
            yield Place(word, line, word.start - starts[line], text.text[starts[line] : word.start])


def as_plain(text: MarkedText) -> str:
    """Return a line for each marked word: file:line:column: message, as compilers write."""
    return "\n".join(f"{text.name}:{p.line + 1}:{p.column + 1}: {p.message()}" for p in places(text))


def as_github(text: MarkedText) -> str:
    """Return a workflow command for each marked word, which GitHub shows beside the line."""
    return "\n".join(
        f"::warning file={escaped(text.name, ',:')},line={p.line + 1},col={p.column + 1},"
        f"endColumn={p.column + 1 + len(p.word.text)},title=electra::{escaped(p.message())}"
        for p in places(text)
    )


def escaped(written: str, signs: str = "") -> str:
    """Escape what ends a workflow command, or one of its properties."""
    for sign in "%\r\n" + signs:
        written = written.replace(sign, f"%{ord(sign):02X}")
    return written


def as_lsp(text: MarkedText) -> str:
    """Return the parameters of `textDocument/publishDiagnostics` of the Language Server Protocol, as a line of JSON."""
    uri = text.name if text.name == "-" else Path(text.name).resolve().as_uri()
    return json.dumps({"uri": uri, "diagnostics": [diagnostic(p) for p in places(text)]}, ensure_ascii=False)


def diagnostic(place: Place) -> dict[str, Any]:
    """Return a Diagnostic, whose columns count UTF-16 units."""
    first = utf16(place.before)
    ends = first, first + utf16(place.word.text)
    start, end = ({"line": place.line, "character": character} for character in ends)
    return {
        "range": {"start": start, "end": end},
        "severity": WARNING,
        "source": "electra",
        "message": place.message(),
        "data": {"suggestions": list(place.word.suggestions), "probability": round(place.word.replaced, 4)},
    }


def utf16(written: str) -> int:
    """Return the length of a text in UTF-16 units."""
    return len(written.encode("utf-16-le", "surrogatepass")) // 2


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
