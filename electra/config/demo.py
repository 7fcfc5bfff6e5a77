"""Configuration of `electra demo`."""

from __future__ import annotations

from dataclasses import dataclass

from electra.config.base import arg, require, require_local


@dataclass(frozen=True)
class DemoConfig:
    """Watch the model in the box and one of your own find errors."""

    out: str = arg("runs/demo", "folder of the demo")
    source: str = arg("python-docs", "training text: python-docs, or anything that electra prepare reads")
    minutes: float = arg(6.0, "minutes of training")

    def __post_init__(self) -> None:
        require_local(self)
        require(self.minutes > 0, f"minutes must be above 0, got {self.minutes}")
