"""The verb `bench`: measure matrix products, memory, and the training and inference of a preset on this machine.

A matrix [D_in, D_out] multiplies M vectors.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from electra.config import BenchConfig, EncoderConfig, PretrainConfig, find_preset
from electra.config.cost import preset_and_length
from electra.core.hardware import peak_memory, provenance
from electra.core.log import logger
from electra.core.storage import write_json
from electra.cost.operations import Trained, flops_per_token, networks, scheduled_tokens
from electra.interface import ALL, Batch
from electra.models.encoder import compile_parts, compute_in
from electra.models.heads import Discriminator
from electra.models.registry import backbone_of
from electra.objectives import find_objective
from electra.objectives.corruption import max_masked
from electra.pretraining.optimizer import build_optimizer
from electra.training.device import choose_device, choose_dtype, should_capture, should_compile
from electra.training.memory import keep_freed_memory
from electra.training.trainer import WARM_UP, Trainer

FIRST_WORD, MASK = 1000, 103  # ids in BERT's vocabulary
DIFFERENT_BATCHES = 8
TIMED = 0.15  # seconds of calls to time a product
COPIED = 1 << 28  # bytes; larger than any cache
INFERENCE = ((1, 32), (1, 128), (32, 128))  # rows x tokens
Matrix = tuple[int, int, int]  # M, D_in, D_out


def bench(config: BenchConfig) -> dict[str, Any]:
    """Measure this machine; return the figures."""
    run, length, rows = as_benchmarked(config)
    device, dtype = choose_device(run.device), choose_dtype(run)
    if config.threads:
        torch.set_num_threads(config.threads)
    keep_freed_memory()
    logger.info(f"training {config.preset}, {rows} rows of {length} tokens on {device}")
    step, seconds_to_compile = training_step(run, random_rows(run.model.vocab_size, rows, length))
    half = config.rounds // 2  # the speed of a shared machine drifts, so the products are timed between two halves
    times = windows(step, config.rounds - half, config.steps, device)
    memory = memory_used(device)
    floor = matrix_seconds(run, rows * length, length, device, dtype)
    times += windows(step, half, config.steps, device)
    speed = rows * length / statistics.median(times)
    model_flops = flops_per_token(run, length)["total"]
    preset = find_preset(config.preset, config.architecture)
    tokens = scheduled_tokens(preset, length)  # with its batch, not the one measured here
    figures: dict[str, Any] = {
        "preset": config.preset,
        "architecture": run.model.model_type,
        "precision": str(dtype).removeprefix("torch."),
        "compiled": should_compile(run),
        "rows": rows,
        "seq_length": length,
        "copy_gb_per_second": round(copy_speed(device) / 1e9, 1),
        "matrix_gflops_per_second": round(model_flops * rows * length / floor / 1e9, 1),
        "training_tokens_per_second": round(speed, 1),
        "training_gflops_per_second": round(speed * model_flops / 1e9, 1),
        "share_of_matrix_speed": round(floor / statistics.median(times), 3),
        "first_step_seconds": round(seconds_to_compile, 1),
        "peak_memory_mb": round(memory),
        "full_schedule_tokens": tokens,
        "full_schedule_hours": round(tokens / speed / 3600, 1),
        "inference": inference(run.model, device, dtype, config.rounds),
    }
    if config.price:
        figures["full_schedule_price"] = round(tokens / speed / 3600 * config.price, 2)
    if config.out:
        write_json(Path(config.out), figures | provenance())
    return figures


def as_benchmarked(config: BenchConfig) -> tuple[PretrainConfig, int, int]:
    """Return the preset's run with one micro-batch per step, its row length in tokens, and its number of rows."""
    run, length = preset_and_length(config)
    rows = config.micro_batch_size or (128 if choose_device(config.device).type == "cuda" else 32)
    run = replace(
        run, init="random", train_batch_size=rows, micro_batch_size=rows, short_stage=0.0, device=config.device,
        precision=config.precision, compile=config.compile, threads=config.threads,
    )  # fmt: skip
    return run, length, rows


# -- training ----------------------------------------------------------------------------------------------------------


def training_step(
    config: PretrainConfig, batches: list[Batch], capture: bool = True
) -> tuple[Callable[[], None], float]:
    """Return the step of `electra pretrain`, cycling through `batches`, and the seconds of the first step.

    `capture` allows CUDA graphs.
    """
    device = choose_device(config.device)
    objective = find_objective(config.objective)(config, MASK)
    backbone_of(config.model).initialise_randomly(objective, config.model.initializer_range)
    objective.to(device)
    compute_in(objective, choose_dtype(config))
    if should_compile(config):
        compile_parts(objective, device)
    loader, rows = InTurn(batches), len(batches[0].input_ids)
    optimizer = build_optimizer(objective, config)
    captured = capture and should_capture(config, device)
    trainer = Trainer(objective, optimizer, loader, config, Path(), device, rows, captured=captured)
    start = time.perf_counter()
    trainer.train_step()
    first = time.perf_counter() - start
    for _ in range(WARM_UP):
        trainer.train_step()
    return trainer.train_step, first


