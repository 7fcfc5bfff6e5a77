"""Equal compute: the number of steps of a contestant, and the steps after which it is examined."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from electra.comparison.contestants import Contestant
from electra.config import PretrainConfig, require
from electra.cost.operations import flops_per_token
from electra.data.loader import Loader

WORTH_COMPILING = 1_000  # steps


def steps_of(loader: Loader, tokens: float) -> int:
    """Return the exact number of steps that read `tokens`; each step's rows are known in advance."""
    epoch, rest = divmod(tokens, loader.examples.num_tokens)
    examples, order = loader.epoch(int(epoch))[1:]
    starts = loader.layout.starts(np.arange(loader.num_rows))
    tokens_of_row = np.add.reduceat(loader.examples.lengths[examples], starts, dtype=np.int64)[order]
    read = int(np.searchsorted(np.cumsum(tokens_of_row), rest)) + (rest > 0)
    return max(1, math.ceil((epoch * loader.num_rows + read) / loader.batch_size))


def budgeted(contestant: Contestant, loader: Loader, flops: float, points: int) -> PretrainConfig:
    """Return the run of a contestant that uses `flops`; its learning rate decays over these steps."""
    config = contestant.config
    tokens = contestant.times * flops / flops_per_token(config, loader.seq_length)["total"]
    steps = steps_of(loader, tokens)
    require(
        steps >= points,
        f"{contestant.name}: the budget is {steps} steps, too few for {points} points; raise --budget",
    )
    return replace(
        config,
        train_steps=steps,
        eval_steps=0,
        compile="off" if config.compile == "auto" and steps < WORTH_COMPILING else config.compile,
    )


def examined_steps(train_steps: int, points: int) -> list[int]:
    """Return the steps after which a run is examined: none, and then evenly spaced, the last at its end."""
    return [math.ceil(train_steps * number / points) for number in range(points + 1)]
