"""Connections that cannot wait for ever: uvicorn itself closes no slow one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from electra.server.errors import error_bytes

HEADER_BYTES = 16_384


class PatientProtocol(HttpToolsProtocol):
    """HTTP with a time for each part of a request, a limit on its head, and on the number of connections.

    What would only wait is refused as soon as its head is read, before a task and messages are made for it: refusing
    should take as little as it can from those who are served.
    """

    idle_seconds = 5.0  # before a request begins
    receive_seconds = 10.0  # from its first byte to its last
    answer_seconds = 60.0  # until the client has read the answer
    max_connections = 2048
    # method, url, headers -> where it is refused, the headers and body of a 429
    refusal: Callable[[bytes, bytes, list[tuple[bytes, bytes]]], bytes | None] = staticmethod(lambda *head: None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.alarm: asyncio.TimerHandle | None = None
        self.deadline = 0.0
        self.head_bytes = 0
        self.in_head = self.refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does so only where a socket names its protocol; else an answer's body waits 40 ms behind its head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > self.max_connections:
            transport.abort()
        else:
            self.allow(self.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.alarm:
            self.alarm.cancel()
        super().connection_lost(exc)

    def allow(self, seconds: float) -> None:
        """Cut the connection unless something comes of it within `seconds`."""
        self.deadline = self.loop.time() + seconds
        if self.alarm and self.alarm.when() <= self.deadline:
            return  # it will look again: setting a timer for each part of each request costs more than the refusal
        if self.alarm:
            self.alarm.cancel()
        self.alarm = self.loop.call_at(self.deadline, self.look)

    def look(self) -> None:
        """Cut the connection if its time is over."""
        if self.loop.time() >= self.deadline:
            self.transport.abort()
        else:
            self.alarm = self.loop.call_at(self.deadline, self.look)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.in_head and not self.transport.is_closing():
            self.head_bytes += len(data)
            if self.head_bytes > HEADER_BYTES:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head, self.head_bytes = True, 0
        self.allow(self.receive_seconds)

    def on_headers_complete(self) -> None:
        self.in_head = False
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEADER_BYTES:
            raise ValueError("the head is too long")  # uvicorn answers 400
        answer = self.refusal(self.parser.get_method(), self.url, self.headers) if self.may_refuse() else None
        self.refused = answer is not None
        if answer is None:
            super().on_headers_complete()
        elif self.flow.write_paused:  # a client that asks on and on and reads no answer
            self.transport.abort()
        else:
            usual = b"".join(name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers)
            self.transport.write(b"HTTP/1.1 429 Too Many Requests\r\n" + usual + answer)

    def may_refuse(self) -> bool:
        """Whether an answer could be written at once: none is under way, and the connection stays."""
        under_way = self.cycle is not None and not self.cycle.response_complete
        stays = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        return not under_way and not self.expect_100_continue and bool(stays)

    def on_body(self, body: bytes) -> None:
        if not self.refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.refused:
            self.allow(self.idle_seconds)
            return
        super().on_message_complete()
        self.allow(self.receive_seconds if self.cycle.response_complete else self.answer_seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.allow(self.receive_seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has a head of more than 16 KB, in the one form of errors."""
        content = error_bytes(400, "the request is not valid HTTP, or its head is too long")
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + content)
        self.transport.close()
