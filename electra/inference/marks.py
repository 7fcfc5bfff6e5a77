"""Show: words with their marks as JSON, in a terminal, in a page that needs nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from electra.core.html import escape

if TYPE_CHECKING:
    from electra.inference.detector import Word


class MarkedText(NamedTuple):
    """A text and what a model thinks of its words."""

    name: str  # of the file
    text: str
    words: list[Word]
    threshold: float  # words at or above it are marked


def as_json(text: MarkedText) -> str:
    """Return a line of JSON for a text."""
    words = [
        word._asdict() | {"replaced": round(word.replaced, 4), "marked": word.is_marked(text.threshold)}
        for word in text.words
    ]
    return json.dumps({"file": text.name, "threshold": text.threshold, "words": words}, ensure_ascii=False)


def marked_html(text: str, words: list[Word], threshold: float, wrong: frozenset[int] = frozenset()) -> str:
    """The text as a paragraph, each word shaded by its probability; words whose start is in `wrong` are outlined."""
    parts, end = [], 0
    for word in words:
        parts.append(escape(text[end : word.start]))
        names = [n for n, yes in (("marked", word.is_marked(threshold)), ("wrong", word.start in wrong)) if yes]
        title = f"{word.replaced:.2f}" + (f", rather: {', '.join(word.suggestions)}" if word.suggestions else "")
        parts.append(
            f'<span class="{" ".join(names)}" style="--p:{word.replaced:.3f}" title="{escape(title)}">'
            f"{escape(word.text)}</span>"
        )
        end = word.end
    return f'<p class="text">{"".join(parts)}{escape(text[end:])}</p>'
