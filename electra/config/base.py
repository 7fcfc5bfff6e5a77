"""What all configurations have in common: a field with its help, checks, the way to and from JSON."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, field
from difflib import get_close_matches
from typing import Any


def arg(default: Any, help: str, positional: bool = False) -> Any:
    """A dataclass field that carries its own help text."""
    return field(default=default, metadata={"help": help, "positional": positional})


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds."""
    if not condition:
        raise ValueError(message)


def require_positive(config: Any, *names: str) -> None:
    """Raise ValueError for a field that is not above 0."""
    for name in names:
        require(getattr(config, name) > 0, f"{name} must be above 0, got {getattr(config, name)}")


def require_not_negative(config: Any, *names: str) -> None:
    """Raise ValueError for a field below 0."""
    for name in names:
        require(getattr(config, name) >= 0, f"{name} must not be negative, got {getattr(config, name)}")


def require_whole_batches(micro_batch_size: int, train_batch_size: int) -> None:
    """Raise ValueError where a batch is no whole number of micro-batches; 0 leaves their size open."""
    require(
        not micro_batch_size or train_batch_size % micro_batch_size == 0,
        f"micro_batch_size {micro_batch_size} must divide train_batch_size {train_batch_size}",
    )


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as JSON holds it."""
    return asdict(config)


def refuse_unknown(given: Collection[str], known: Collection[str], where: str) -> None:
    """Raise ValueError for a name that is not known, with the closest that is."""
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise ValueError(f"{where}: unknown key {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
