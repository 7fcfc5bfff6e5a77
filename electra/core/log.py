"""Messages and progress, in the standard logger `electra`; it prints nothing until a handler is installed.

The command line installs one (cli/terminal.py); a program may call `logging.basicConfig(level="INFO")`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

SILENT, EVERY = 3.0, 0.5  # seconds before the first line of progress, and between two
T = TypeVar("T")

logger = logging.getLogger("electra")
logger.addHandler(logging.NullHandler())


@contextmanager
def only_progress() -> Iterator[None]:
    """Log only progress and warnings within the block, for a caller that itself says what is done."""

    def passes(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or hasattr(record, "progress_of")

    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)


def show_progress(task: str, fields: Mapping[str, str]) -> None:
    """Log `name value` pairs as progress of a task, which overwrites one line on a terminal."""
    logger.info(progress_line(fields), extra={"progress_of": task})


def progress_line(fields: Mapping[str, str]) -> str:
    """Return `name value` pairs as a line."""
    return "  ".join(f"{name} {value}".strip() for name, value in fields.items())


def one(item: object) -> int:
    """Count an item as one."""
    return 1


def tracked(items: Iterable[T], total: int, task: str, size: Callable[[T], int] = one) -> Iterator[T]:
    """Yield items, whose sizes add up to `total`, and log progress once they have taken SILENT seconds."""
    began = shown = time.monotonic()
    done = 0
    for item in items:
        yield item
        now = time.monotonic()
        done += size(item)
        if now - began > SILENT and now - shown > EVERY and 0 < done < total:
            shown, left = now, (now - began) / done * (total - done)
            show_progress(task, {task: f"{done:,} of {total:,}", "left": duration(left)})


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as 3 steps."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def duration(seconds: float) -> str:
    """Format seconds: 42s, 3m12s, 5h07m, 11 days."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes == 0:
        return f"{rest}s"
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours < 100 else f"{round(hours / 24)} days"
