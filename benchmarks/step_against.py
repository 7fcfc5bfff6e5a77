"""The training step of this checkout beside that of another one, in turn: how much faster a change made it.

    git clone . BEFORE && git -C BEFORE checkout COMMIT
    python benchmarks/step_against.py BEFORE --out results/step_against.json small tiny
    python benchmarks/step_against.py . --with NAME=VALUE --out results/step_against.json small tiny

The second: what a variable of the environment does. Each lives in a process of its own, with the same packages; a
ratio is of two windows that follow one another.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import IO

from result_file import add
from worker import Worker

ROOT = Path(__file__).parents[1]
SETTLE = 8  # steps before any is timed
STEPS = {"tiny": 5}  # of a window; 1 for other presets


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "--worker":
        return work(sys.argv[2], sys.stdin, sys.stdout)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--with", dest="given", default="", metavar="NAME=VALUE", help="for this checkout only")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    if not (options.before / "electra").is_dir():
        parser.error(f"{options.before} is no checkout of this project")
    given = dict([options.given.split("=", 1)]) if options.given else {}
    for preset in options.presets:
        command = [sys.executable, __file__, "--worker", preset]
        before, after = workers = [
            Worker(str(folder), command, os.environ | more | {"PYTHONPATH": str(folder.resolve())})
            for folder, more in ((options.before, {}), (ROOT, given))
        ]
        for _, worker in product(range(options.rounds), workers):
            worker.measure()
        for worker in workers:
            worker.process.kill()
        ratios = [round(old / new, 3) for old, new in zip(before.seconds, after.seconds, strict=True)]
        row = {
            "before": before.about["commit"], "with": options.given,
            "seconds_before": statistics.median(before.seconds), "seconds": statistics.median(after.seconds),
            "ratios": ratios,
        }  # fmt: skip
        row["ratio"] = statistics.median(ratios)
        print(preset, row, flush=True)
        add(options.out, preset, row)


def work(preset: str, asked: IO[str], answers: IO[str]) -> None:
    """Say the commit of the code, then time a window for every line that comes."""
    sys.stdout = sys.stderr
    import torch

    from electra.config import BenchConfig
    from electra.training.memory import keep_freed_memory

    try:
        from electra.core.hardware import commit
        from electra.cost.bench import as_benchmarked, random_rows, training_step, windows
    except ModuleNotFoundError:  # BEFORE may be older than these packages
        from electra.bench import as_benchmarked, random_rows, training_step, windows
        from electra.machine import commit

    keep_freed_memory()
    electra = {"architecture": "electra"} if hasattr(BenchConfig, "architecture") else {}  # BEFORE may have one only
    run, length, rows = as_benchmarked(BenchConfig(preset=preset, device="cpu", **electra))
    if hasattr(run.model, "memory"):
        run = replace(run, model=replace(run.model, memory=0))
    step, _ = training_step(run, random_rows(run.model.vocab_size, rows, length))
    for _ in range(SETTLE):
        step()
    print(json.dumps({"commit": commit()}), file=answers, flush=True)
    for _ in asked:
        (window,) = windows(step, 1, STEPS.get(preset, 1), torch.device("cpu"))
        print(json.dumps({"seconds": window}), file=answers, flush=True)


if __name__ == "__main__":
    main()
