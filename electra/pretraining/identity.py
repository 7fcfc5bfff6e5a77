"""Configuration and text that a pre-training run started with."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from electra.config import ElectraConfig, PretrainConfig, pretrain_config_from_dict
from electra.core.storage import read_json


def flat(config: PretrainConfig) -> dict[str, Any]:
    """Return every field by name, including the model's."""
    run = {f.name: getattr(config, f.name) for f in fields(PretrainConfig) if f.name != "model"}
    return run | {f.name: getattr(config.model, f.name) for f in fields(ElectraConfig)}


def begun_with(file: Path) -> dict[str, Any]:
    """Return every field in a run's config.json, and its record of the prepared text."""
    content = read_json(file)
    prepared: dict[str, Any] = content.get("prepared", {})
    return flat(pretrain_config_from_dict(content, str(file))) | prepared
