"""A file of results, a row at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def add(file: Path, name: str, row: Any) -> None:
    """Put a row into the file; others may be writing theirs."""
    from electra.core.hardware import provenance  # not above: a worker may run an older checkout
    from electra.core.storage import read_json, write_json

    write_json(file, (read_json(file) if file.exists() else {}) | {name: row} | provenance())
