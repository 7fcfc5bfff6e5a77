"""The verb `flops`: operations, parameters, memory and time of a pre-training run.

There are two counts of operations. The paper's (paper.py) doubles every operation of a forward pass; use it with the
paper's tables. `flops_per_token` (operations.py) follows today's rule of six operations for each weight that multiplies
a token, plus attention; use it to compare runs and to compute utilisation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from electra.config import FlopsConfig, PretrainConfig
from electra.core.log import duration, logger
from electra.cost.operations import flops_per_token, memory_bytes, parameter_counts, scheduled_tokens
from electra.cost.paper import PAPER
from electra.cost.run import asked_run

if TYPE_CHECKING:
    from electra.cost.measurement import Measured

ROUNDS = 3
MOST_FLOPS = 3e11  # of a timed step on a CPU, to take a few seconds


class Cost(NamedTuple):
    """The cost of pre-training, as names and values to print."""

    preset: str
    seq_length: int
    rows: list[tuple[str, str]]
    paper: list[tuple[str, str]]  # training operations of the paper's models


def flops(config: FlopsConfig) -> Cost:
    """Return the cost of pre-training a run: operations, parameters, memory and, if measured, time."""
    run, length = asked_run(config)
    timed = measured(run, length) if config.measure else None
    described = describe(run, length, timed.speed if timed else 0.0, rows=rows_here(run))
    described += of_measurement(timed) if timed else []
    paper = [(model, f"{operations:.4g}") for model, operations in PAPER.items()]
    return Cost(f"{config.preset} ({run.model.model_type})", length, described, paper)


def of_measurement(timed: Measured) -> list[tuple[str, str]]:
    """Return what was timed for the speed and, if it is not the run itself, that the speed is a guess."""
    guess = [("  a guess, timed on", "; ".join(timed.differences))] if timed.differences else []
    return [
        ("  from", timed.steps),
        *guess,
        ("memory of the whole process in those steps", f"{timed.memory:,.0f} MB"),
    ]


def rows_here(config: PretrainConfig) -> int:
    """Return the rows of a forward pass of a run on this machine: those of a CPU without torch."""
    try:
        from electra.pretraining.micro_batch import rows_of
        from electra.training.device import choose_device
    except ImportError:
        return config.micro_batch_size or min(32, config.train_batch_size)
    return rows_of(config, choose_device(config.device))


def describe(
    config: PretrainConfig, seq_length: int, tokens_per_second: float = 0.0, rows: int = 0
) -> list[tuple[str, str]]:
    """Return the cost of a run as names and values, with its time if a speed is given."""
    per_token = flops_per_token(config, seq_length)
    rows = rows or config.micro_batch_size or min(128, config.train_batch_size)
    tokens = scheduled_tokens(config, seq_length)
    found = [(f"training FLOPs per token, {part}", f"{value / 1e6:,.2f} M") for part, value in per_token.items()]
    found += [(f"parameters, {part}", f"{count:,}") for part, count in parameter_counts(config).items()]
    memory = memory_bytes(config, seq_length, rows)
    found += [(f"memory, {part}", f"{size / 2**20:,.0f} MiB") for part, size in memory.items()]
    found += [
        ("  in micro-batches of", f"{rows} x {seq_length} tokens"),
        ("tokens in the full schedule", f"{tokens:,}"),
        ("training FLOPs of the full schedule", f"{tokens * per_token['total']:.3g}"),
    ]
    if tokens_per_second:
        seconds = tokens / tokens_per_second
        found += [
            ("tokens per second", f"{tokens_per_second:,.0f}"),
            ("time for the full schedule at that speed", f"{duration(seconds)} ({seconds / 86_400:,.1f} days)"),
        ]
    if tokens_per_second and config.max_minutes:
        limit = 60 * config.max_minutes
        reached = min(tokens, tokens_per_second * limit)
        found.append((f"tokens in the budget of {duration(limit)}", f"{reached:,.0f}"))
    return found


def measured(config: PretrainConfig, seq_length: int) -> Measured | None:
    """Time steps of the run; None without torch."""
    try:
        from electra.cost.measurement import measure
        from electra.training.device import should_compile
    except ImportError:
        return None
    compiling = ", compiled first, which takes a minute" if should_compile(config) else ""
    logger.info(f"timing {ROUNDS} steps of this run{compiling}; --no-measure leaves that out")
    return measure(config, seq_length, ROUNDS, 1, MOST_FLOPS)
