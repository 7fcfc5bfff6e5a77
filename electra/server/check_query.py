"""What a client of LanguageTool's API asks: the form of /v2/check and its annotated text.

Its offsets are UTF-16 units, as in Java and JavaScript; the other routes use code points.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import parse_qs

from electra.config.languages import look_up
from electra.text.unicode import require_valid

RULE, CATEGORY = "ELECTRA_REPLACED", "GRAMMAR"  # of our marks
MAX_FIELDS = 40


class CheckQuery(NamedTuple):
    """A text to check, and the position of its characters in the client's original."""

    text: str
    offsets: list[int]  # UTF-16 offset of each character, and of the end
    language: str
    is_enabled: bool  # whether the client wants our rule


def parse_form(*parts: bytes) -> dict[str, str]:
    """Return the fields of urlencoded forms; the last of equal names counts. Raise ValueError if one is not valid."""
    form = b"&".join(filter(None, parts))
    try:
        fields = parse_qs(form.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise ValueError(f"the form is not valid: UTF-8, urlencoded, at most {MAX_FIELDS} fields") from None
    return {name: values[-1] for name, values in fields.items()}


def parse_query(fields: Mapping[str, str], languages: Sequence[str]) -> CheckQuery:
    """Read the fields of a form; raise ValueError with a message for the client."""
    if ("text" in fields) == ("data" in fields):
        raise ValueError("give either text or data")
    language = wanted_language(fields, languages)
    pieces = [(fields["text"], fields["text"])] if "text" in fields else parse_data(fields["data"])
    text, offsets = join_pieces(pieces)
    return CheckQuery(text, offsets, language, wants_rule(fields))


def wanted_language(fields: Mapping[str, str], languages: Sequence[str]) -> str:
    """Return the served language that a form means: of `auto` the first of preferredVariants, or the server's first."""
    wanted = fields.get("language", "auto")
    if wanted.lower() == "auto":
        preferred = (look_up(tag, languages) for tag in entries(fields, "preferredVariants"))
        return next(filter(None, preferred), languages[0])
    if (found := look_up(wanted, languages)) is None:
        raise ValueError("this language is not served; GET /v2/languages lists the languages")
    return found


def wants_rule(fields: Mapping[str, str]) -> bool:
    """Return whether a form leaves our rule enabled; raise ValueError if it enables nothing at all."""
    if RULE in entries(fields, "disabledRules") or CATEGORY in entries(fields, "disabledCategories"):
        return False
    if fields.get("enabledOnly", "").lower() not in ("true", "yes"):
        return True
    rules, categories = entries(fields, "enabledRules"), entries(fields, "enabledCategories")
    if not rules and not categories:
        raise ValueError("enabledOnly needs enabledRules or enabledCategories")
    return RULE in rules or CATEGORY in categories


def entries(fields: Mapping[str, str], name: str) -> list[str]:
    """Return the entries of a list, separated by commas and blanks."""
    return fields.get(name, "").replace(",", " ").split()


def parse_data(data: str) -> list[tuple[str, str]]:
    """Return the pieces of annotated text, each as the model reads it and as the client has it."""
    try:
        content = json.loads(data)
        return [annotation_piece(part) for part in ([content] if "text" in content else content["annotation"])]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError(
            'data must be {"text": ...} or {"annotation": [{"text": ...} or {"markup": ...}, ...]}'
        ) from None


def annotation_piece(part: Mapping[str, object]) -> tuple[str, str]:
    """Return one piece of annotated text as the model reads it and as the client has it."""
    given = {name: value for name, value in part.items() if value is not None}  # some clients write what they lack
    texts = {name: require_valid(value) for name, value in given.items() if isinstance(value, str)}
    if len(texts) < len(given):
        raise TypeError("a number, list or object where a text belongs")
    if "text" in texts:
        return texts["text"], texts["text"]
    return texts.get("interpretAs", ""), texts["markup"]


def join_pieces(pieces: Sequence[tuple[str, str]]) -> tuple[str, list[int]]:
    """Join what the model reads; map each of its characters, and the end, to the original's UTF-16 offset."""
    text, offsets, start = [], [], 0
    for read, original in pieces:
        units = list(accumulate((1 + (c > "\uffff") for c in original), initial=start))
        offsets += units[:-1] if read is original else [start] * len(read)
        text.append(read)
        start = units[-1]
    return "".join(text), [*offsets, start]
