"""Configuration and text that a pre-training run started with."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from electra.config import PretrainConfig, pretrain_config_from_dict
from electra.core.storage import read_json


def flat(config: PretrainConfig) -> dict[str, Any]:
    """Return every field by name, including the model's and its architecture."""
    run = {f.name: getattr(config, f.name) for f in fields(PretrainConfig) if f.name != "model"}
    shape = {f.name: getattr(config.model, f.name) for f in fields(config.model)}
    return {"architecture": config.model.model_type} | run | shape


def begun_with(file: Path) -> dict[str, Any]:
    """Return every field in a run's config.json, and its record of the prepared text."""
    content = read_json(file)
    prepared: dict[str, Any] = content.get("prepared", {})
    return flat(pretrain_config_from_dict(content, str(file))) | prepared
