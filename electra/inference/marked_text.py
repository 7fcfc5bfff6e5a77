"""A text with marked words: in Python, in a notebook and as HTML."""

from __future__ import annotations

from collections.abc import Container, Iterable
from html import escape
from typing import NamedTuple

from electra.core.html import MARKS
from electra.inference.words import Word
from electra.text.unicode import utf16_length


class Words(list[Word]):
    """The words of a text in order, a list that also knows the text; a notebook shows it with its marks.

    text: as it was given; the words' offsets are in it. threshold: words at or above it are marked.
    """

    def __init__(self, words: Iterable[Word], text: str, threshold: float) -> None:
        super().__init__(words)
        self.text, self.threshold = text, threshold

    @property
    def marked(self) -> list[Word]:
        """The words that are marked: at or above the threshold, and not exempt."""
        return [word for word in self if word.is_marked(self.threshold)]

    def as_html(self, wrong: Container[int] = frozenset()) -> str:
        """Return the text as a paragraph; words that start at an offset in `wrong` are outlined."""
        return marked_html(self.text, self, self.threshold, wrong)

    def _repr_html_(self) -> str:
        """Return the text for a notebook, its words shaded by probability and underlined where they are marked."""
        return f'<style>.electra {{ {MARKS} }}</style><div class="electra">{self.as_html()}</div>'


class Position(NamedTuple):
    """A place in a file; lines and columns count from 0."""

    offset: int = 0
    line: int = 0
    column: int = 0
    utf16: int = 0  # column in UTF-16 units

    def after(self, text: str) -> Position:
        """Return the place behind a text that begins here."""
        lines = text.count("\n")
        last = text[text.rfind("\n") + 1 :]
        column, units = (0, 0) if lines else (self.column, self.utf16)
        return Position(self.offset + len(text), self.line + lines, column + len(last), units + utf16_length(last))


class MarkedText(NamedTuple):
    """A text, or a part of one, with its scored words."""

    name: str  # of the file
    text: str
    words: list[Word]  # offsets are in the part
    threshold: float  # words at or above it are marked
    given: str | None = None  # the text before it was fixed
    at: Position = Position()  # of the part in the file

    @property
    def marked(self) -> list[Word]:
        """The words that are marked."""
        return [word for word in self.words if word.is_marked(self.threshold)]


def marked_html(text: str, words: list[Word], threshold: float, wrong: Container[int] = frozenset()) -> str:
    """Return a paragraph with words shaded by probability, and outlined if they start at an offset in `wrong`."""
    parts, end = [], 0
    for word in words:
        parts.append(escape(text[end : word.start]))
        names = [n for n, yes in (("marked", word.is_marked(threshold)), ("wrong", word.start in wrong)) if yes]
        shown = f", suggestions: {', '.join(word.shown_suggestions())}" if word.suggestions else ""
        title = f"{word.replaced:.2f}{shown}"
        parts.append(
            f'<span class="{" ".join(names)}" style="--p:{word.replaced:.3f}" title="{escape(title)}">'
            f"{escape(word.text)}</span>"
        )
        end = word.end
    return f'<p class="text">{"".join(parts)}{escape(text[end:])}</p>'
