"""Parse contestants: `electra`, `electra:share=none,generator_width=1`, `mlm:width=0.5,times=4`, `module:Class`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from electra.config import CompareConfig, EncoderConfig, PretrainConfig, find_preset, refuse_unknown, require
from electra.config.base import types_of, value_of
from electra.config.settings import known_settings, read_settings, with_settings
from electra.core.log import logger
from electra.objectives import find_objective

# Fields set by the comparison or the data.
RESERVED = {"data", "out", "seed", "objective", "model", "train_steps", "max_tokens", "max_minutes", "vocab_size",
            "pad_token_id"}  # fmt: skip
FOR_ALL = {"packed"}  # FLOPs are counted by tokens, without padding


class Contestant(NamedTuple):
    """A named configuration of pre-training."""

    name: str  # as given on the command line
    config: PretrainConfig
    times: float  # multiple of the budget


def read_contestants(config: CompareConfig) -> list[Contestant]:
    """Return the contestants in order, from the preset, the common settings and the settings of each.

    Raises:
        ValueError: an unknown preset, objective or field, an invalid value, or the same contestant twice.
    """
    common(config)  # find errors in settings, whoever competes
    names = [*config.objectives, *config.contestants]
    for name in names:
        require(names.count(name) == 1, f"{name} is given twice; give each contestant once")
    return [read_contestant(name, config) for name in names]


def common(config: CompareConfig, architecture: str = "") -> PretrainConfig:
    """Return the preset of an architecture, or of that of the common settings, with these settings."""
    settings, of_all = apart(config.settings)
    preset = replace(find_preset(config.preset, architecture or of_all), data=config.data)
    preset = replace(preset, threads=config.threads)
    found, times = changed(preset, settings, "--settings")
    require(times == 1, "times applies to one contestant; set it there")
    return found


def read_contestant(name: str, comparison: CompareConfig) -> Contestant:
    """Parse one contestant."""
    objective, settings = split_name(name)
    find_objective(objective)
    given = [setting.partition("=")[0] for setting in settings]
    for field in given:
        require(given.count(field) == 1, f"{name}: {field} is given twice; give it once")
        require(field not in FOR_ALL, f"{name}: {field} applies to all contestants; set it with --settings")
    settings, architecture = apart(settings)
    start = common(comparison, architecture)
    config, times = changed(start, settings, name, objective=objective)
    if ":" in objective:
        logger.warning(
            f"{name} is charged the FLOPs of electra with its generator, as those of other objectives are unknown"
        )
    return Contestant(name, config, times)


def apart(settings: Collection[str]) -> tuple[list[str], str]:
    """Return the settings without that of the architecture, and the architecture, '' if none is named."""
    named = [setting.partition("=")[2] for setting in settings if setting.startswith("architecture=")]
    return [setting for setting in settings if not setting.startswith("architecture=")], (named or [""])[-1]


def split_name(name: str) -> tuple[str, list[str]]:
    """Return the objective, which may be `module:Class`, and the settings after the last colon."""
    objective, _, rest = name.rpartition(":")
    shapes = (types_of(kind).keys() for kind in EncoderConfig.of_type.values())
    known = types_of(PretrainConfig).keys() | {"architecture"}.union(*shapes)
    require(not objective or rest not in known, f"{name}: {rest} needs a value, as in {name}=...")
    if "=" not in rest:
        return name, []
    settings: list[str] = []
    for part in rest.split(","):
        if "=" in part or not settings:
            settings.append(part)
        elif part:  # as in init=DISCRIMINATOR,GENERATOR
            settings[-1] += "," + part
    return objective, settings


def changed(
    config: PretrainConfig, settings: Collection[str], where: str, objective: str = ""
) -> tuple[PretrainConfig, float]:
    """Return the configuration with `field=value` settings of the run or its network, and the budget's multiple."""
    given = read_settings(settings, where)
    refuse_unknown(given, (known_settings(config).keys() | {"width", "times"}) - RESERVED, where)
    times, width = (value_of(given.pop(name, "1"), float, f"{where}: {name}") for name in ("times", "width"))
    require(times > 0 and width > 0, f"{where}: width and times must be above 0")
    found = with_settings(config, given | ({"objective": objective} if objective else {}), where)
    return (found if width == 1 else replace(found, model=found.model.scaled(width, 1.0))), times
