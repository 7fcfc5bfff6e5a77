"""Fields with a help text, checks and conversion to JSON, shared by all configurations."""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Collection, Iterable
from dataclasses import Field, asdict, field, fields
from inspect import get_annotations
from typing import Any

from electra.config.nearest import did_you_mean, nearest


def arg(default: Any, help: str, positional: bool = False) -> Any:
    """Return a dataclass field that carries its help text."""
    return field(default=default, metadata={"help": help, "positional": positional})


def with_default(base: type[Any], name: str, default: Any) -> Any:
    """Return the field `name` of `base`, help text included, with another default."""
    return field(default=default, metadata=base.__dataclass_fields__[name].metadata)


def ordered_fields(kind: type[Any]) -> list[Field[Any]]:
    """Return a configuration's fields in reading order: its own, then the inherited ones."""
    by_name = {f.name: f for f in fields(kind)}
    names = dict.fromkeys(name for owner in kind.__mro__ for name in get_annotations(owner))
    return [by_name[name] for name in names if name in by_name]


def listed(values: str | Iterable[str]) -> tuple[str, ...]:
    """Return the words of a list flag: separated by commas, by blanks, or given one by one; each once."""
    together = values if isinstance(values, str) else " ".join(values)
    return tuple(dict.fromkeys(together.replace(",", " ").split()))


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds."""
    if not condition:
        raise ValueError(message)


def require_positive(config: Any, *names: str) -> None:
    """Raise ValueError unless these fields are above 0."""
    for name in names:
        require(getattr(config, name) > 0, f"{name} must be above 0, got {getattr(config, name)}")


def require_at_least(config: Any, least: int, *names: str) -> None:
    """Raise ValueError unless these fields are as large as `least`."""
    for name in names:
        require(getattr(config, name) >= least, f"{name} must be at least {least}, got {getattr(config, name)}")


def require_not_negative(config: Any, *names: str) -> None:
    """Raise ValueError if one of these fields, or of the numbers it holds, is below 0."""
    for name in names:
        value = getattr(config, name)
        lowest = min(value, default=0) if isinstance(value, tuple) else value
        require(lowest >= 0, f"{name} must not be negative, got {value}")


def require_local(config: Any) -> None:
    """Raise ValueError if `out` is a URL: `electra prepare` alone writes to one."""
    require(
        "://" not in config.out,
        f"out is local, not {config.out}: only electra prepare writes to a URL; copy the folder there afterwards",
    )


def require_threshold(value: float | None) -> None:
    """Raise ValueError unless a detection threshold is in [0, 1], or None."""
    require(value is None or 0 <= value <= 1, f"threshold is a probability, got {value}")


def to_dict(config: Any) -> dict[str, Any]:
    """Return a configuration as a JSON object."""
    content = asdict(config)
    for f in fields(config):  # the shape of a network says its kind
        if hasattr(getattr(config, f.name), "model_type"):
            content[f.name] = {"model_type": getattr(config, f.name).model_type, **content[f.name]}
    return {f.name: content[f.name] for f in ordered_fields(type(config))}


def part_of(text: str) -> slice:
    """Return which of many independent runs a part takes: "1/4" the second, the sixth ...; "" takes all.

    Raises:
        ValueError: the text is not i/n with i from 0 to n - 1.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip() or "0/1")
    if not found or int(found[1]) >= int(found[2]):
        raise ValueError(f"invalid part {text!r}: write i/n with i from 0 to n - 1, as in 0/4 ... 3/4")
    return slice(int(found[1]), None, int(found[2]))


def refuse_unknown(given: Collection[str], known: Collection[str], where: str) -> None:
    """Raise ValueError for an unknown name, suggesting the closest known one."""
    for name in given:
        if name not in known:
            raise ValueError(f"{where}: unknown key {name!r}{did_you_mean(nearest(name, known))}")


def types_of(kind: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass."""
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind)}


def value_of(text: str, kind: Any, where: str) -> Any:
    """Parse the value of a field of type `kind`."""
    choices = typing.get_args(kind)
    if choices or kind is str:
        require(not choices or text in choices, f"{where} is {text!r}; there are {', '.join(map(str, choices))}")
        return text
    if kind is bool:
        require(text in ("true", "false"), f"{where} must be true or false, not {text!r}")
        return text == "true"
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(f"{where} is a number, not {text!r}") from None
    require(math.isfinite(number), f"{where} is a number, not {text!r}")
    return number
