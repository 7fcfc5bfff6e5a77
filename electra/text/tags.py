"""Tags of words that say where entities begin and go on: BIO, BIOES, IOB1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def spans_are_tagged(labels: Iterable[str]) -> bool:
    """Whether the tags say where entities begin and continue."""
    entity = [label for label in labels if label != "O"]
    return bool(entity) and all(label[:2] in ("B-", "I-", "E-", "S-", "L-", "U-") for label in entity)


def begun(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags in which every entity begins with B- (or is S-), BILOU turned into BIOES, IOB1 into BIO."""
    if not spans_are_tagged(tags):
        return tuple(tags)
    result: list[str] = []
    for tag in tags:
        tag = {"L-": "E-", "U-": "S-"}.get(tag[:2], tag[:2]) + tag[2:]
        before = result[-1] if result else "O"
        goes_on = before[:2] in ("B-", "I-") and before[2:] == tag[2:]
        result.append("B-" + tag[2:] if tag[:2] == "I-" and not goes_on else tag)
    return tuple(result)


def entities(tags: Sequence[str], words: Sequence[str]) -> list[dict[str, Any]]:
    """The entities that tags spell, read as conlleval does: type, first word, last word + 1, text."""
    found: list[tuple[str, int, int]] = []
    for number, tag in enumerate(tags):
        place, kind = tag[:1], tag[2:]
        before = tags[number - 1] if number else "O"
        if tag == "O":
            continue
        if place in "BS" or before[2:] != kind or before[:1] in "OES":
            found.append((kind, number, number))
        found[-1] = (found[-1][0], found[-1][1], number + 1)
    return [
        {"type": kind, "start": first, "end": end, "text": " ".join(words[first:end])} for kind, first, end in found
    ]
