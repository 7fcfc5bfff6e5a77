"""Language tags, as in BCP 47: en, en-US, zh-Hant-TW."""

from __future__ import annotations

import re
from collections.abc import Sequence

TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def check_tags(tags: Sequence[str]) -> None:
    """Raise ValueError for a word that is no language tag."""
    for tag in tags:
        if not TAG.fullmatch(tag):
            raise ValueError(f"languages: {tag!r} is not a language tag; write it like en, en-US or zh-Hant-TW")


def look_up(asked: str, served: Sequence[str]) -> str | None:
    """Return the served tag that fits best, or None.

    As in RFC 4647, section 3.4, the case does not matter and the tag asked for is cut from its end until one fits. A
    more special tag fits too, as users of en-AU are served by en-US.
    """
    parts = asked.lower().replace("_", "-").split("-")
    while parts and parts != [""]:
        wanted = "-".join(parts)
        for tag in sorted(served, key=lambda tag: tag.lower() != wanted):  # an equal one first
            if (tag.lower() + "-").startswith(wanted + "-"):
                return tag
        parts.pop()
        if parts and len(parts[-1]) == 1:  # what a single letter introduces is gone
            parts.pop()
    return None
