"""The result of detection: a word with its probability and suggestions."""

from __future__ import annotations

from typing import Any, NamedTuple

REMOVE = "(remove)"  # how readers see the suggestion ""


class Word(NamedTuple):
    """A word with its replacement probability and suggestions; `text[start:end]` of the given text is the word."""

    text: str
    start: int  # offsets in code points, as Python counts
    end: int
    replaced: float  # probability that it was replaced, in [0, 1]
    suggestions: tuple[str, ...]  # best first, "" to remove the word; only for marked words
    exempt: bool = False  # a number, a symbol, code, a rare name or another language: never marked
    certainty: float = 0.0  # probability that the first suggestion was meant, of all that may stand there

    def is_marked(self, threshold: float) -> bool:
        """Return whether the word is marked at this threshold."""
        return self.replaced >= threshold and not self.exempt

    def moved(self, by: int) -> Word:
        """Return the word with offsets that count from `by` characters before."""
        return self._replace(start=self.start + by, end=self.end + by)

    def as_record(self, threshold: float) -> dict[str, Any]:
        """Return what JSON says of the word."""
        rounded = {"replaced": round(self.replaced, 4), "certainty": round(self.certainty, 4)}
        return self._asdict() | rounded | {"marked": self.is_marked(threshold)}

    def shown_suggestions(self) -> list[str]:
        """Return the suggestions as people read them."""
        return [suggestion or REMOVE for suggestion in self.suggestions]
