"""LanguageTool's API, so that its editors and plug-ins show our marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from electra import __version__
from electra.server.check_query import CATEGORY, RULE, CheckQuery, parse_form, parse_query
from electra.server.errors import ERRORS
from electra.server.json_bodies import json_response
from electra.server.key import Key
from electra.server.languages import language_entry
from electra.server.service import Service
from electra.text.sentences import sentence_around, sentence_starts
from electra.text.unicode import utf16_length

FORM = "application/x-www-form-urlencoded"
FIELDS = {
    "text": "the text; either this or data",
    "data": 'the text with its markup, as JSON: {"text": ...} or {"annotation": [{"text": ...}, {"markup": ...}, ...]}',
    "language": "a language that is served, or auto, the default",
    "preferredVariants": "what auto may mean, the first that is served",
    "disabledRules": "nothing is marked if this holds the rule of our marks",
    "enabledRules": "with enabledOnly: marks if this holds our rule",
    "disabledCategories": "nothing is marked if this holds the category of our marks",
    "enabledCategories": "with enabledOnly: marks if this holds our category",
    "enabledOnly": "true or yes: only what is named as enabled",
    "username": "not read",
    "apiKey": "the server's key, unless it is in the header Authorization",
}
TEXT = {"type": "string"}
FORM_SCHEMA = {"type": "object", "properties": {name: TEXT | {"description": use} for name, use in FIELDS.items()}}
BODY_SCHEMA = {"requestBody": {"required": True, "content": {FORM: {"schema": FORM_SCHEMA}}}}
QUERY_SCHEMA = {
    "parameters": [{"name": name, "in": "query", "schema": TEXT, "description": use} for name, use in FIELDS.items()]
}
CONTEXT = 40  # characters shown on either side of a mark
LONGEST_SENTENCE = 500  # characters; of a longer one, which each of its marks would repeat, the context alone is sent
SUGGESTIONS = 5
PUBLIC = ("/v2/languages", "/v2/maxtextlength", "/v2/info", "/v2/healthcheck")  # clients ask them without a key
SOFTWARE = {"name": "electra", "version": __version__, "apiVersion": 1, "premium": False, "status": ""}


def add_languagetool_routes(app: FastAPI, service: Service, key: Key) -> None:
    """Add /v2/check and what clients ask of the server itself."""

    async def check(request: Request) -> Any:
        """Mark words as LanguageTool does; offsets are UTF-16 units."""
        query = await read_query(request, service.config.languages, key)
        items = [(query.text, service.threshold, SUGGESTIONS, service.config.max_suggested)]
        (words,) = await service.infer(request, "detect", items, [query.text])
        return json_response(check_answer(query, words, service.config.max_suggested))

    for method, schema in (("POST", BODY_SCHEMA), ("GET", QUERY_SCHEMA)):
        app.add_api_route(
            "/v2/check", check, methods=[method], response_model=dict[str, Any], responses=ERRORS,
            openapi_extra=schema, max_body_size=service.config.max_body_bytes, operation_id=f"check_{method.lower()}",
        )  # fmt: skip

    @app.get("/v2/languages", response_model=list[dict[str, str]])
    async def list_languages() -> Any:
        """List the languages that clients may name; regions of them are understood too."""
        return json_response([language_entry(code) for code in service.config.languages])

    @app.get("/v2/maxtextlength")
    async def longest_text() -> Response:
        """The number of characters that a text may have."""
        return plain(str(service.config.max_text_chars))

    @app.get("/v2/info")
    async def software() -> dict[str, Any]:
        """Name and version of this server."""
        return {"software": SOFTWARE}

    @app.get("/v2/healthcheck")
    async def healthcheck() -> Response:
        """Liveness and readiness in one."""
        if not (service.ready and service.batcher.healthy):
            raise HTTPException(503, "not ready")
        return plain("OK")


def plain(text: str) -> Response:
    """Return a plain text as a response."""
    return Response(text, media_type="text/plain; charset=utf-8")


async def read_query(request: Request, languages: Sequence[str], key: Key) -> CheckQuery:
    """Read a /v2/check request; raise HTTPException if it is not valid.

    The key may be in its fields, as LanguageTool's clients send it, together with a user's name, of which we have none.
    """
    body = await request.body()
    if body and request.headers.get("content-type", FORM).split(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"send the fields as {FORM}")
    try:
        fields = parse_form(request.scope["query_string"], body)
        if not (key.is_in(request.scope["headers"]) or key.fits(fields.get("apiKey", "").encode())):
            raise HTTPException(401, "send the key as apiKey, or as 'Authorization: Bearer KEY'")
        return parse_query(fields, languages)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None


def check_answer(query: CheckQuery, words: Sequence[Mapping[str, Any]], most: int) -> dict[str, Any]:
    """Return the answer of /v2/check; most: marked words that get suggestions."""
    marked = [word for word in words if word["marked"]] if query.is_enabled else []
    starts = sentence_starts(query.text)
    language = language_entry(query.language)
    return {
        "software": SOFTWARE,
        "warnings": {"incompleteResults": len(marked) > most},
        "language": {
            "name": language["name"],
            "code": language["longCode"],
            "detectedLanguage": {"name": language["name"], "code": language["longCode"], "confidence": 1.0},
        },
        "matches": [match(query, word, sentence_around(query.text, starts, word["start"])) for word in marked],
    }


def match(query: CheckQuery, word: Mapping[str, Any], sentence: str) -> dict[str, Any]:
    """Return a marked word as LanguageTool's match."""
    text, start, end = query.text, word["start"], word["end"]
    left, right = max(0, start - CONTEXT), min(len(text), end + CONTEXT)
    before, after = "..." if left else "", "..." if right < len(text) else ""
    return {
        "message": f"This word looks wrong here (probability {word['replaced']:.2f}).",
        "shortMessage": "Looks wrong",
        "replacements": [{"value": suggestion} for suggestion in word["suggestions"]],
        "offset": query.offsets[start],
        "length": query.offsets[end - 1] + utf16_length(text[end - 1]) - query.offsets[start],
        "context": {
            "text": (before + text[left:right] + after).replace("\n", " "),
            "offset": utf16_length(before + text[left:start]),
            "length": utf16_length(text[start:end]),
        },
        "sentence": sentence if len(sentence) <= LONGEST_SENTENCE else text[left:right],
        "type": {"typeName": "Other"},
        "rule": {
            "id": RULE,
            "description": "A word that the model does not expect here",
            "issueType": "grammar",
            "category": {"id": CATEGORY, "name": "Grammar"},
        },
        "ignoreForIncompleteSentence": True,
        "contextForSureMatch": -1,
    }
