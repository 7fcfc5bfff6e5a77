"""Entity tags of words: BIO, BIOES, IOB1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def spans_are_tagged(labels: Iterable[str]) -> bool:
    """Return whether the tags mark entities in one of these schemes."""
    entity = [label for label in labels if label != "O"]
    return bool(entity) and all(label[:2] in ("B-", "I-", "E-", "S-", "L-", "U-") for label in entity)


def begun(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags with a B- or S- at the beginning of every entity: IOB1 becomes BIO, BILOU becomes BIOES."""
    if not spans_are_tagged(tags):
        return tuple(tags)
    result: list[str] = []
    for tag in tags:
        tag = {"L-": "E-", "U-": "S-"}.get(tag[:2], tag[:2]) + tag[2:]
        before = result[-1] if result else "O"
        goes_on = before[:2] in ("B-", "I-") and before[2:] == tag[2:]
        result.append("B-" + tag[2:] if tag[:2] == "I-" and not goes_on else tag)
    return tuple(result)


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities (type, first word, last word + 1) that conlleval finds in the tags."""
    found: list[tuple[str, int, int]] = []
    for number, tag in enumerate(tags):
        place, kind = tag[:1], tag[2:]
        before = tags[number - 1] if number else "O"
        if tag == "O":
            continue
        if place in "BS" or before[2:] != kind or before[:1] in "OES":
            found.append((kind, number, number))
        found[-1] = (found[-1][0], found[-1][1], number + 1)
    return found
