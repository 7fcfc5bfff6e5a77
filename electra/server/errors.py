"""Errors as responses, which never repeat anything the client sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from electra.core.errors import Unanswerable, WrongInput
from electra.server.batching import Expired, Overloaded
from electra.server.error_forms import write_error
from electra.server.schemas import Problem

MESSAGES = {
    404: "no such address; GET / is the page, GET /docs lists the routes",
    405: "this address does not support that method",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 413, 415, 422, 429, 503, 504)
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


class TooLong(HTTPException):
    """Texts beyond a limit of the server."""

    def __init__(self, what: str, limit: int, name: str) -> None:
        super().__init__(413, f"{what} may have at most {limit:,} characters here ({name}); send less at a time")


def body_too_large(limit: int) -> str:
    """Return what is said of a body beyond the limit of the server."""
    return f"a request may have at most {limit:,} bytes here (max_body_bytes); send less at a time"


def error_response(
    path: str, code: int, message: str, headers: Mapping[str, str] | None = None, param: str | None = None
) -> Response:
    """Return an error as a response, in the form of its address."""
    written = write_error(path, code, message, param)
    return Response(written.content, written.status, headers, written.media_type)


def overloaded_response(path: str, error: Overloaded) -> Response:
    """Return a 429 with the time to retry after."""
    seconds = str(int(error.seconds + 0.999))
    return error_response(
        path, 429, "the server is busy; try again after Retry-After seconds", {"retry-after": seconds}
    )


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of an app in the form of its address."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = MESSAGES.get(error.status_code, str(error.detail))
    if error.status_code == 413 and not isinstance(error, TooLong):  # FastAPI's, of a body without a stated length
        message = body_too_large(request.app.state.service.config.max_body_bytes)
    return error_response(request.url.path, error.status_code, message, error.headers)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first, path = error.errors()[0], request.url.path
    if first["type"] == "json_invalid":
        return error_response(path, 400, "the body is not valid JSON")
    if first["loc"] == ("body",) and not is_json(request):
        return error_response(path, 415, "send the body as application/json")
    return error_response(path, 422, describe(first), param=field_of(first))


async def on_wrong_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, WrongInput)
    return error_response(request.url.path, 422, f"an input has the wrong form for this model; give {error.needed}")


async def on_unanswerable(request: Request, error: Exception) -> Response:
    return error_response(request.url.path, 422, str(error), param="input")


async def on_overload(request: Request, error: Exception) -> Response:
    assert isinstance(error, Overloaded)
    return overloaded_response(request.url.path, error)


async def on_expiry(request: Request, error: Exception) -> Response:
    message = "the deadline passed before the model could answer; send less, or retry later"
    return error_response(request.url.path, 504, message)


HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    HTTPException: on_http_error,
    RequestValidationError: on_invalid_request,
    WrongInput: on_wrong_input,
    Unanswerable: on_unanswerable,
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


def field_of(error: Mapping[str, Any]) -> str | None:
    """Return the field that is wrong, None if the client made up its name."""
    known = len(error["loc"]) > 1 and error["type"] != "extra_forbidden"
    return str(error["loc"][1]) if known else None
