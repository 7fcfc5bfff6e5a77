"""The HTTP protocol with timeouts and limits: uvicorn itself never closes a slow connection."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from electra.server.error_forms import write_error

HEADER_BYTES = 16_384


class TimeoutProtocol(HttpToolsProtocol):
    """HTTP with a timeout for each phase of a request, a limit on its head and on the number of connections."""

    idle_seconds = 5.0  # before a request begins
    receive_seconds = 10.0  # from its first byte to its last
    answer_seconds = 60.0  # until the client has read the answer
    max_connections = 2048

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timer: asyncio.TimerHandle | None = None
        self.deadline = 0.0
        self.head_bytes = 0
        self.in_head = False

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
            return  # it will check again, which is cheaper than a new timer for each phase of each request
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
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.set_timeout(self.receive_seconds if self.cycle.response_complete else self.answer_seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.set_timeout(self.receive_seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP, or a head of more than 16 KB, with the server's JSON error instead of uvicorn's text."""
        content = write_error("", 400, "the request is not valid HTTP, or its head is too long").content
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + content)
        self.transport.close()
