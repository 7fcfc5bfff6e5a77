"""Tell a text in another language from one in the language of a dictionary."""

from __future__ import annotations

from collections.abc import Sequence

from electra.text.dictionary import Dictionary

FEWEST = 8  # words by which a text is judged
LEAST = 0.15  # share of unknown words
LARGE = 5000  # words of a dictionary that knows its language


def is_foreign(words: Sequence[str], dictionary: Dictionary) -> bool | None:
    """Return whether more of a text's words are unknown than are among the commonest; None if it is too short to tell.

    Half the words of running text are among the 200 commonest of its language, and one in fifty is unknown; of a text
    in another language these are one in fifty, and a third or more. A table of names is foreign too.
    """
    read = [word.lower() for word in words if word.isalpha()]
    if len(read) < FEWEST or len(dictionary.words) < LARGE:
        return None
    unknown = sum(word not in dictionary.levels for word in read)
    return unknown >= LEAST * len(read) and unknown > sum(word in dictionary.commonest for word in read)
