"""Settings a run started with and must keep."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import electra
from electra.config import require
from electra.core.storage import require_no_file


def require_same(
    folder: Path, before: Mapping[str, Any] | None, now: Mapping[str, Any], free: AbstractSet[str]
) -> None:
    """Raise ValueError if the run in `folder` started with other settings than `now`, except those in `free`.

    `before` is None if no run started: then the folder must be empty.
    """
    require_no_file(folder)
    if before is None:
        occupied = folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir())
        require(not occupied, f"{folder} is not empty and holds no run; choose another --out")
        return
    differing = [
        f"{name}: run has {before.get(name)!r}, command has {new!r}"
        for name, new in now.items()
        if before.get(name) != new and name not in free
    ]
    require(not differing, f"{folder} belongs to another configuration ({'; '.join(differing)}); choose another --out")


def versions_of_run() -> dict[str, str]:
    """Return the versions of Python and the libraries that affect a run's arithmetic."""
    packages = ("torch", "numpy", "tokenizers", "safetensors")
    own = {"electra": electra.__version__, "python": platform.python_version()}
    return own | {name: importlib.metadata.version(name) for name in packages}
