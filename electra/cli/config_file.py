"""Read the configuration of a run from a file: an earlier run's config.json, or a TOML or YAML file of a user."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from electra.config import PretrainConfig, continued, find_preset, pretrain_config_from_dict, refuse_unknown, require
from electra.config.pretrain import NAME_ONE, WITHOUT_MODEL
from electra.config.settings import known_settings, with_settings
from electra.core.storage import read_json

STARTING_POINT = ("preset", "recipe", "architecture")
# Of a run that another is started from, the place, the machine and the limits say nothing of the recipe.
NOT_RECIPE = {"data", "out", "seed", "device", "precision", "threads", "micro_batch_size", "max_tokens", "max_minutes",
              "compile", "dry_run"}  # fmt: skip


def read_config(path: Path, init: str = "") -> PretrainConfig:
    """Return the configuration in a file; `init` is what the command line names as the run to go on with.

    Raises:
        ValueError: the file cannot be read, or has an unknown key or a value of the wrong type.
    """
    if path.suffix not in (".toml", ".yaml", ".yml"):
        named = path / "config.json" if path.is_dir() else path
        require(not named.exists() or named.suffix == ".json", f"--config {path}: {NAME_ONE}")
        return pretrain_config_from_dict(read_json(named), str(named))
    require(path.is_file(), f"--config {path}: no such file; check the name")
    settings = read_settings(path)
    require(all(isinstance(key, str) for key in settings), f"{path}: a key is no name; put it in quotes")
    start = {name: str(settings.pop(name, "")) for name in STARTING_POINT}
    config = find_preset(start["preset"] or "small", start["architecture"], start["recipe"])
    if str(init or settings.get("init", "random")) not in WITHOUT_MODEL:
        config = continued(config)
    refuse_unknown(settings, [*STARTING_POINT, *known_settings(config)], str(path))
    for name, value in settings.items():
        require(value is not None and not isinstance(value, dict | list), f"{path}: {name} needs one value")
    # Through text, as in YAML 5e-4 is a string and true is none.
    return with_settings(config, {name: as_text(value) for name, value in settings.items()}, str(path))


def read_settings(path: Path) -> dict[str, Any]:
    """Return the keys and values of a TOML or YAML file."""
    text = path.read_text(encoding="utf-8")
    try:
        content = tomllib.loads(text) if path.suffix == ".toml" else read_yaml(text, path)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None
    require(isinstance(content, Mapping), f"{path} is not a list of settings; write a line `preset: tiny`, and so on")
    return dict(content)


def read_yaml(text: str, path: Path) -> Any:
    """Parse YAML, which needs PyYAML; objects are never made."""
    try:
        import yaml
    except ImportError:
        raise ValueError(f"{path}: reading YAML needs pip install pyyaml; a .toml file needs nothing") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from None


def as_text(value: Any) -> str:
    """Return a value as a user would write it in a flag."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def recipe_of_run(path: Path) -> PretrainConfig | None:
    """Return the recipe of the run at a path, or of the one whose `model/` it is; None if it belongs to no run."""
    for folder in (path, path.parent):
        file = folder / "config.json"
        content = read_json(file) if file.is_file() else {}
        if isinstance(content, Mapping) and {"objective", "model"} <= content.keys():
            config = pretrain_config_from_dict(content, str(file))
            own: dict[str, Any] = {f.name: f.default for f in fields(config) if f.name in NOT_RECIPE}
            return replace(config, **own)
    return None
