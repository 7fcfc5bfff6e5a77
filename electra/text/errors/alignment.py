"""Find the wrong words of a text by comparing it with its correction."""

from __future__ import annotations

from difflib import SequenceMatcher

from electra.text.errors.tagged import RIGHT, WRONG, Tagged, Token, split_words


def aligned(wrong: str, corrected: str) -> Tagged:
    """Return the text with its changed words tagged as wrong, and so the word after one that the correction adds.

    A word added at the very end has none after it and leaves no trace.
    """
    spans, theirs = split_words(wrong), split_words(corrected)
    words, others = [wrong[a:b] for a, b in spans], [corrected[a:b] for a, b in theirs]
    tags = [RIGHT] * len(words)
    for change, first, end, _, _ in SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
        if change == "equal":
            continue
        for at in range(first, min(max(end, first + 1), len(words))):  # an added word has no place of its own
            tags[at] = WRONG
    return Tagged(wrong, tuple(Token(a, b, tag) for (a, b), tag in zip(spans, tags, strict=True)))
