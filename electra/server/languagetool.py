"""LanguageTool's form of questions and answers, so that its editors and plug-ins show our marks.

Offsets are UTF-16 units here, as in Java and JavaScript; elsewhere they are code points.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from electra import __version__
from electra.server.schemas import whole

RULE = "ELECTRA_REPLACED"
CONTEXT = 40  # characters shown on either side of a mark
MAX_FIELDS = 40
NAMES = {"en": "English", "en-US": "English (US)", "en-GB": "English (GB)", "de": "German", "de-DE": "German (Germany)",
         "fr": "French", "es": "Spanish", "zh": "Chinese", "zh-CN": "Chinese"}  # fmt: skip


class Question(NamedTuple):
    """A text to check, and where its characters stand in what the client sees."""

    text: str
    places: list[int]  # UTF-16 offset of each character, and of the end
    language: str
    is_wanted: bool  # our rule is not switched off


def parse_question(form: bytes, languages: Sequence[str]) -> Question:
    """Read a form; ValueError says what is missing."""
    try:
        fields = parse_qs(form.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise ValueError("the form is not valid: UTF-8, urlencoded, at most 40 fields") from None
    said = {name: values[-1] for name, values in fields.items()}
    if ("text" in said) == ("data" in said):
        raise ValueError("give either text or data")
    language = said.get("language", "auto")
    if language not in (*languages, "auto"):
        raise ValueError("this language is not served; GET /v2/languages lists those that are")
    pieces = [(said["text"], said["text"])] if "text" in said else annotated(said["data"])
    rules = said.get("disabledRules", "").split(",")
    enabled = said.get("enabledRules", "").split(",")
    only_others = said.get("enabledOnly") == "true" and RULE not in enabled
    text, places = joined(pieces)
    return Question(
        text, places, languages[0] if language == "auto" else language, RULE not in rules and not only_others
    )


def annotated(data: str) -> list[tuple[str, str]]:
    """The pieces of annotated text: what is read, what the client has there."""
    try:
        pieces = [
            (whole(str(part["text"])),) * 2
            if "text" in part
            else (whole(str(part.get("interpretAs", ""))), whole(str(part["markup"])))
            for part in json.loads(data)["annotation"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError('data must be {"annotation": [{"text": ...} or {"markup": ...}, ...]}') from None
    return pieces


def joined(pieces: Sequence[tuple[str, str]]) -> tuple[str, list[int]]:
    """The text to read, and for each of its characters the UTF-16 offset of its original."""
    text, places, start = [], [], 0
    for read, original in pieces:
        offsets = list(accumulate((1 + (c > "\uffff") for c in original), initial=start))
        places += offsets[:-1] if read is original else [start] * len(read)
        text.append(read)
        start = offsets[-1]
    return "".join(text), [*places, start]


def check_answer(question: Question, words: Sequence[Mapping[str, Any]], languages: Sequence[str]) -> dict[str, Any]:
    """The answer to /v2/check."""
    marked = [word for word in words if word["marked"]] if question.is_wanted else []
    language = language_entry(question.language)
    return {
        "software": {"name": "electra", "version": __version__, "apiVersion": 1, "premium": False, "status": ""},
        "warnings": {"incompleteResults": False},
        "language": {
            "name": language["name"],
            "code": language["longCode"],
            "detectedLanguage": {"name": language["name"], "code": language["longCode"], "confidence": 1.0},
        },
        "matches": [match(question, word) for word in marked],
    }


def match(question: Question, word: Mapping[str, Any]) -> dict[str, Any]:
    """One mark."""
    text, start, end = question.text, word["start"], word["end"]
    left, right = max(0, start - CONTEXT), min(len(text), end + CONTEXT)
    context = text[left:right].replace("\n", " ")
    return {
        "message": f"This word looks wrong here (probability {word['replaced']:.2f}).",
        "shortMessage": "Looks wrong",
        "replacements": [{"value": suggestion} for suggestion in word["suggestions"]],
        "offset": question.places[start],
        "length": question.places[end - 1] + units(text[end - 1]) - question.places[start],
        "context": {"text": context, "offset": units(text[left:start]), "length": units(text[start:end])},
        "sentence": context,
        "type": {"typeName": "Other"},
        "rule": {
            "id": RULE,
            "description": "A word that the model does not expect here",
            "issueType": "grammar",
            "category": {"id": "GRAMMAR", "name": "Grammar"},
        },
        "ignoreForIncompleteSentence": True,
        "contextForSureMatch": -1,
    }


def units(text: str) -> int:
    """Its length in UTF-16."""
    return len(text.encode("utf-16-le")) // 2


def language_entry(code: str) -> dict[str, str]:
    """A language as /v2/languages lists it."""
    return {"name": NAMES.get(code, code), "code": code.split("-")[0], "longCode": code}