class InTurn:
    """Cycle through a few batches, in place of the loader."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches, self.seq_length = batches, batches[0].input_ids.shape[1]

    def micro_batches(self, step: int, size: int, done: float = 1.0, share: slice = ALL) -> list[Batch]:
        """Return one batch."""
        return [self.batches[step % len(self.batches)]]


def random_rows(vocab_size: int, rows: int, length: int) -> list[Batch]:
    """Draw batches of random words, without padding."""
    generator = torch.Generator().manual_seed(0)
    first = min(FIRST_WORD, vocab_size // 2)
    return [
        full_rows(torch.randint(first, vocab_size, (rows, length), generator=generator))
        for _ in range(DIFFERENT_BATCHES)
    ]


def full_rows(input_ids: torch.Tensor) -> Batch:
    """Return a batch without padding, in which all tokens except the first and the last may be masked."""
    positions = torch.arange(input_ids.shape[1]).expand_as(input_ids)
    maskable = (positions > 0) & (positions < input_ids.shape[1] - 1)
    return Batch(input_ids, torch.ones_like(input_ids), torch.zeros_like(input_ids), positions, maskable)


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


# -- the machine -------------------------------------------------------------------------------------------------------


def matrix_seconds(config: PretrainConfig, tokens: int, length: int, device: torch.device, dtype: torch.dtype) -> float:
    """Time the matrix products of a training step alone: forward, and the gradients of inputs and of weights."""
    total = 0.0
    for (m, d_in, d_out), times in matrices(config, tokens, length).items():
        x, w, y = (torch.randn(shape, device=device).to(dtype) for shape in ((m, d_in), (d_in, d_out), (m, d_out)))
        for left, right in ((x, w), (y, w.T), (x.T, y)):
            total += times * median_seconds(partial(torch.matmul, left, right), device)
    return total + attention_seconds(config, tokens, length, device, dtype)


def matrices(config: PretrainConfig, tokens: int, length: int) -> Counter[Matrix]:
    """Count the products of a step by shape.

    The last matrix of the RTD head is omitted: it has one column.
    """
    counts: Counter[Matrix] = Counter()
    for network in networks(config):
        sizes, requested = network.sizes, rows_requested(network, config, tokens, length)
        for m in (*sizes.embeddings.matrices, *sizes.projection.matrices, *sizes.layers.matrices):
            counts[tokens, m.d_in, m.d_out] += network.towers * (m.times - m.last)
            counts[requested, m.d_in, m.d_out] += network.towers * m.last
        for m in sizes.rtd_head.matrices if network.has_rtd_head else ():
            counts[tokens, m.d_in, m.d_out] += m.d_out > 1
        for m in sizes.mlm_head.matrices if network.has_mlm_head else ():
            counts[requested, m.d_in, m.d_out] += 1
    return +counts


def rows_requested(network: Trained, config: PretrainConfig, tokens: int, length: int) -> int:
    """Return how many tokens the last layer of a network computes: all, or the slots for masked tokens."""
    return tokens if network.requested == 1 else tokens // length * max_masked(length, config.mask_prob)


def attention_seconds(
    config: PretrainConfig, tokens: int, length: int, device: torch.device, dtype: torch.dtype
) -> float:
    """Time the products of queries with keys and of probabilities with values: two forward, four backward."""
    total = 0.0
    for network in networks(config):
        requested = rows_requested(network, config, tokens, length) / tokens
        for attention in network.sizes.attention:
            number, queries, keys = attention.products(length)
            products, size = tokens // length * attention.heads * number, attention.width // attention.heads
            shapes = (queries, size), (keys, size), (queries, keys)
            q, k, p = (torch.randn(products, *shape, device=device).to(dtype) for shape in shapes)
            scores, values = (median_seconds(partial(torch.bmm, *pair), device) for pair in ((q, k.mT), (p, k)))
            total += network.towers * attention.passes(requested, length) * (2 * scores + 4 * values)
    return total


def median_seconds(product: Callable[[], Any], device: torch.device) -> float:
    """Return the median seconds of a call, over the calls that fit into TIMED seconds, at least three."""
    product()
    times: list[float] = []
    while sum(times) < TIMED or len(times) < 3:
        times += windows(product, 1, 1, device)
    return statistics.median(times)


def copy_speed(device: torch.device) -> float:
    """Return the bytes per second that a copy reads and writes."""
    source = torch.zeros(COPIED, dtype=torch.uint8, device=device)
    target = torch.ones_like(source)
    return 2 * COPIED / median_seconds(lambda: target.copy_(source), device)


# -- inference ---------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def inference(shape: EncoderConfig, device: torch.device, dtype: torch.dtype, rounds: int) -> dict[str, Any]:
    """Return the latency and the throughput of the discriminator at a few shapes."""
    network = Discriminator(backbone_of(shape).encoder(shape)).to(device).eval()
    compute_in(network, dtype)
    found = {}
    for rows, length in INFERENCE:
        ids = torch.randint(min(FIRST_WORD, shape.vocab_size // 2), shape.vocab_size, (rows, length), device=device)
        network(ids)
        seconds = statistics.median(windows(partial(network, ids), rounds, 5, device))
        found[f"{rows} x {length}"] = {
            "milliseconds": round(1000 * seconds, 2),
            "tokens_per_second": round(rows * length / seconds),
        }
    return found
