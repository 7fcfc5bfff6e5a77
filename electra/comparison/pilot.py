"""A pilot: a short run that turns a budget of time into operations, and a few steps that tell how long a run takes."""

from __future__ import annotations

import shutil
import statistics
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from electra.comparison.contestants import Contestant
from electra.comparison.identity import key_of, runs_of
from electra.config import CompareConfig, PretrainConfig
from electra.config.compare import read_budget
from electra.core.log import duration, logger, only_progress
from electra.core.storage import only_writer, read_json, write_json
from electra.cost.measurement import measure
from electra.cost.operations import flops_per_token
from electra.data.loader import Loader
from electra.data.shards import open_training
from electra.pretraining.loader import loader_of
from electra.pretraining.run import pretrain
from electra.training.device import choose_device
from electra.training.distributed import World

PILOT_MINUTES = 1.0  # of training, to measure the first contestant's speed if the budget is a time
STEPS_TIMED = 3
PATIENCE = 600.0  # seconds to wait for another process that times the same steps
MOST_FLOPS = 4e12  # of a timed step on a CPU; a longer one is timed in part


def budget_in_flops(config: CompareConfig, first: Contestant) -> float:
    """Return the budget in FLOPs; a time is converted by a measured speed."""
    amount, unit = read_budget(config.budget)
    if unit == "FLOPs":
        return amount
    tokens = amount if unit == "tokens" else 60 * amount * tokens_per_second(config, first, amount)
    return tokens * flops_per_token(first.config, rows_of_run(first.config).seq_length)["total"]


def tokens_per_second(config: CompareConfig, first: Contestant, minutes: float) -> float:
    """Return the speed of the first contestant on this machine, measured once in a short run."""
    run = replace(first.config, max_minutes=min(PILOT_MINUTES, minutes), train_steps=1_000_000, eval_steps=0,
                  report_to="none")  # fmt: skip
    pilot = pilot_of(config, run)
    if not (pilot / "speed.json").exists():
        times: list[tuple[float, int]] = []
        logger.info(f"measuring the speed of {first.name}, for {duration(60 * run.max_minutes)}")
        with only_progress():
            pretrain(
                replace(run, out=str(pilot)), lambda trainer: times.append((trainer.seconds, trainer.tokens)), World()
            )
        if not times:  # killed between its last step and the write below, so its times are lost
            shutil.rmtree(pilot)
            return tokens_per_second(config, first, minutes)
        late = times[len(times) // 2 :] if len(times) > 2 else [(0.0, 0), times[-1]]  # after compilation and warm-up
        speeds = [(after - before) / (end - start) for (start, before), (end, after) in pairwise(late)]
        # The median, as longer rows may follow the short ones near the end and cause a compilation.
        write_json(pilot / "speed.json", {"tokens_per_second": statistics.median(speeds)})
    return float(read_json(pilot / "speed.json")["tokens_per_second"])


def seconds_of(config: CompareConfig, name: str, run: PretrainConfig) -> float:
    """Return how long a contestant's run trains on this machine, by a few of its steps, which are timed once."""
    file = pilot_of(config, run) / "step.json"
    with only_writer(file.parent, PATIENCE):  # parts of a race may begin at once on one machine
        if not file.exists():
            logger.info(f"timing {STEPS_TIMED} steps of {name}")
            timed = measure(run, rows_of_run(run).seq_length, STEPS_TIMED, 1, MOST_FLOPS)
            write_json(file, {"seconds": timed.seconds, "first_step_seconds": timed.first, "steps": timed.steps})
    found = read_json(file)
    return float(found["first_step_seconds"] + run.train_steps * found["seconds"])


def pilot_of(config: CompareConfig, run: PretrainConfig) -> Path:
    """Return the folder of what is measured of a run on this machine."""
    return runs_of(config) / "pilots" / f"{key_of(run, 0)}-{choose_device(run.device)}-{run.threads}"


def rows_of_run(config: PretrainConfig) -> Loader:
    """Return the loader of a run."""
    return loader_of(config, *open_training(config.data, verify=False))
