"""What stands before every route: the key, the full queue, security headers, and the last word on errors."""

from __future__ import annotations

import hmac
import time
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from electra.console import warn
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
            await (self.refusal(scope) or self.app)(scope, receive, send_on)
        except ClientDisconnect:
            code = 499
        except Exception as error:
            if code == 500:  # else it was answered: the framework ends some requests by an error
                warn(f"500: {origin(error)}")  # neither message nor traceback: they may hold a client's text
                await error_response(500, "the server failed on this; its log says where")(scope, receive, send_on)
        finally:
            route = scope["path"] if scope["path"] in self.routes else "other"
            self.metrics.answered(route, code, time.perf_counter() - start)

    def refusal(self, scope: Scope) -> Any:
        """A response, where the request is not to be read at all."""
        if scope["path"] not in self.public and not self.has_key(scope) and scope["method"] != "OPTIONS":
            return error_response(401, "send the key as 'Authorization: Bearer KEY'", {"www-authenticate": "Bearer"})
        size = dict(scope["headers"]).get(b"content-length", b"")
        if size.isdigit() and int(size[:20]) > self.max_body:  # what comes in chunks is cut while it comes, by FastAPI
            return error_response(413, MESSAGES[413])
        if scope["path"] in self.working and scope["method"] == "POST":
            try:
                self.batcher.admit()
            except Overloaded as error:
                return too_many(error)
        return None

    def has_key(self, scope: Scope) -> bool:
        """Whether the request carries the key, where one is asked for."""
        sent = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ")
        return not self.key or hmac.compare_digest(sent, self.key)


def origin(error: BaseException) -> str:
    """An error's kind, and where it arose."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
