"""Tokens a second of one pre-training step on a GPU, at a few shapes, and the share of the card's arithmetic used.

    python benchmarks/gpu_speed.py --out results/gpu/speed.json small,128,128 small,128,512 base,512,128

PRESET,LENGTH,ROWS: rows of one micro-batch, which is the whole batch here. Operations are counted as `electra flops`
counts them; the card's own speed, of one large matrix product and of a copy, is measured beside.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import torch
from result_file import add

from electra.config import BenchConfig
from electra.cost.bench import as_benchmarked, copy_speed, median_seconds, random_rows, training_step, windows
from electra.cost.operations import flops_per_token
from electra.training.device import choose_dtype

GPU = torch.device("cuda")
DENSE_BF16 = 989e12  # operations a second that the vendor states for H100 and H200 SXM
SIDE = 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="+", metavar="PRESET,LENGTH,ROWS")
    parser.add_argument("--steps", type=int, default=20, help="steps of a window; the median of five is taken")
    parser.add_argument("--launched", action="store_true", help="kernel by kernel, without a CUDA graph")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    matrix = matrix_speed()
    card = {"matrix_tflops": round(matrix / 1e12, 1), "copy_gb_per_second": round(copy_speed(GPU) / 1e9)}
    print(card, flush=True)
    for shape in options.shapes:
        preset, length, rows = shape.split(",")
        row = measured(preset, int(length), int(rows), options, matrix)
        print(shape, row, flush=True)
        add(options.out, shape + " launched" * options.launched, row | card)


def measured(preset: str, length: int, rows: int, options: argparse.Namespace, matrix: float) -> dict[str, Any]:
    """The figures of one shape."""
    torch.compiler.reset()
    torch.cuda.reset_peak_memory_stats()
    asked = BenchConfig(preset=preset, seq_length=length, micro_batch_size=rows, device="cuda", compile="on")
    run, length, rows = as_benchmarked(asked)
    step, first = training_step(run, random_rows(run.model.vocab_size, rows, length), not options.launched)
    windows(step, 1, 3, GPU)
    times = windows(step, 5, options.steps, GPU)
    speed = rows * length / statistics.median(times)
    operations = speed * flops_per_token(run, length)["total"]
    return {
        "tokens_per_second": round(speed),
        "milliseconds": [round(1000 * t, 3) for t in times],
        "model_flops_utilisation": round(operations / DENSE_BF16, 4),
        "share_of_matrix_speed": round(operations / matrix, 4),
        "peak_memory_mb": round(torch.cuda.max_memory_allocated() / 1e6),
        "first_step_seconds": round(first, 1),
        "precision": str(choose_dtype(run)).removeprefix("torch."),
    }


def matrix_speed() -> float:
    """Operations a second of a large product of random bf16 matrices."""
    left, right = (torch.randn(SIDE, SIDE, device=GPU).bfloat16() for _ in range(2))
    return 2 * SIDE**3 / median_seconds(partial(torch.matmul, left, right), GPU)


if __name__ == "__main__":
    main()
