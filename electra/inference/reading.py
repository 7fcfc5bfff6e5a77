"""The paragraphs of texts that are read together, and what is remembered of a document from one to the next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from electra.inference.candidates import Neighbourhood
from electra.inference.suggestions import Suggested
from electra.inference.words import Word
from electra.text.dictionary import Dictionary
from electra.text.foreign import COMMON, COMMON_WITHIN, is_foreign
from electra.text.paragraphs import paragraphs
from electra.text.unicode import require_valid


class Paragraph(NamedTuple):
    """A paragraph of one of several texts."""

    number: int  # of the text
    start: int  # in the text
    text: str


class Reading:
    """What is remembered while the texts of one document are read.

    suggestions: those for words between the same neighbours. words, foreign: how many were read, and how many of them
    were exempt as those of another language.
    """

    def __init__(self) -> None:
        self.suggestions: dict[Neighbourhood, Suggested] = {}
        self.words = self.foreign = 0


def paragraphs_of(number: int, text: str) -> list[Paragraph]:
    """Return the paragraphs of a text that are not blank; ValueError if it cannot be encoded as UTF-8."""
    require_valid(text)
    return [Paragraph(number, a, text[a:b]) for a, b in paragraphs(text) if not text[a:b].isspace()]


def exempt_foreign(
    parts: Sequence[Paragraph], found: list[list[Word]], dictionary: Dictionary, reading: Reading | None
) -> None:
    """Exempt the words of paragraphs in another language; a short one is in that of its text or document."""
    texts = [0 if reading else part.number for part in parts]
    of_text = defaultdict[int, list[str]](list)
    for text, words in zip(texts, found, strict=True):
        of_text[text] += [word.text for word in words]
    around = {text: is_foreign(words, dictionary) for text, words in of_text.items()}
    for n, (text, words) in enumerate(zip(texts, found, strict=True)):
        own = is_foreign([word.text for word in words], dictionary, COMMON_WITHIN if around[text] else COMMON)
        if around[text] if own is None else own:
            found[n] = [word._replace(exempt=True) for word in words]
            if reading:
                reading.foreign += len(words)
    if reading:
        reading.words += sum(map(len, found))
