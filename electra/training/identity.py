"""What a run is known by: the configuration and data it was begun with, and must be continued with."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields
from pathlib import Path
from typing import Any

import electra
from electra.config import ElectraConfig, PretrainConfig, pretrain_config_from_dict, require
from electra.core.storage import read_json


def flat(config: PretrainConfig) -> dict[str, Any]:
    """Every field by name, the model's included."""
    run = {f.name: getattr(config, f.name) for f in fields(PretrainConfig) if f.name != "model"}
    return run | {f.name: getattr(config.model, f.name) for f in fields(ElectraConfig)}


def begun_with(file: Path) -> dict[str, Any]:
    """What the run of a config.json was begun with: every field, and what it says of the prepared text."""
    content = read_json(file)
    prepared: dict[str, Any] = content.get("prepared", {})
    return flat(pretrain_config_from_dict(content, str(file))) | prepared


def require_same(
    folder: Path, before: Mapping[str, Any] | None, now: Mapping[str, Any], free: AbstractSet[str]
) -> None:
    """Refuse a folder begun with something else, naming what differs, but for what is `free` to change.

    `before` is None where nothing was begun: then the folder must be empty.
    """
    if before is None:
        occupied = folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir())
        require(not occupied, f"{folder} is not empty and holds no run; choose another --out")
        return
    differing = [
        f"{name}: {before.get(name)!r} there, {new!r} here"
        for name, new in now.items()
        if before.get(name) != new and name not in free
    ]
    require(not differing, f"{folder} belongs to another configuration ({'; '.join(differing)}); choose another --out")


def versions_of_run() -> dict[str, str]:
    """The versions a run's arithmetic depends on."""
    packages = ("torch", "numpy", "tokenizers", "safetensors")
    own = {"electra": electra.__version__, "python": platform.python_version()}
    return own | {name: importlib.metadata.version(name) for name in packages}
