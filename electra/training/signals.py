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


def end_by(number: int) -> None:
    """End this process as the signal does where nothing handles it: exit code 130 or 143 in a shell."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


@contextmanager
def ctrl_c_blocked() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach; for this one it waits until the block has ended."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
