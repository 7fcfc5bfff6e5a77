"""Tell a text in another language from one in the language of a dictionary."""

from __future__ import annotations

from collections.abc import Sequence

from electra.text.dictionary import Dictionary

FEWEST = 8  # words by which a text is judged
UNKNOWN = 0.15  # least share of unknown words in a text of another language
COMMON = 1 / 6  # and the share that fewer of its words have among the commonest
COMMON_WITHIN = 0.3  # the same of a paragraph whose document is in another language
LARGE = 5000  # words of a dictionary that knows its language


def is_foreign(words: Sequence[str], dictionary: Dictionary, common: float = COMMON) -> bool | None:
    """Return whether many of a text's words are unknown and few among the commonest; None if it is too short to tell.

    Half the words of running text are among the 200 commonest of its language, and one in fifty is unknown. In another
    language a third or more are unknown. So they are in text full of misspellings, which must be judged; but there the
    commonest words, the short ones, are mostly right. A table of names is foreign too.
    """
    read = [word.lower() for word in words if word.isalpha()]
    if len(read) < FEWEST or len(dictionary.words) < LARGE:
        return None
    unknown = sum(word not in dictionary.levels for word in read)
    commonest = sum(word in dictionary.commonest for word in read)
    return unknown >= UNKNOWN * len(read) and commonest < common * len(read)
