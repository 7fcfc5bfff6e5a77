"""Errors in one JSON form, which never repeats anything the client sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from electra.core.errors import WrongInput
from electra.server.batching import Expired, Overloaded
from electra.server.schemas import Problem

TYPES = {
    400: "bad_request", 401: "unauthorized", 404: "not_found", 405: "method_not_allowed", 413: "too_large",
    415: "unsupported_media_type", 422: "invalid_input", 429: "overloaded", 499: "client_closed", 500: "internal",
    503: "unavailable", 504: "deadline_exceeded",
}  # fmt: skip
MESSAGES = {
    404: "no such address; GET / is the page, GET /docs lists the routes",
    405: "this address does not support that method",
    413: "the request is too large; GET /info lists the limits",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 404, 413, 415, 422, 429, 503, 504)
}


def error_bytes(code: int, message: str) -> bytes:
    """Encode an error as JSON."""
    return json.dumps({"error": message, "error_type": TYPES.get(code, "error"), "code": code}).encode()


def error_response(code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as a response."""
    return Response(error_bytes(code, message), code, headers, "application/json")


def overloaded_response(error: Overloaded) -> Response:
    """Return a 429 with the time to retry after."""
    seconds = str(int(error.seconds + 0.999))
    return error_response(429, "the server is busy; try again after Retry-After seconds", {"retry-after": seconds})


def add_error_handlers(app: FastAPI) -> None:
    """Give every error of an app the one form."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, MESSAGES.get(error.status_code, str(error.detail)), error.headers)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return error_response(400, "the body is not valid JSON")
    if first["loc"] == ("body",) and not is_json(request):
        return error_response(415, "send the body as application/json")
    return error_response(422, describe(first))


async def on_wrong_input(_: Request, error: Exception) -> Response:
    assert isinstance(error, WrongInput)
    return error_response(422, f"an input has the wrong form for this model; give {error.needed}")


async def on_overload(_: Request, error: Exception) -> Response:
    assert isinstance(error, Overloaded)
    return overloaded_response(error)


async def on_expiry(_: Request, error: Exception) -> Response:
    return error_response(504, "the deadline passed before the model could answer; send less, or retry later")


HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    HTTPException: on_http_error,
    RequestValidationError: on_invalid_request,
    WrongInput: on_wrong_input,
    Overloaded: on_overload,
    Expired: on_expiry,
}


def is_json(request: Request) -> bool:
    """Return whether the client declares its body as JSON."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


def describe(error: Mapping[str, Any]) -> str:
    """Describe where and how an input is wrong, without repeating names that the client chose."""
    if error["type"] == "extra_forbidden":
        return "the body has an unknown field; GET /docs lists the fields"
    where = ".".join(str(part) for part in error["loc"][1:] if isinstance(part, int) or part.isidentifier())
    return f"{where or 'body'}: {error['msg']}"
