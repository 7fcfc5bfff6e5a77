"""Load shedding: answer 429 from a request's head, before an ASGI task exists for it."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection

from electra.server.batching import Batcher, Overloaded
from electra.server.errors import overloaded_response
from electra.server.metrics import Metrics
from electra.server.middleware import SECURITY_HEADERS, has_key, is_too_large


class LoadShedder:
    """Map method, URL and headers of a request to the headers and body of a 429, or to None for the application.

    Under overload most requests are refused, and each costs the model's CPU time: this path skips the ASGI task and
    its messages.
    """

    def __init__(
        self, batcher: Batcher, metrics: Metrics, key: str, max_body: int, model_paths: Collection[str]
    ) -> None:
        self.batcher, self.metrics, self.key, self.max_body = batcher, metrics, key.encode(), max_body
        self.model_paths = {path.encode(): path for path in model_paths}

    def __call__(self, method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]) -> bytes | None:
        """Return None too if the answer is 401 or 413, or needs CORS headers."""
        path = url.partition(b"?")[0]
        if method != b"POST" or path not in self.model_paths:
            return None
        try:
            self.batcher.admit()
        except Overloaded as error:
            sent = dict(headers)
            if b"origin" in sent or not has_key(sent, self.key) or is_too_large(sent, self.max_body):
                return None
            self.metrics.count_request(self.model_paths[path], 429, 0.0)
            return encode_429(math.ceil(error.seconds))
        return None


@functools.cache
def encode_429(seconds: int) -> bytes:
    """Return the response as sent, without its status line."""
    response = overloaded_response(Overloaded(seconds))
    lines = [name + b": " + value for name, value in response.raw_headers]
    lines += [f"{name}: {value}".encode() for name, value in SECURITY_HEADERS.items()]
    return b"\r\n".join([*lines, b"", bytes(response.body)])
