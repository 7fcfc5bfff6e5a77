"""Settings of a run or its network as text, as in a file or in FIELD=VALUE."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from electra.config.base import refuse_unknown, require, types_of, value_of
from electra.config.pretrain import PretrainConfig


def with_settings(config: PretrainConfig, settings: Mapping[str, str], where: str) -> PretrainConfig:
    """Return the configuration with settings of the run or its network.

    Raises:
        ValueError: an unknown field, or a value of the wrong type; the message says `where`.
    """
    known = known_settings(config)
    refuse_unknown(settings, known, where)
    read = {name: value_of(text, known[name], f"{where}: {name}") for name, text in settings.items()}
    shape = types_of(type(config.model))
    model = replace(config.model, **{name: x for name, x in read.items() if name in shape})
    return replace(config, model=model, **{name: x for name, x in read.items() if name not in shape})


def known_settings(config: PretrainConfig) -> dict[str, Any]:
    """Return the type of each field of a run and its network."""
    return {name: kind for name, kind in types_of(PretrainConfig).items() if name != "model"} | types_of(
        type(config.model)
    )


def read_settings(given: Collection[str], where: str) -> dict[str, str]:
    """Return the fields and values of FIELD=VALUE, of which a later one overrides an earlier."""
    for setting in given:
        require("=" in setting, f"{where} {setting}: write FIELD=VALUE, as in optimizer=adamw")
    return dict(setting.partition("=")[::2] for setting in given)
