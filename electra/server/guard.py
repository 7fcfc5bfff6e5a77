"""What stands before every route: the key, the full queue, security headers, and the last word on errors."""

from __future__ import annotations

import functools
import hmac
import math
import time
import traceback
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from electra.core.log import logger
from electra.server.batching import Batcher, Overloaded
from electra.server.errors import MESSAGES, error_response, too_many
from electra.server.metrics import Metrics

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Turnstile:
    """Refuses work while the queue is full: method, url and headers -> the headers and body of a 429, or None."""

    def __init__(self, batcher: Batcher, metrics: Metrics, key: str, max_body: int, working: Collection[str]) -> None:
        self.batcher, self.metrics, self.key, self.max_body = batcher, metrics, key.encode(), max_body
        self.working = {path.encode(): path for path in working}

    def __call__(self, method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]) -> bytes | None:
        """None for what is let in, and for what deserves another answer than 429, or one with headers of its own."""
        path = url.partition(b"?")[0]
        if method != b"POST" or path not in self.working:
            return None
        try:
            self.batcher.admit()
        except Overloaded as error:
            sent = dict(headers)
            if b"origin" in sent or not has_key(sent, self.key) or too_long(sent, self.max_body):
                return None
            self.metrics.answered(self.working[path], 429, 0.0)
            return busy(math.ceil(error.seconds))
        return None


@functools.cache
def busy(seconds: int) -> bytes:
    """A 429 as it goes over the wire, without its first line."""
    response = too_many(Overloaded(seconds))
    lines = [name + b": " + value for name, value in response.raw_headers]
    lines += [f"{name}: {value}".encode() for name, value in HEADERS.items()]
    return b"\r\n".join([*lines, b"", bytes(response.body)])


class Guard:
    """The outermost layer: it reads no body, so that refusing costs next to nothing."""

    def __init__(
        self, app: ASGIApp, batcher: Batcher, metrics: Metrics, key: str, max_body: int, routes: Collection[str],
        working: Collection[str], public: Collection[str],
    ) -> None:  # fmt: skip
        self.app, self.batcher, self.metrics, self.key = app, batcher, metrics, key.encode()
        self.max_body = max_body
        self.routes, self.working, self.public = routes, working, public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, code = time.perf_counter(), 500

        async def send_on(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            if scope["path"] in self.working:
                await self.batcher.rounds.turn()
            await (self.refusal(scope) or self.app)(scope, receive, send_on)
        except ClientDisconnect:
            code = 499
        except Exception as error:
            if code == 500:  # else it was answered: the framework ends some requests by an error
                logger.warning(f"500: {origin(error)}")  # neither message nor traceback: they may hold a client's text
                await error_response(500, "the server failed on this; its log says where")(scope, receive, send_on)
        finally:
            route = scope["path"] if scope["path"] in self.routes else "other"
            self.metrics.answered(route, code, time.perf_counter() - start)

    def refusal(self, scope: Scope) -> Any:
        """A response, where the request is not to be read at all."""
        known = scope["path"] in self.public or has_key(dict(scope["headers"]), self.key)
        if not known and scope["method"] != "OPTIONS":
            return error_response(401, "send the key as 'Authorization: Bearer KEY'", {"www-authenticate": "Bearer"})
        if too_long(dict(scope["headers"]), self.max_body):
            return error_response(413, MESSAGES[413])
        if scope["path"] in self.working and scope["method"] == "POST":
            try:
                self.batcher.admit()
            except Overloaded as error:
                return too_many(error)
        return None


def has_key(headers: Mapping[bytes, bytes], key: bytes) -> bool:
    """Whether a request carries the key, where one is asked for."""
    sent = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
    return not key or hmac.compare_digest(sent, key)


def too_long(headers: Mapping[bytes, bytes], max_body: int) -> bool:
    """Whether a body is said to be too long; what comes in chunks is cut while it comes, by FastAPI."""
    size = headers.get(b"content-length", b"")
    return size.isdigit() and int(size[:20]) > max_body


def origin(error: BaseException) -> str:
    """An error's kind, and where it arose."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
