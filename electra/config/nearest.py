"""Names that a user probably meant, for messages about those that do not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SIMILAR = 0.6  # as difflib measures it, its own default


def nearest(name: str, known: Iterable[str], similarity: float = SIMILAR) -> str | None:
    """Return the known name that is most like `name`, or None if none is similar."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=similarity)), None)


def did_you_mean(name: str | None) -> str:
    """Return the end of a message that proposes a name; nothing for None."""
    return f"; did you mean {name!r}?" if name else ""
