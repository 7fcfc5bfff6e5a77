"""Messages and progress, in the standard logger `electra`; it prints nothing until a handler is installed.

The command line installs one (cli/terminal.py); a program may call `logging.basicConfig(level="INFO")`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

logger = logging.getLogger("electra")
logger.addHandler(logging.NullHandler())


def show_progress(task: str, fields: Mapping[str, str]) -> None:
    """Log `name value` pairs as progress of a task, which overwrites one line on a terminal."""
    line = "  ".join(f"{name} {value}".strip() for name, value in fields.items())
    logger.info(line, extra={"progress_of": task})


def duration(seconds: float) -> str:
    """Format seconds: 42s, 3m12s, 5h07m."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes == 0:
        return f"{rest}s"
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"
