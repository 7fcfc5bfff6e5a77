"""LanguageTool's API, so that its editors and plug-ins show our marks.

Its offsets are UTF-16 units, as in Java and JavaScript; the other routes use code points.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from electra import __version__
from electra.config.languages import look_up
from electra.server.errors import ERRORS
from electra.server.json_bodies import json_response
from electra.server.schemas import reject_lone_surrogate
from electra.server.service import Service

FORM = "application/x-www-form-urlencoded"
FIELDS = ("text", "data", "language", "disabledRules", "enabledRules")
FORM_SCHEMA = {"type": "object", "properties": {name: {"type": "string"} for name in FIELDS}}
BODY_SCHEMA = {"requestBody": {"required": True, "content": {FORM: {"schema": FORM_SCHEMA}}}}
RULE = "ELECTRA_REPLACED"
CONTEXT = 40  # characters shown on either side of a mark
SUGGESTIONS = 5
MAX_FIELDS = 40
NAMES = {"en": "English", "en-US": "English (US)", "en-GB": "English (GB)", "de": "German", "de-DE": "German (Germany)",
         "fr": "French", "es": "Spanish", "zh": "Chinese", "zh-CN": "Chinese"}  # fmt: skip


def add_languagetool_routes(app: FastAPI, service: Service) -> None:
    """Add /v2/check and /v2/languages."""
    languages, limit = service.config.languages, service.config.max_body_bytes

    @app.post(
        "/v2/check", response_model=dict[str, Any], responses=ERRORS, openapi_extra=BODY_SCHEMA, max_body_size=limit
    )
    async def check(request: Request) -> Any:
        """Mark words as LanguageTool does; offsets are UTF-16 units."""
        query = await read_query(request, languages)
        items = [(query.text, service.threshold, SUGGESTIONS)]
        (words,) = await service.infer(request, "detect", items, [query.text])
        return json_response(check_answer(query, words))

    @app.get("/v2/languages", response_model=list[dict[str, str]])
    async def list_languages() -> Any:
        """List the languages that clients may name."""
        return json_response([language_entry(code) for code in languages])


class CheckQuery(NamedTuple):
    """A text to check, and the position of its characters in the client's original."""

    text: str
    offsets: list[int]  # UTF-16 offset of each character, and of the end
    language: str
    is_enabled: bool  # whether the client wants our rule


async def read_query(request: Request, languages: Sequence[str]) -> CheckQuery:
    """Read the form of a /v2/check request; raise HTTPException if it is not valid."""
    if request.headers.get("content-type", FORM).split(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"send the fields as {FORM}")
    form = await request.body()
    try:
        return parse_query(form or request.scope["query_string"], languages)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None


def parse_query(form: bytes, languages: Sequence[str]) -> CheckQuery:
    """Parse a form; raise ValueError with a message for the client."""
    fields = parse_form(form)
    if ("text" in fields) == ("data" in fields):
        raise ValueError("give either text or data")
    asked = fields.get("language", "auto")
    language = languages[0] if asked == "auto" else look_up(asked, languages)
    if language is None:
        raise ValueError("this language is not served; GET /v2/languages lists the languages")
    pieces = [(fields["text"], fields["text"])] if "text" in fields else parse_annotation(fields["data"])
    text, offsets = join_pieces(pieces)
    return CheckQuery(text, offsets, language, wants_rule(fields))


def parse_form(form: bytes) -> dict[str, str]:
    """Return the fields of an urlencoded form; the last of equal names counts."""
    try:
        fields = parse_qs(form.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise ValueError(f"the form is not valid: UTF-8, urlencoded, at most {MAX_FIELDS} fields") from None
    return {name: values[-1] for name, values in fields.items()}


def wants_rule(fields: Mapping[str, str]) -> bool:
    """Return whether a form leaves our rule enabled."""
    only_others = fields.get("enabledOnly") == "true" and RULE not in fields.get("enabledRules", "").split(",")
    return RULE not in fields.get("disabledRules", "").split(",") and not only_others


def parse_annotation(data: str) -> list[tuple[str, str]]:
    """Return the pieces of annotated text, each as the model reads it and as the client has it."""
    try:
        return [annotation_piece(part) for part in json.loads(data)["annotation"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError('data must be {"annotation": [{"text": ...} or {"markup": ...}, ...]}') from None


def annotation_piece(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return one piece of annotated text as the model reads it and as the client has it."""
    if "text" in part:
        text = reject_lone_surrogate(str(part["text"]))
        return text, text
    return reject_lone_surrogate(str(part.get("interpretAs", ""))), reject_lone_surrogate(str(part["markup"]))


def join_pieces(pieces: Sequence[tuple[str, str]]) -> tuple[str, list[int]]:
    """Join what the model reads; map each of its characters, and the end, to the original's UTF-16 offset."""
    text, offsets, start = [], [], 0
    for read, original in pieces:
        units = list(accumulate((1 + (c > "\uffff") for c in original), initial=start))
        offsets += units[:-1] if read is original else [start] * len(read)
        text.append(read)
        start = units[-1]
    return "".join(text), [*offsets, start]


def check_answer(query: CheckQuery, words: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the answer of /v2/check."""
    marked = [word for word in words if word["marked"]] if query.is_enabled else []
    language = language_entry(query.language)
    return {
        "software": {"name": "electra", "version": __version__, "apiVersion": 1, "premium": False, "status": ""},
        "warnings": {"incompleteResults": False},
        "language": {
            "name": language["name"],
            "code": language["longCode"],
            "detectedLanguage": {"name": language["name"], "code": language["longCode"], "confidence": 1.0},
        },
        "matches": [match(query, word) for word in marked],
    }


def match(query: CheckQuery, word: Mapping[str, Any]) -> dict[str, Any]:
    """Return a marked word as LanguageTool's match."""
    text, start, end = query.text, word["start"], word["end"]
    left, right = max(0, start - CONTEXT), min(len(text), end + CONTEXT)
    context = text[left:right].replace("\n", " ")
    return {
        "message": f"This word looks wrong here (probability {word['replaced']:.2f}).",
        "shortMessage": "Looks wrong",
        "replacements": [{"value": suggestion} for suggestion in word["suggestions"]],
        "offset": query.offsets[start],
        "length": query.offsets[end - 1] + utf16_length(text[end - 1]) - query.offsets[start],
        "context": {"text": context, "offset": utf16_length(text[left:start]), "length": utf16_length(text[start:end])},
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


def utf16_length(text: str) -> int:
    """Return a text's length in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def language_entry(code: str) -> dict[str, str]:
    """Return a language as /v2/languages lists it."""
    return {"name": NAMES.get(code, code), "code": code.split("-")[0], "longCode": code}
