"""ASGI middleware around all routes: authentication, admission control, security headers, metrics, error handling."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Collection, Iterable
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from electra.core.log import logger
from electra.server.batching import Batcher, Overloaded
from electra.server.errors import body_too_large, error_response, overloaded_response
from electra.server.key import Key
from electra.server.metrics import Metrics

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class ResponseMiddleware:
    """Add security headers, answer an unexpected error with 500, and count each response."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self.app, self.metrics, self.paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, code = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            code = 499
        except asyncio.CancelledError:  # the server was told to stop, and this request took longer than it may
            if not code:
                refusal = error_response(scope["path"], 503, "the server is stopping; ask again when it is back")
                await refusal(scope, receive, send_with_headers)
        except Exception as error:
            if not code:  # the framework ends some requests with an error after it has answered them
                logger.warning(f"500: {origin(error)}")  # message and traceback may hold a client's text
                refusal = error_response(scope["path"], 500, "internal error; the server's log has the cause")
                await refusal(scope, receive, send_with_headers)
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            self.metrics.count_request(path, code or 500, time.perf_counter() - start)


class AdmissionMiddleware:
    """Refuse a request without reading its body: no key (401), body too large (413), queue full (429)."""

    def __init__(
        self, app: ASGIApp, batcher: Batcher, key: Key, max_body: int, model_paths: Collection[str],
        open_paths: Collection[str],
    ) -> None:  # fmt: skip
        self.app, self.batcher, self.key, self.max_body = app, batcher, key, max_body
        self.model_paths, self.open_paths = model_paths, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self.refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def refusal(self, scope: Scope) -> Response | None:
        """Return the response to a request that is refused, None for one that is admitted."""
        path, headers = scope["path"], scope["headers"]
        if scope["method"] != "OPTIONS" and path not in self.open_paths and not self.key.is_in(headers):
            message, scheme = "send the key as 'Authorization: Bearer KEY'", {"www-authenticate": "Bearer"}
            return error_response(path, 401, message, scheme)
        if is_too_large(headers, self.max_body):
            return error_response(path, 413, body_too_large(self.max_body))
        if path in self.model_paths and scope["method"] in ("GET", "POST"):
            try:
                self.batcher.admit()
            except Overloaded as error:
                return overloaded_response(path, error)
        return None


def is_too_large(headers: Iterable[tuple[bytes, bytes]], max_body: int) -> bool:
    """Return whether content-length exceeds the limit; FastAPI cuts off a chunked body, which declares no length."""
    size = dict(headers).get(b"content-length", b"")
    return size.isdigit() and int(size[:20]) > max_body


def origin(error: BaseException) -> str:
    """Name an error's class and the line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
