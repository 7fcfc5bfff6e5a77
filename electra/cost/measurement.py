"""Time the real step of a run: its objective, optimizer, precision, threads, micro-batches and compiled layers.

Both `electra bench` and `electra flops` use it. `Measured.differences` says how the timed steps differ from the run's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch

from electra.config import PretrainConfig
from electra.core.hardware import peak_memory
from electra.core.log import counted
from electra.cost.operations import flops_per_token
from electra.cost.text import FirstOf, InTurn, random_source
from electra.data.shards import open_training
from electra.interface import Batch, Source
from electra.models.encoder import compile_parts, compute_in
from electra.models.registry import backbone_of
from electra.objectives import find_objective
from electra.objectives.base import Objective
from electra.pretraining.first_weights import build_objective
from electra.pretraining.loader import loader_of
from electra.pretraining.micro_batch import rows_of
from electra.pretraining.optimizer import build_optimizer
from electra.training.device import choose_device, choose_dtype, should_capture, should_compile
from electra.training.memory import keep_freed_memory
from electra.training.trainer import WARM_UP, Trainer

MASK = 103  # id in BERT's vocabulary
NO_RATE = 1e-9  # steps whose rows are random must not diverge


class Measured(NamedTuple):
    """The speed and memory of the steps of a run on this machine."""

    speed: float  # tokens per second, averaged over the stages of the schedule
    seconds: float  # per step, averaged likewise
    first: float  # seconds of the first step, which compiles
    memory: float  # peak MB: of the tensors on a GPU, otherwise of the process, torch included
    steps: str  # what was timed
    differences: tuple[str, ...]  # from the steps of the run


def measure(config: PretrainConfig, length: int, rounds: int, steps: int, most_flops: float) -> Measured:
    """Time `rounds` windows of `steps` steps in each stage of a run, in rows of `length` tokens.

    The text is that of `config.data`, or random. On a CPU a step of more than `most_flops` is timed with fewer of its
    micro-batches, or of its rows, whose time is scaled; that of the optimizer is not.
    """
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    keep_freed_memory()
    config = replace(config, learning_rate=NO_RATE)
    whole, micro = config.train_batch_size, rows_of(config, device)
    affordable = int(most_flops / (flops_per_token(config, length)["total"] * length))
    size = micro if device.type == "cuda" else max(1, min(micro, affordable))
    count = whole // micro if device.type == "cuda" else max(1, min(whole // micro, affordable // micro))
    objective, source = material(config, length, size)
    timer = timer_of(config, objective, FirstOf(source, count), size)
    first, seconds, tokens = 0.0, 0.0, 0.0
    for middle, share in stages(config):
        timer.at, start = middle, time.perf_counter()
        timer.train_step()
        first += time.perf_counter() - start
        warm(timer.train_step, timer)
        before = timer.tokens, timer.step
        seconds += share * statistics.median(timer.windows(rounds, steps, whole / (count * size)))
        tokens += share * (timer.tokens - before[0]) / (timer.step - before[1]) * whole / (count * size)
    if should_compile(config):
        torch.compiler.reset()  # what was compiled here counts towards the limit of what follows
    rows = f"{count} x {counted(size, 'row')} of {counted(length, 'token')}"
    described = f"{counted(rounds * steps, 'step')} of {rows}, {place(config, device)}"
    return Measured(tokens / seconds, seconds, first, memory_used(device), described, differences(config, count * size))


def material(config: PretrainConfig, length: int, size: int) -> tuple[Objective, Source]:
    """Return the networks of a run, with random weights, and its loader, or random rows if it has no data."""
    if not config.data:
        return random_objective(config), random_source(config, length, size)
    train, tokenizer = open_training(config.data)
    return build_objective(config, train, tokenizer, resumed=True), loader_of(config, train, tokenizer)


def random_objective(config: PretrainConfig) -> Objective:
    """Return the networks of a run without a tokeniser."""
    objective = find_objective(config.objective)(config, min(MASK, config.model.vocab_size - 1))
    backbone_of(config.model).initialise_randomly(objective, config.model.initializer_range)
    return objective


def stages(config: PretrainConfig) -> list[tuple[float, float]]:
    """Return the middle of each stage of the training, whose steps all compute the same, and its share of the steps."""
    alone = config.generator_stage if config.traits.generator_alone_first else 0.0
    borders = sorted({0.0, config.short_stage, alone, 1.0})
    return [((begin + end) / 2, end - begin) for begin, end in pairwise(borders)]


def place(config: PretrainConfig, device: torch.device) -> str:
    """Return the device, the threads, the precision and whether steps are compiled."""
    threads = torch.get_num_threads()
    where = str(device) if device.type == "cuda" else counted(threads, "thread")
    precision = str(choose_dtype(config)).removeprefix("torch.")
    return f"{config.optimizer}, {where}, {precision}, {'compiled' if should_compile(config) else 'not compiled'}"


def differences(config: PretrainConfig, rows: int) -> tuple[str, ...]:
    """Return how the timed steps, of `rows` rows each, differ from those of the run."""
    reasons = () if config.data else ("random words, without padding",)
    whole = config.train_batch_size
    return reasons if rows == whole else (*reasons, f"{rows} of the {whole} rows of a step")


# -- the step ----------------------------------------------------------------------------------------------------------


class StepTimer(Trainer):
    """The trainer of a run at a set point of its schedule; it times its updates of the weights."""

    at = 0.0  # the share of the training that is done
    updating = 0.0  # seconds in updates since the window began

    def done(self) -> float:
        """Return the share of the training that is set."""
        return self.at

    def clip(self) -> torch.Tensor:
        """Clip as always; note the time."""
        return self.noted(super().clip)

    def move_weights(self) -> None:
        """Update the weights as always; note the time."""
        self.noted(super().move_weights)

    def noted(self, part: Callable[[], Any]) -> Any:
        """Call a part of the update and add its time on the CPU to that of the window."""
        start = time.perf_counter()
        found = part()
        self.updating += time.perf_counter() - start
        return found

    def windows(self, rounds: int, steps: int, scale: float) -> list[float]:
        """Return the seconds of a step in each window; all but those of the update are multiplied by `scale`."""
        times = []
        for _ in range(rounds):
            self.updating = 0.0
            (seconds,) = windows(self.train_step, 1, steps, self.device)
            update = self.updating / steps if scale != 1 else 0.0
            times.append((seconds - update) * scale + update)
        return times


def timer_of(
    config: PretrainConfig, objective: Objective, source: Source, rows: int, capture: bool = True
) -> StepTimer:
    """Return the trainer of a run; `capture` allows CUDA graphs."""
    device = choose_device(config.device)
    objective.to(device)
    compute_in(objective, choose_dtype(config))
    if should_compile(config):
        compile_parts(objective, device)
    captured = capture and should_capture(config, device)
    return StepTimer(
        objective, build_optimizer(objective, config), source, config, Path(), device, rows, captured=captured
    )


def warm(step: Callable[[], None], timer: StepTimer) -> None:
    """Take the steps after which all take the same time: on a GPU those before one is captured."""
    for _ in range(WARM_UP if timer.captured else 1):
        step()


def training_step(
    config: PretrainConfig, batches: list[Batch], capture: bool = True
) -> tuple[Callable[[], None], float]:
    """Return the step of a run with one of `batches` in turn, and the seconds of the first step."""
    timer = timer_of(config, random_objective(config), InTurn(batches), len(batches[0].input_ids), capture)
    start = time.perf_counter()
    timer.train_step()
    first = time.perf_counter() - start
    for _ in range(WARM_UP):
        timer.train_step()
    return timer.train_step, first


def windows(step: Callable[[], Any], rounds: int, steps: int, device: torch.device) -> list[float]:
    """Return the mean seconds of a step in each of `rounds` windows of `steps`."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        synchronise(device)
        times.append((time.perf_counter() - start) / steps)
    return times


def memory_used(device: torch.device) -> float:
    """Return the most memory that the process has used, in MB: a GPU's of tensors, otherwise all of it."""
    return torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else peak_memory()


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
