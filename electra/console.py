"""What the terminal shows: messages and progress on standard error, so that standard output carries results only."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from rich.console import Console

stderr = Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Print a plain message."""
    stderr.print(message, markup=False, soft_wrap=True)


def warn(message: str) -> None:
    """Print a message the user should act on."""
    stderr.print(f"warning: {message}", style="yellow", markup=False, soft_wrap=True)


class ProgressLine:
    """One line that renews itself in a terminal, and a plain line every few seconds in a log file."""

    def __init__(self, every_seconds: float = 10.0) -> None:
        self.every_seconds = every_seconds
        self.last = 0.0

    def show(self, fields: Mapping[str, str], always: bool = False) -> None:
        """Show `name value` pairs; outside a terminal only when it is time again, or `always`."""
        line = "  ".join(f"{name} {value}".strip() for name, value in fields.items())
        if stderr.is_terminal:
            sys.stderr.write("\r\x1b[2K" + line[: max(20, stderr.width - 1)])
            sys.stderr.flush()
        elif always or time.monotonic() - self.last >= self.every_seconds:
            self.last = time.monotonic()
            say(line)

    def close(self) -> None:
        """End the line, so that what is printed next starts on its own."""
        if stderr.is_terminal:
            sys.stderr.write("\n")


def duration(seconds: float) -> str:
    """Seconds as a reader says them: 42s, 3m12s, 5h07m."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes == 0:
        return f"{rest}s"
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"
