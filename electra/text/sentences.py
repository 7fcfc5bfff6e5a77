"""Find the ends of sentences."""

from __future__ import annotations

import re
from bisect import bisect_right

SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*\s+(?=[\"'“‘(\[]?[^\W\d_a-z])|[。！？]+")
LINE_END = r"(?>\r\n?|\n)"
PARAGRAPH_END = re.compile(rf"{LINE_END}(?:[^\S\r\n]*{LINE_END})+|[\f\u2029]")


def sentence_starts(text: str) -> list[int]:
    """Return where each sentence of a text begins; the end of a paragraph is one too."""
    ends = {match.end() for pattern in (SENTENCE_END, PARAGRAPH_END) for match in pattern.finditer(text)}
    return sorted(ends | {0})


def sentence_around(text: str, starts: list[int], position: int) -> str:
    """Return the sentence that holds a position, without the space around it."""
    number = bisect_right(starts, position)
    return text[starts[number - 1] : starts[number] if number < len(starts) else len(text)].strip()
