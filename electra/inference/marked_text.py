"""A text with marked words, as JSON and as HTML."""

from __future__ import annotations

import json
from html import escape
from typing import NamedTuple

from electra.inference.words import Word


class MarkedText(NamedTuple):
    """A text with its scored words."""

    name: str  # of the file
    text: str
    words: list[Word]
    threshold: float  # words at or above it are marked


def as_json(text: MarkedText) -> str:
    """Return a text as a line of JSON."""
    words = [
        word._asdict() | {"replaced": round(word.replaced, 4), "marked": word.is_marked(text.threshold)}
        for word in text.words
    ]
    return json.dumps({"file": text.name, "threshold": text.threshold, "words": words}, ensure_ascii=False)


def marked_html(text: str, words: list[Word], threshold: float, wrong: frozenset[int] = frozenset()) -> str:
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
