"""Choose the learning rate of a fine-tuning from several, by the dev file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from electra.config import FinetuneConfig
from electra.core.log import duration, logger
from electra.finetuning.material import Material

Train = Callable[[FinetuneConfig, Material, int], dict[str, Any]]


def choose_rate(config: FinetuneConfig, material: Material, train_seed: Train) -> FinetuneConfig:
    """Train the first seed at each learning rate; return the configuration with the rate of the best dev score.

    That seed's run is copied to the others, so that it is not trained twice.
    """
    assert isinstance(config.learning_rate, tuple)
    rates, metric, out = config.learning_rate, material.task.main_metric, Path(config.out)
    runs = len(rates) + config.seeds - 1
    more = f", then {config.seeds - 1} more at the best" if config.seeds > 1 else ""
    logger.info(
        f"learning rates {shown(rates)}: one run of {config.train_steps:,} steps each{more}; "
        f"{runs * config.train_steps:,} steps of {config.train_batch_size} examples in all"
    )
    scores, began = dict[float, float](), time.perf_counter()
    for number, rate in enumerate(rates, 1):
        single = replace(config, learning_rate=rate, out=str(folder_of(out, rate)))
        scores[rate] = train_seed(single, material, config.seed)[metric]
        left = (time.perf_counter() - began) / number * (runs - number)
        logger.info(f"learning rate {rate:g}: {metric} {material.task.shown(scores[rate])}; {duration(left)} left")
    best = max(rates, key=scores.__getitem__)
    logger.info(f"learning rate {best:g} is the best on {config.dev}, which its score therefore flatters a little")
    run = Path("runs", f"seed-{config.seed}")
    if not (out / run / "scores.json").exists():
        shutil.copytree(folder_of(out, best) / run, out / run, dirs_exist_ok=True)
    return replace(config, learning_rate=best)


def folder_of(out: Path, rate: float) -> Path:
    """Return the folder of the run at a learning rate."""
    return out / "rates" / f"{rate:g}"


def shown(rates: tuple[float, ...]) -> str:
    """Return the rates for a message."""
    return ", ".join(f"{rate:g}" for rate in rates)
