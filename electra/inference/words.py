"""The result of detection: a word with its probability and suggestions."""

from __future__ import annotations

from typing import NamedTuple

REMOVE = "(remove)"  # how readers see the suggestion ""


class Word(NamedTuple):
    """A word with its replacement probability and suggestions; `text[start:end]` of the given text is the word."""

    text: str
    start: int  # offsets in code points, as Python counts
    end: int
    replaced: float  # probability that it was replaced, in [0, 1]
    suggestions: tuple[str, ...]  # best first, "" to remove the word; only for marked words
    exempt: bool = False  # a number, a symbol, code or a rare name: never marked

    def is_marked(self, threshold: float) -> bool:
        """Return whether the word is marked at this threshold."""
        return self.replaced >= threshold and not self.exempt

    def shown_suggestions(self) -> list[str]:
        """Return the suggestions as people read them."""
        return [suggestion or REMOVE for suggestion in self.suggestions]
