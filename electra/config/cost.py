"""Configuration of `electra bench` and `electra flops`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from electra.config.base import arg, require, require_at_least, require_local, require_not_negative
from electra.config.presets import SEQ_LENGTHS, find_preset
from electra.config.pretrain import PretrainConfig
from electra.config.settings import read_settings, with_settings


@dataclass(frozen=True)
class CostConfig:
    """A run of `electra pretrain` whose cost is asked for."""

    preset: str = arg("small", "tiny, mini, small, small++, base or large")
    architecture: str = arg("", "electra or modernbert; default: the preset's own")
    seq_length: int = arg(0, "tokens per row; 0: those of --data, otherwise the preset's")
    max_position_embeddings: int = arg(0, "maximum length of a text, in tokens; 0: the preset's")
    device: str = arg("auto", "cpu, cuda, cuda:1 ...; auto: a GPU if there is one")
    compile: Literal["auto", "on", "off"] = arg("auto", "as for electra pretrain")
    threads: int = arg(0, "CPU threads; 0: torch's choice")
    recipe: str = arg("", "paper or fast; default: the preset's own")
    settings: tuple[str, ...] = arg((), "FIELD=VALUE of the run, as in optimizer=adamw max_minutes=60")
    data: str = arg("", "folder that `electra prepare` wrote, to measure on its text; default: random words")

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", tuple(self.settings))
        read_settings(self.settings, "--settings")
        require_not_negative(self, "seq_length", "max_position_embeddings", "threads")
        require(not (self.data and self.seq_length), "--data has the length of its rows: leave --seq-length out")


@dataclass(frozen=True)
class BenchConfig(CostConfig):
    """Measure this machine, and the step of a run and inference on it."""

    micro_batch_size: int = arg(0, "rows of a forward pass, as for electra pretrain")
    rounds: int = arg(5, "timed windows, whose median is reported")
    steps: int = arg(1, "training steps in each window")
    precision: Literal["auto", "fp32", "bf16"] = arg("auto", "as for electra pretrain")
    price: float = arg(0.0, "price of an hour of this machine, to estimate that of a whole pre-training")
    out: str = arg("", "write the figures to this JSON file")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "rounds", "steps")
        require_not_negative(self, "micro_batch_size", "price")
        require_local(self)


@dataclass(frozen=True)
class FlopsConfig(CostConfig):
    """Print what pre-training costs: compute, parameters, memory, time."""

    measure: bool = arg(True, "time the steps of the run, to tell how long pre-training takes on this machine")


def run_and_length(config: CostConfig) -> tuple[PretrainConfig, int]:
    """Return the run, with positions for rows as long as asked, and the length of its rows without --data.

    Raises:
        ValueError: the model reads no rows of this length, or a setting is wrong.
    """
    run = find_preset(config.preset, config.architecture, config.recipe)
    given = {"device": config.device, "compile": config.compile, "threads": str(config.threads)}
    if isinstance(config, BenchConfig):
        given |= {"precision": config.precision, "micro_batch_size": str(config.micro_batch_size)}
    defaults = {name: text for name, text in given.items() if text not in ("auto", "0")}
    run = with_settings(run, read_settings(config.settings, "--settings") | defaults, "--settings")
    limit = config.max_position_embeddings or run.model.max_position_embeddings
    length = config.seq_length or SEQ_LENGTHS[config.preset]
    require(
        1 <= length <= limit,
        f"seq_length must be in [1, {limit}] for the preset {config.preset}, got {length}; "
        f"--max-position-embeddings {length} makes a model that reads such rows",
    )
    return replace(run, data=config.data, model=replace(run.model, max_position_embeddings=limit)), length
