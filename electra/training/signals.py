"""Handle SIGTERM and Ctrl-C so that a run can shut down cleanly."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Let `handler` handle SIGTERM and Ctrl-C; outside the main thread, where Python forbids it, change nothing."""
    try:
        before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
