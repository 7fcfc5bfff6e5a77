"""Find the columns of text and label: the user's choice, or the first with a common name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from electra.config.nearest import did_you_mean, nearest


class Columns(NamedTuple):
    """The columns a task reads."""

    text: str
    text2: str | None
    label: str | None

    def __str__(self) -> str:
        named = {"text": self.text, "second text": self.text2, "label": self.label}
        return ", ".join(f"{role} in {name!r}" for role, name in named.items() if name is not None)


def find_column(
    found: Sequence[str],
    role: str,
    names: Sequence[str],
    named: Mapping[str, str],
    source: str,
    optional: bool = False,
    taken: str | None = None,
) -> str | None:
    """Return the column of `role`: the one the user named, or the first of `names` that exists and is not `taken`.

    Raises:
        ValueError: there is no such column; lists the columns and proposes the closest.
    """
    if role in named:
        if named[role] in found:
            return named[role]
        raise ValueError(f"{source} has no column {named[role]!r}{listed(found, role, [named[role]])}")
    lower = {name.lower().strip(): name for name in reversed(found) if name != taken}
    column = next((lower[name.lower()] for name in names if name.lower() in lower), None)
    if column is None and not optional:
        raise ValueError(f"{source} has no {role} column ({', '.join(names)}){listed(found, role, names)}")
    return column


def listed(found: Sequence[str], role: str, wanted: Sequence[str]) -> str:
    """List the columns, and propose the flag with the likeliest: a similar name, or the only one left."""
    if len(found) == 1 and (separator := next((s for s in ";\t|" if s in found[0]), "")):
        return f"; its only column is {found[0]!r}: separate columns by commas, not {separator!r}, or name it .tsv"
    free = [name for name in found if is_free(name, role)]
    near = next(filter(None, (nearest(name, free) for name in wanted)), None)
    example = near or next(iter(free), "NAME")
    example = repr(example) if " " in example else example
    hint, columns = did_you_mean(near) or ";", ", ".join(map(repr, found))
    return f"{hint} its columns are {columns}: name it, as in --{role}-column {example}"


def is_free(column: str, role: str) -> bool:
    """Return whether a column is not plainly one of another role, or a number of rows."""
    common = {"text": {"text", "sentence", "text1", "sentence1"}, "text2": {"text2", "sentence2"},
              "label": {"label", "labels", "tags", "score", "target"}, "": {"id", "idx", "index", "guid"}}  # fmt: skip
    return not any(column.lower().strip() in names for other, names in common.items() if other != role)
