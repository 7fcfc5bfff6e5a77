"""What `electra flops` and `electra bench` say of a run beside what the run itself takes.

    python benchmarks/own_step.py --data data/tiny --preset tiny --out results/own_step.json

Each has a process of its own. Speeds are tokens a second of CPU time, in one thread: other processes on the machine
change the time by the clock, but hardly this one. The run is one of so many steps, without its evaluations.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from result_file import add

from electra.config import FlopsConfig

ASKED = ("flops", "bench", "run")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--compile", default="off")
    parser.add_argument("--steps", type=int, default=20, help="of the run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=ASKED, help="measure this in this process, and print it")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measured(options)))
        return
    row = {}
    for asked in ASKED:
        done = subprocess.run([sys.executable, *sys.argv, "--only", asked], check=True, stdout=subprocess.PIPE)
        row[asked] = json.loads(done.stdout.splitlines()[-1])
        print(asked, row[asked], flush=True)
    add(options.out, f"{options.preset}, compile {options.compile}", row)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Tokens a second and the memory of one of ASKED."""
    time.perf_counter = time.process_time
    from electra.core.hardware import commit
    from electra.cost import bench, flops
    from electra.cost.measurement import measure
    from electra.cost.run import asked_run

    asked = FlopsConfig(options.preset, threads=1, device="cpu", compile=options.compile, data=options.data)
    run, length = asked_run(asked)
    if options.only == "run":
        found = real(run, options.steps)
    else:
        most = (flops if options.only == "flops" else bench).MOST_FLOPS
        timed = measure(run, length, flops.ROUNDS, 1, most)
        found = {"tokens_per_second": round(timed.speed), "memory_mb": round(timed.memory), "steps": timed.steps}
        found["guessed"] = list(timed.differences)
    return {**found, "commit": commit()}


def real(run: Any, steps: int) -> dict[str, Any]:
    """The same of a run's own steps, of which the first two, which compile and warm up, do not count."""
    from electra.core.hardware import peak_memory
    from electra.pretraining.run import pretrain
    from electra.training.distributed import World

    class Enough(Exception):
        pass

    seen: list[tuple[float, int]] = []

    def note(trainer: Any) -> None:
        seen.append((trainer.seconds, trainer.tokens))
        if len(seen) == steps:
            raise Enough

    folder = tempfile.mkdtemp()
    try:
        pretrain(replace(run, out=folder, eval_steps=0, save_steps=0), note, World())
    except Enough:
        pass
    finally:
        shutil.rmtree(folder)
    speeds = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(seen[1:])]
    return {"tokens_per_second": round(statistics.median(speeds)), "memory_mb": round(peak_memory()), "steps": steps}


if __name__ == "__main__":
    main()
