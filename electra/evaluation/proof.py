"""A proof: a text with known mistakes, as a detector marks it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from electra.inference.detector import Detector
from electra.inference.marked_text import Words
from electra.inference.words import Word
from electra.text.errors.probes import Planted

# Written for the demo, in the manner of Python's documentation; a mistake stands between asterisks.
DOCUMENTATION = (
    "If the file does not *exists*, an exception is *risen*. The function returns a *dictoinary* with the names of all "
    "modules that *where* loaded. When *teh* second argument is left out, the value of *the the* first one is used "
    "instead. It should not be called *form* more *then* one thread, because the result *are* stored in an *atribute* "
    "of the object."
)
Span = tuple[int, int]  # offsets in code points


class Proof(NamedTuple):
    """The words of a text as a detector scored them, and the spans of its mistakes in order."""

    reader: str  # who read it
    words: Words
    mistakes: list[Span]

    def found(self) -> list[str]:
        """Return the mistakes in which a word is marked."""
        return [self.words.text[slice(*span)] for span in self.mistakes if self.has_mark(span)]

    def missed(self) -> list[str]:
        """Return the mistakes in which no word is marked."""
        return [self.words.text[slice(*span)] for span in self.mistakes if not self.has_mark(span)]

    def has_mark(self, span: Span) -> bool:
        """Return whether a word in a span is marked."""
        return any(is_in(word, span) for word in self.words.marked)

    def false_marks(self) -> list[str]:
        """Return the words that are marked and right."""
        return [word.text for word in self.words.marked if not any(is_in(word, span) for span in self.mistakes)]


def is_in(word: Word, span: Span) -> bool:
    """Return whether a word begins in a span."""
    return span[0] <= word.start < span[1]


def read(reader: str, model: Detector, text: str, mistakes: list[Span]) -> Proof:
    """Let a model mark a text."""
    return Proof(reader, model.detect(text), mistakes)


def documentation() -> tuple[str, list[Span]]:
    """Return the text of this file and the spans of its mistakes."""
    return joined(DOCUMENTATION.split("*"), [number % 2 == 1 for number in range(DOCUMENTATION.count("*") + 1)], "")


def planted_text(texts: Iterable[Planted]) -> tuple[str, list[Span]]:
    """Return texts with planted errors as lines of one text, and the spans of the wrong words."""
    lines, mistakes = list[str](), list[Span]()
    for text in texts:
        offset = sum(len(line) + 1 for line in lines)
        line, spans = joined(text.words, text.is_wrong, " ")
        lines.append(line)
        mistakes += [(start + offset, end + offset) for start, end in spans]
    return "\n".join(lines), mistakes


def joined(parts: Sequence[str], is_wrong: Sequence[bool], between: str) -> tuple[str, list[Span]]:
    """Return parts as one text, and the spans of the wrong ones."""
    ends = accumulate(len(part) + len(between) for part in parts)
    return between.join(parts), [(end - len(part) - len(between), end - len(between))
                                 for part, wrong, end in zip(parts, is_wrong, ends, strict=True) if wrong]  # fmt: skip
