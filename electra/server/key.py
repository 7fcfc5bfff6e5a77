"""The key that clients must send."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

SCHEME = b"bearer "


class Key:
    """A server's key; an empty one fits whatever is sent."""

    def __init__(self, key: str) -> None:
        self.key = key.encode()

    def fits(self, sent: bytes) -> bool:
        """Return whether this is the key, in a time that does not depend on it."""
        return not self.key or hmac.compare_digest(sent, self.key)

    def is_in(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Return whether a request's headers hold the key; the scheme may be written in any case (RFC 9110, 11.1)."""
        sent = dict(headers).get(b"authorization", b"")
        return self.fits(sent[len(SCHEME) :].strip() if sent[: len(SCHEME)].lower() == SCHEME else sent)
