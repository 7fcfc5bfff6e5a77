"""Show the package's log on standard error; standard output is for results."""

from __future__ import annotations

import logging
import sys
import time

from rich.console import Console

from electra.core.log import logger

PROGRESS_SECONDS = 10.0  # between lines of progress if standard error is not a terminal


class TerminalHandler(logging.Handler):
    """Print messages, warnings in yellow; progress overwrites one line on a terminal and is sparse in a file."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.console = Console(stderr=True, highlight=False)
        self.line_is_open = False
        self.last_progress: dict[str, float] = {}  # of each task

    def emit(self, record: logging.LogRecord) -> None:
        message, task = record.getMessage(), getattr(record, "progress_of", None)
        if task is None:
            self.end_line()
            if record.levelno >= logging.WARNING:
                self.console.print(f"warning: {message}", style="yellow", markup=False, soft_wrap=True)
            else:
                self.console.print(message, markup=False, soft_wrap=True)
        elif self.console.is_terminal:
            sys.stderr.write("\r\x1b[2K" + message[: max(20, self.console.width - 1)])
            sys.stderr.flush()
            self.line_is_open = True
        elif time.monotonic() - self.last_progress.get(task, float("-inf")) >= PROGRESS_SECONDS:
            self.last_progress[task] = time.monotonic()
            self.console.print(message, markup=False, soft_wrap=True)

    def clear_line(self) -> None:
        """Remove an open line of progress, before a result is printed in its place."""
        if self.line_is_open:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self.line_is_open = False

    def end_line(self) -> None:
        """End an open line of progress, so that the next message starts a new line."""
        if self.line_is_open:
            sys.stderr.write("\n")
            self.line_is_open = False


def show_log() -> TerminalHandler:
    """Send the package's log to the terminal; a second call returns the same handler."""
    found = next((handler for handler in logger.handlers if isinstance(handler, TerminalHandler)), None)
    handler = found or TerminalHandler()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return handler
