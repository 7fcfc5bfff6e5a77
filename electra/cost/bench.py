"""The verb `bench`: measure matrix products, and the step, memory and inference of a run on this machine.

A matrix [D_in, D_out] multiplies M vectors.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from electra.config import BenchConfig, EncoderConfig, PretrainConfig
from electra.core.hardware import provenance
from electra.core.log import logger
from electra.core.storage import require_place, write_json
from electra.cost.measurement import measure, training_step, windows
from electra.cost.operations import Trained, flops_per_token, networks, row_lengths, scheduled_tokens
from electra.cost.run import asked_run
from electra.cost.text import FIRST_WORD, InTurn, random_rows
from electra.models.encoder import compute_in
from electra.models.heads import Discriminator
from electra.models.registry import backbone_of
from electra.objectives.corruption import max_masked
from electra.pretraining.micro_batch import rows_of
from electra.training.device import choose_device, choose_dtype, should_compile

__all__ = ["InTurn", "as_benchmarked", "bench", "random_rows", "training_step", "windows"]  # benchmarks find them here

MOST_FLOPS = 4e12  # of a timed step on a CPU; a longer one is timed in part
TIMED = 0.15  # seconds of calls to time a product
COPIED = 1 << 28  # bytes; larger than any cache
INFERENCE = ((1, 32), (1, 128), (32, 128))  # rows x tokens
Matrix = tuple[int, int, int]  # M, D_in, D_out


def bench(config: BenchConfig) -> dict[str, Any]:
    """Measure this machine; return the figures."""
    run, length = asked_run(config)
    if config.out:
        require_place(Path(config.out))
    device, dtype = choose_device(run.device), choose_dtype(run)
    logger.info(f"training {config.preset}, {run.train_batch_size} rows of {length} tokens on {device}")
    found = measure(run, length, config.rounds, config.steps, MOST_FLOPS)
    rows, model_flops = rows_of(run, device), flops_per_token(run, length)["total"]
    floor = sum(
        share * matrix_seconds(run, rows * length, slots, device, dtype) / (rows * length)
        for slots, share in row_lengths(run, length, 1.0)
        if share
    )
    tokens = scheduled_tokens(run, length)
    figures: dict[str, Any] = {
        "preset": config.preset,
        "architecture": run.model.model_type,
        "precision": str(dtype).removeprefix("torch."),
        "compiled": should_compile(run),
        "rows": run.train_batch_size,
        "micro_batch_size": rows,
        "seq_length": length,
        "timed": found.steps,
        "not_the_run": ", ".join(found.differences) or "nothing",
        "copy_gb_per_second": round(copy_speed(device) / 1e9, 1),
        "matrix_gflops_per_second": round(model_flops / floor / 1e9, 1),
        "training_tokens_per_second": round(found.speed, 1),
        "training_gflops_per_second": round(found.speed * model_flops / 1e9, 1),
        "share_of_matrix_speed": round(floor * found.speed, 3),
        "first_step_seconds": round(found.first, 1),
        "peak_memory_mb": round(found.memory),
        "full_schedule_tokens": tokens,
        "full_schedule_hours": round(tokens / found.speed / 3600, 1),
        "inference": inference(run.model, device, dtype, config.rounds),
    }
    if config.price:
        figures["full_schedule_price"] = round(tokens / found.speed / 3600 * config.price, 2)
    if config.out:
        write_json(Path(config.out), figures | provenance())
    return figures


def as_benchmarked(config: BenchConfig) -> tuple[PretrainConfig, int, int]:
    """Return a run with one micro-batch of whole rows a step, their length in tokens, and their number.

    Benchmarks that compare versions of the code time such steps, which are short.
    """
    run, length = asked_run(config)
    rows = config.micro_batch_size or (128 if choose_device(config.device).type == "cuda" else 32)
    return replace(run, train_batch_size=rows, micro_batch_size=rows, short_stage=0.0), length, rows


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
