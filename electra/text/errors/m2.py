"""The M2 format of corrected sentences, as ERRANT writes it (Bryant et al., 2017).

A sentence is a line `S words`, followed by lines `A first end|||type|||correction|||...|||annotator`; positions count
words from 0, and of several annotators the first is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from electra.text.errors.tagged import RIGHT

NO_EDIT = "noop"


def tags_of(words: Sequence[str], annotations: Sequence[str]) -> list[str]:
    """Return the tag of each word, given annotations without their A: c, or the type of the error.

    A type's first part is left out, so that R:VERB:TENSE becomes VERB:TENSE.

    Raises:
        ValueError: a line is not an annotation, or lies outside the sentence.
    """
    tags = [RIGHT] * len(words)
    annotator = ""
    for line in annotations:
        places, kind, *rest = line.split("|||")
        annotator = annotator or rest[-1]
        if kind == NO_EDIT or rest[-1] != annotator:
            continue
        first, end = map(int, places.split())
        if not 0 <= first <= end <= len(words):
            raise ValueError(f"the edit {first} to {end} lies outside its {len(words)} words")
        for at in range(first, min(max(end, first + 1), len(words))):  # a missing word is marked at the next
            tags[at] = kind.partition(":")[2] or kind
    return tags
