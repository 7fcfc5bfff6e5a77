"""The rows of a forward pass: a micro-batch, of which several make the batch of an optimizer step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from electra.config import PretrainConfig, require
from electra.core.log import logger
from electra.pretraining.identity import begun_with
from electra.training.device import choose_device
from electra.training.distributed import World

FEWEST_ROWS = 8  # rows of a default micro-batch below which most of a step is overhead


def rows_of(config: PretrainConfig, device: torch.device) -> int:
    """Return the rows of a micro-batch, by default those that fit the device."""
    return config.micro_batch_size or default_rows(config, device)


def default_rows(config: PretrainConfig, device: torch.device) -> int:
    """Return the default size of a micro-batch: a divisor of the batch, at most 32 on a CPU and 128 on a GPU."""
    return largest_divisor(config.train_batch_size, 128 if device.type == "cuda" else 32)


def largest_divisor(number: int, at_most: int) -> int:
    """Return the largest divisor of `number` that is at most `at_most`."""
    return max(n for n in range(1, at_most + 1) if number % n == 0)


def fit_micro_batch(config: PretrainConfig, folder: Path, world: World) -> PretrainConfig:
    """Take the size of a micro-batch that is not set from the run in `folder`, otherwise from the device.

    Raises:
        ValueError: there are more processes than micro-batches.
    """
    file = folder / "config.json"
    begun = begun_with(file)["micro_batch_size"] if file.exists() else 0
    micro = config.micro_batch_size or begun or default_rows(config, choose_device(config.device))
    count = config.train_batch_size // micro
    require(
        world.size <= count,
        f"{world.size} processes for {count} micro-batches: set --micro-batch-size to "
        f"{largest_divisor(config.train_batch_size, config.train_batch_size // world.size)} or less, in a new run"
        if world.size <= config.train_batch_size
        else f"{world.size} processes for a batch of {config.train_batch_size} rows: start fewer",
    )
    return replace(config, micro_batch_size=micro)


def warn_of_few_rows(config: PretrainConfig, rows: int) -> None:
    """Warn of a default micro-batch that is so small that most of a step is overhead."""
    if not config.micro_batch_size and rows < min(FEWEST_ROWS, config.train_batch_size):
        logger.warning(
            f"a batch of {config.train_batch_size} rows is processed {rows} at a time; a multiple of 32 is faster"
        )
