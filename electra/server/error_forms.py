"""The forms of errors: our own, LanguageTool's under /v2, OpenAI's under /v1. None repeats what the client sent."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

TYPES = {
    400: "bad_request", 401: "unauthorized", 404: "not_found", 405: "method_not_allowed", 413: "too_large",
    415: "unsupported_media_type", 422: "invalid_input", 429: "overloaded", 499: "client_closed", 500: "internal",
    503: "unavailable", 504: "deadline_exceeded",
}  # fmt: skip
OPENAI_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
OPENAI_CODES = {401: "invalid_api_key", 404: "not_found", 413: "request_too_large", 429: "rate_limit_exceeded"}


class WrittenError(NamedTuple):
    """An error as it is sent."""

    status: int
    content: bytes
    media_type: str


def write_error(path: str, status: int, message: str, param: str | None = None) -> WrittenError:
    """Write an error in the form that clients of an address read; param: the field that is wrong."""
    if path.startswith("/v2/"):
        return WrittenError(status, f"Error: {message}".encode(), "text/plain; charset=utf-8")
    content: dict[str, Any] = {"error": message, "error_type": TYPES.get(status, "error"), "code": status}
    if path.startswith("/v1/"):
        status = 400 if status == 422 else status  # OpenAI knows no 422
        kind = OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        content = {"error": {"message": message, "type": kind, "param": param, "code": OPENAI_CODES.get(status)}}
    return WrittenError(status, json.dumps(content).encode(), "application/json")
