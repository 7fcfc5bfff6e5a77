"""Errors in one form, which never repeats what the client sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from electra.core.errors import WrongInput
from electra.server.batching import Expired, Overloaded

TYPES = {
    400: "bad_request", 401: "unauthorized", 404: "not_found", 405: "method_not_allowed", 413: "too_large",
    415: "unsupported_media_type", 422: "invalid_input", 429: "overloaded", 499: "client_closed", 500: "internal",
    503: "unavailable", 504: "deadline_exceeded",
}  # fmt: skip
MESSAGES = {
    404: "there is nothing at this address; GET / is the page, GET /docs lists the routes",
    405: "this address does not answer that method",
    413: "the request is too large; GET /info states the limits",
}


def error_bytes(code: int, message: str) -> bytes:
    """The JSON of an error."""
    return json.dumps({"error": message, "error_type": TYPES.get(code, "error"), "code": code}).encode()


def error_response(code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as a response."""
    return Response(error_bytes(code, message), code, headers, "application/json")


def answer_errors(app: FastAPI) -> None:
    """Give every error of an app the one form."""

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = MESSAGES.get(error.status_code, str(error.detail))
        return error_response(error.status_code, message, error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return error_response(400, "the body is not valid JSON")
        if first["loc"] == ("body",) and not is_json(request):
            return error_response(415, "send the body as application/json")
        return error_response(422, described(first))

    async def overloaded(_: Request, error: Exception) -> Response:
        assert isinstance(error, Overloaded)
        return too_many(error)

    async def expired(_: Request, error: Exception) -> Response:
        return error_response(504, "the deadline passed before the model had time for this; send less, or later")

    async def unfit(_: Request, error: Exception) -> Response:
        assert isinstance(error, WrongInput)
        return error_response(422, f"an input is not what this model answers; give {error.needed}")

    app.add_exception_handler(WrongInput, unfit)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Overloaded, overloaded)
    app.add_exception_handler(Expired, expired)


def too_many(error: Overloaded) -> Response:
    """429, with when to come back."""
    seconds = str(int(error.seconds + 0.999))
    return error_response(429, "the server is busy; try again after Retry-After seconds", {"retry-after": seconds})


def is_json(request: Request) -> bool:
    """Whether the client says that it sends JSON."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


def described(error: Mapping[str, Any]) -> str:
    """Where the input is wrong and how. A name that the client made up is not repeated."""
    if error["type"] == "extra_forbidden":
        return "the body has a field that is not known here; GET /docs lists the fields"
    where = ".".join(str(part) for part in error["loc"][1:] if isinstance(part, int) or part.isidentifier())
    return f"{where or 'body'}: {error['msg']}"
