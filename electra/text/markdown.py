"""The prose of a Markdown document: its paragraphs, headings, list items and table cells, without code and markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from markdown_it.token import Token

SUFFIXES = (".md", ".markdown")
INDENTED = re.compile(r"^[ \t]+", re.MULTILINE)  # a tab of which a list took a part has become spaces
FRONT_MATTER = re.compile(r"---\n.*?^(?:---|\.\.\.)$", re.DOTALL | re.MULTILINE)

# How text stands in a document, by the type of its token; text_special is an entity or an escaped sign.
WRITTEN: dict[str, Callable[[Token], str]] = {
    "text": lambda token: token.content,
    "code_inline": lambda token: token.content,
    "text_special": lambda token: token.markup,
}


class Passage(NamedTuple):
    """A piece of prose, in which markup has become spaces.

    at: the offset in the document of each character. code: the spans of code, which is read but not judged.
    """

    text: str
    at: Sequence[int]
    code: tuple[tuple[int, int], ...] = ()


def passages_of(document: str) -> Iterator[Passage]:
    """Yield the passages of prose in a Markdown document (CommonMark with tables), in order."""
    from markdown_it import MarkdownIt

    document = document.replace("\0", "\ufffd")  # as the parser does
    front = FRONT_MATTER.match(document)
    if front:  # blank, so that offsets stay
        document = re.sub(r"[^\n]", " ", front.group()) + document[front.end() :]
    starts = [0, *accumulate(len(line) + 1 for line in document.split("\n"))]
    end = 0
    # Entities and escapes stay apart from the text around them, so that the text can be found again.
    for block in MarkdownIt("commonmark").enable("table").disable("text_join").parse(document):
        if block.type == "inline" and block.map and block.children:
            content = INDENTED.sub("", block.content)
            first = block.map[0]
            at = places(document, content, starts[first : first + content.count("\n") + 1], end)
            yield prose(content, block.children, at)
            end = at[-1] + 1


def places(document: str, content: str, starts: Sequence[int], end: int) -> list[int]:
    """Return the offset in the document of each character of a block's content, which has lost its margins.

    starts: of the block's lines. end: of the block before, which may be in the same line of a table.
    """
    found = list[int]()
    for line, start in zip(content.split("\n"), starts, strict=False):
        begin = max(start, end)
        stop = document.find("\n", begin)  # a later row of a table may have the same words
        exact = document.find(line, begin, stop if stop >= 0 else len(document))
        if exact >= 0:
            found += range(exact, exact + len(line))
        else:  # a table's \| has become |
            for character in line:
                begin = document.index(character, begin)
                found.append(begin)
                begin += 1
        found.append(found[-1] + 1 if found else begin)  # the end of the line
    return found[:-1]


def prose(content: str, children: Sequence[Token], at: list[int]) -> Passage:
    """Return a block's content with spaces for markup."""
    shown, code, cursor = [" "] * len(content), list[tuple[int, int]](), 0
    for child in children:
        written = WRITTEN.get(child.type, lambda _: "")(child)
        found = content.find(written, cursor) if written else -1
        if found >= 0:
            cursor = found + len(written)
            shown[found:cursor] = child.content.ljust(len(written))[: len(written)]
            if child.type == "code_inline":
                code.append((found, cursor))
    return Passage("".join(shown), at, tuple(code))
