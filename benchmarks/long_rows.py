"""Time and memory of a training step on rows of several lengths, in this checkout and in an older one.

    git clone . BEFORE && git -C BEFORE checkout COMMIT
    python benchmarks/long_rows.py --out results/long_rows.json --before BEFORE 128 512 2048 8192

A step reads 8,192 tokens whatever the length of its rows, so that a cost linear in the length is a constant. The
network is a small ModernBERT with one global layer in three. Each case has a process of its own, one thread, and fp32
without compilation; memory is what the process took at its peak beyond the memory it had before the network was built.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from result_file import add

ROOT = Path(__file__).parents[1]
TOKENS = 8192  # of a step
SHAPE = dict(
    vocab_size=4096, hidden_size=128, num_hidden_layers=6, num_attention_heads=2, intermediate_size=344,
    max_position_embeddings=8192, global_rope_theta=160_000.0,
)  # fmt: skip
ROUNDS = 5


def main() -> None:
    if sys.argv[1] == "--worker":
        return work(int(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lengths", nargs="+", type=int)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    checkouts = {"before": options.before, "now": ROOT} if options.before else {"now": ROOT}
    for length in options.lengths:
        row = {name: measured(folder, length) for name, folder in checkouts.items()}
        print(length, row, flush=True)
        add(options.out, str(length), row)


def measured(checkout: Path, length: int) -> dict[str, Any]:
    """Return the figures of a process that trains with the code of a checkout."""
    command = [sys.executable, __file__, "--worker", str(length)]
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def work(length: int) -> None:
    """Train a few steps and print what they took."""
    from dataclasses import replace

    import torch

    from electra.config import ModernBertConfig, find_preset
    from electra.core.hardware import commit, peak_memory
    from electra.cost.bench import random_rows, training_step, windows

    torch.set_num_threads(1)
    rows = TOKENS // length
    run = replace(
        find_preset("small", "modernbert"), model=ModernBertConfig(**SHAPE), generator_depth=1 / 3, init="random",
        train_batch_size=rows, micro_batch_size=rows, device="cpu", precision="fp32", compile="off", threads=1,
    )  # fmt: skip
    batches, before = random_rows(4096, rows, length), peak_memory()
    step, _ = training_step(run, batches)
    seconds = windows(step, ROUNDS, 1, torch.device("cpu"))
    figures = {
        "commit": commit(),
        "seconds": round(statistics.median(seconds), 3),
        "memory_mb": round(peak_memory() - before),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
