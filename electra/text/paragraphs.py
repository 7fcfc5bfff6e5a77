"""Cut a text of any length into paragraphs, and a stream of text into blocks, where a reader would pause."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from electra.text.sentences import LINE_END, PARAGRAPH_END, SENTENCE_END

LONGEST = 1 << 12  # characters of a paragraph that is read whole
BLOCK = 1 << 14  # characters that are read at once; a batch of most models
PAUSES = (PARAGRAPH_END, SENTENCE_END, re.compile(LINE_END), re.compile(r"\s+"))  # the best first


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the paragraphs of a text, with the blank lines after each; long ones in parts."""
    start = 0
    for end in [*(found.end() for found in PARAGRAPH_END.finditer(text)), len(text)]:
        while end - start > LONGEST:
            pause = start + last_pause(text[start : start + LONGEST])
            yield start, pause
            start = pause
        if start < end:
            yield start, end
        start = end


def blocks(pieces: Iterable[str]) -> Iterator[str]:
    """Yield a text, which comes in any pieces, in blocks that end at a pause; all together are the text."""
    held = ""
    for piece in pieces:
        held, start = held + piece, 0
        while len(held) - start > BLOCK:
            end = start + last_pause(held[start : start + BLOCK])
            yield held[start:end]
            start = end
        held = held[start:]
    if held:
        yield held


def last_pause(text: str) -> int:
    """Return the end of the last paragraph in a text; of the last sentence, line or word if there is none.

    A pause at the very end is none: what follows may belong to it. A text without any is cut at its end.
    """
    for pause in PAUSES:
        ends = [found.end() for found in pause.finditer(text) if found.end() < len(text)]
        if ends:
            return ends[-1]
    return len(text)
