"""The verb `flops`: operations, parameters, memory and time of a pre-training run.

There are two counts of operations. The paper's (paper.py) doubles every operation of a forward pass; use it with the
paper's tables. `flops_per_token` (operations.py) follows today's rule of six operations for each weight that multiplies
a token, plus attention; use it to compare runs and to compute utilisation.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import NamedTuple

from electra.config import FlopsConfig, PretrainConfig
from electra.config.cost import preset_and_length
from electra.core.log import duration
from electra.cost.operations import flops_per_token, memory_bytes, parameter_counts, scheduled_tokens
from electra.cost.paper import PAPER

FLOPS_TIMED = 3e11  # of a timed step on a CPU, to take a few seconds


class Cost(NamedTuple):
    """The cost of pre-training, as names and values to print."""

    preset: str
    seq_length: int
    rows: list[tuple[str, str]]
    paper: list[tuple[str, str]]  # training operations of the paper's models


class Measured(NamedTuple):
    """What a few training steps of this process took."""

    speed: float = 0.0  # tokens per second
    source: str = ""
    memory: float = 0.0  # megabytes at the most, torch itself among them


def flops(config: FlopsConfig) -> Cost:
    """Return the cost of pre-training a preset: operations, parameters, memory and, if measured, time."""
    run, length = preset_and_length(config)
    run = replace(run, threads=config.threads, device=config.device)
    rows = rows_here(run)
    timed = measured(run, length) if config.measure else Measured()
    described = describe(run, length, timed.speed, timed.source, rows)
    described += [("memory of the whole process in those steps", f"{timed.memory:,.0f} MB")] if timed.memory else []
    paper = [(model, f"{operations:.4g}") for model, operations in PAPER.items()]
    return Cost(f"{config.preset} ({run.model.model_type})", length, described, paper)


def rows_here(config: PretrainConfig) -> int:
    """Return the rows of a forward pass of a run on this machine: those of a CPU without torch."""
    try:
        from electra.pretraining.micro_batch import rows_of
        from electra.training.device import choose_device
    except ImportError:
        return config.micro_batch_size or min(32, config.train_batch_size)
    return rows_of(config, choose_device(config.device))


def describe(
    config: PretrainConfig, seq_length: int, tokens_per_second: float = 0.0, source: str = "as given", rows: int = 0
) -> list[tuple[str, str]]:
    """Return the cost of a run as names and values, with its time if a speed is given, labelled by `source`."""
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
            (f"tokens per second, {source}", f"{tokens_per_second:,.0f}"),
            ("time for the full schedule at that speed", f"{duration(seconds)} ({seconds / 86_400:,.1f} days)"),
        ]
    return found


def measured(config: PretrainConfig, seq_length: int) -> Measured:
    """Measure three training steps; nothing without torch."""
    try:
        import torch

        from electra.cost.bench import memory_used, random_rows, training_step, windows
        from electra.training.device import choose_device
        from electra.training.memory import keep_freed_memory
    except ImportError:
        return Measured(source="torch is not installed")
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    keep_freed_memory()  # as a run does
    cost = flops_per_token(config, seq_length)["total"] * seq_length
    rows = 128 if device.type == "cuda" else max(1, min(32, int(FLOPS_TIMED / cost)))
    timed = replace(config, init="random", train_batch_size=rows, micro_batch_size=rows, compile="off")
    step, _ = training_step(timed, random_rows(config.model.vocab_size, rows, seq_length))
    seconds = statistics.median(windows(step, 3, 1, device))
    source = (
        f"a guess from three steps of {rows} x {seq_length} on {device}, {torch.get_num_threads()} threads, not "
        "compiled (electra bench measures the run's own)"
    )
    return Measured(rows * seq_length / seconds, source, memory_used(device))
