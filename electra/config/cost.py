"""Configuration of `electra bench` and `electra flops`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from electra.config.base import arg, require, require_not_negative
from electra.config.presets import SEQ_LENGTHS, find_preset
from electra.config.pretrain import PretrainConfig


@dataclass(frozen=True)
class BenchConfig:
    """Measure this machine, and a preset's training and inference on it."""

    preset: str = arg("small", "tiny, mini, small, small++, base or large")
    architecture: str = arg("", "electra or modernbert; default: the preset's own")
    seq_length: int = arg(0, "tokens per row; 0: the preset's")
    max_position_embeddings: int = arg(0, "maximum length of a text, in tokens; 0: the preset's")
    micro_batch_size: int = arg(0, "rows of a training step; 0: 32 on a CPU, 128 on a GPU")
    rounds: int = arg(5, "timed windows, whose median is reported")
    steps: int = arg(3, "training steps in each window")
    device: str = arg("auto", "cpu, cuda, cuda:1 ...; auto: a GPU if there is one")
    precision: Literal["auto", "fp32", "bf16"] = arg("auto", "as for electra pretrain")
    compile: Literal["auto", "on", "off"] = arg("auto", "as for electra pretrain")
    threads: int = arg(0, "CPU threads; 0: torch's choice")
    price: float = arg(0.0, "price of an hour of this machine, to estimate that of a whole pre-training")
    out: str = arg("", "write the figures to this JSON file")

    def __post_init__(self) -> None:
        for name in ("rounds", "steps"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        require_not_negative(self, "seq_length", "max_position_embeddings", "micro_batch_size", "threads", "price")


@dataclass(frozen=True)
class FlopsConfig:
    """Print the cost of pre-training (compute, parameters, memory, time) beside the paper's table."""

    preset: str = arg("small", "tiny, mini, small, small++, base or large")
    architecture: str = arg("", "electra or modernbert; default: the preset's own")
    seq_length: int = arg(0, "tokens per example; 0: the preset's")
    max_position_embeddings: int = arg(0, "maximum length of a text, in tokens; 0: the preset's")
    measure: bool = arg(True, "time a few training steps to guess how long pre-training takes on this machine")
    device: str = arg("auto", "cpu, cuda, cuda:1 ...; auto: a GPU if there is one")
    threads: int = arg(0, "CPU threads; 0: torch's choice")

    def __post_init__(self) -> None:
        require_not_negative(self, "seq_length", "max_position_embeddings", "threads")


def preset_and_length(config: BenchConfig | FlopsConfig) -> tuple[PretrainConfig, int]:
    """Return the preset, with positions for rows as long as asked, and the length of its rows.

    Raises:
        ValueError: the preset's model reads no rows of this length.
    """
    run = find_preset(config.preset, config.architecture)
    limit = config.max_position_embeddings or run.model.max_position_embeddings
    length = config.seq_length or SEQ_LENGTHS[config.preset]
    require(
        1 <= length <= limit,
        f"seq_length must be in [1, {limit}] for the preset {config.preset}, got {length}; "
        f"--max-position-embeddings {length} makes a model that reads such rows",
    )
    return replace(run, model=replace(run.model, max_position_embeddings=limit)), length
