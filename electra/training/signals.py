"""Signals while something runs that must end in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    """SIGTERM and Ctrl-C go to `handler`; outside the main thread whoever owns that handles them."""
    try:
        before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
