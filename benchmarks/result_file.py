"""A file of results, a row at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from electra.core.hardware import provenance
from electra.core.storage import read_json, write_json


def add(file: Path, name: str, row: Any) -> None:
    """Put a row into the file; others may be writing theirs."""
    write_json(file, (read_json(file) if file.exists() else {}) | {name: row} | provenance())
