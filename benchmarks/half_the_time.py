"""Does the tiny preset learn in half of the time what that of an earlier checkout learns?

    git clone . BEFORE && git -C BEFORE checkout fc7afba
    python benchmarks/half_the_time.py BEFORE --minutes 4 --seeds 0,1 --out results/half_the_time.json
    python benchmarks/half_the_time.py BEFORE --source TEXT.txt --out results/half_the_time_encyclopedia.json

Each trains by its own code, the earlier one twice as long; both are measured here, as by benchmarks/tiny_recipes.py.
Compiling counts, unless it has been done before on this machine: run it twice, the first time with --minutes 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

from result_file import add
from tiny_recipes import measured, questions

from electra.core.hardware import commit
from electra.core.runs import read_metrics

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="an earlier checkout")
    parser.add_argument("--source", default="python-docs")
    parser.add_argument(
        "--minutes", type=float, default=4.0, help="of this checkout; the earlier one gets twice as many"
    )
    parser.add_argument("--seeds", default="0", help="with commas")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--runs", default="runs/recipes", help="where prepared text and runs are kept")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    if not (options.before / "electra").is_dir():
        parser.error(f"{options.before} is no checkout of this project")
    sides = {"before": (options.before, 2 * options.minutes), "now": (ROOT, options.minutes)}
    commits = {side: commit(checkout) for side, (checkout, _) in sides.items()}
    if changed := [side for side, name in commits.items() if name.endswith("+")]:  # a run is known by its commit
        parser.error(f"commit first what has changed in {' and '.join(str(sides[side][0]) for side in changed)}")
    options.runs = Path(options.runs) / Path(options.source).stem
    asked = questions(options)
    for seed, (side, (checkout, minutes)) in product(map(int, options.seeds.split(",")), sides.items()):
        run = options.runs / f"{commits[side]}-{minutes:g}-minutes-{seed}"
        train(checkout, run, minutes, seed, options)
        tokens = read_metrics(run)[-1]["tokens"]
        about = {"checkout": commits[side], "minutes": minutes, "seed": seed, "tokens": tokens}
        row = about | measured(run, asked)
        print(row, flush=True)
        add(options.out, f"{options.runs.name}, {side}, {minutes:g} minutes, seed {seed}", row)


def train(checkout: Path, run: Path, minutes: float, seed: int, options: argparse.Namespace) -> None:
    """Pre-train ELECTRA's tiny preset, without memory, by the checkout's own code."""
    settings = {
        "preset": "tiny", "data": (options.runs / "data").resolve(), "out": run.resolve(), "max-minutes": minutes,
        "seed": seed, "threads": options.threads,
    }  # fmt: skip
    if checkout == ROOT:  # as an earlier checkout has it
        settings |= {"architecture": "electra", "memory": 0}
    flags = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve())}
    subprocess.run([sys.executable, "-m", "electra", "pretrain", *flags], check=True, cwd=checkout, env=environment)


if __name__ == "__main__":
    main()
