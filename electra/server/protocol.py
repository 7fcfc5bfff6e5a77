"""The HTTP protocol with timeouts and limits: uvicorn itself never closes a slow connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from electra.server.errors import error_bytes

HEADER_BYTES = 16_384


class TimeoutProtocol(HttpToolsProtocol):
    """HTTP with a timeout for each phase of a request, a limit on its head and on the number of connections.

    `shed` may refuse a request as soon as its head is read, before uvicorn creates a task for it.
    """

    idle_seconds = 5.0  # before a request begins
    receive_seconds = 10.0  # from its first byte to its last
    answer_seconds = 60.0  # until the client has read the answer
    max_connections = 2048
    # method, URL, headers -> headers and body of a 429, or None to admit the request
    shed: Callable[[bytes, bytes, list[tuple[bytes, bytes]]], bytes | None] = staticmethod(lambda *head: None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timer: asyncio.TimerHandle | None = None
        self.deadline = 0.0
        self.head_bytes = 0
        self.in_head = self.was_shed = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio sets it only on sockets that name their protocol; without it a body waits 40 ms behind its head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > self.max_connections:
            transport.abort()
        else:
            self.set_timeout(self.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer:
            self.timer.cancel()
        super().connection_lost(exc)

    def set_timeout(self, seconds: float) -> None:
        """Abort the connection in `seconds` unless the timeout is set again before."""
        self.deadline = self.loop.time() + seconds
        if self.timer and self.timer.when() <= self.deadline:
            return  # it will check again: a new timer for each phase of each request costs more than a refusal
        if self.timer:
            self.timer.cancel()
        self.timer = self.loop.call_at(self.deadline, self.check_timeout)

    def check_timeout(self) -> None:
        """Abort the connection if its deadline has passed, or check again then."""
        if self.loop.time() >= self.deadline:
            self.transport.abort()
        else:
            self.timer = self.loop.call_at(self.deadline, self.check_timeout)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.in_head and not self.transport.is_closing():
            self.head_bytes += len(data)
            if self.head_bytes > HEADER_BYTES:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head, self.head_bytes = True, 0
        self.set_timeout(self.receive_seconds)

    def on_headers_complete(self) -> None:
        self.in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEADER_BYTES:
            raise ValueError("the head is too long")  # uvicorn answers 400
        answer = self.shed(self.parser.get_method(), self.url, self.headers) if self.can_shed() else None
        self.was_shed = answer is not None
        if answer is None:
            super().on_headers_complete()
        elif self.flow.write_paused:  # the client keeps sending and reads no answer
            self.transport.abort()
        else:
            default = b"".join(name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers)
            self.transport.write(b"HTTP/1.1 429 Too Many Requests\r\n" + default + answer)

    def can_shed(self) -> bool:
        """Whether an answer may be written now: no earlier one is pending, and the connection is kept alive."""
        pending = self.cycle is not None and not self.cycle.response_complete
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        return not pending and not self.expect_100_continue and bool(keep_alive)

    def on_body(self, body: bytes) -> None:
        if not self.was_shed:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.was_shed:
            self.set_timeout(self.idle_seconds)
            return
        super().on_message_complete()
        self.set_timeout(self.receive_seconds if self.cycle.response_complete else self.answer_seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.set_timeout(self.receive_seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP, or a head of more than 16 KB, with the server's JSON error instead of uvicorn's text."""
        content = error_bytes(400, "the request is not valid HTTP, or its head is too long")
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + content)
        self.transport.close()
