"""Two processes of one thread beside one process of two; a sum of gradients; a restart: results/distributed.json.

    python benchmarks/distributed.py --data DATA --presets tiny,small

Speeds are measured in turn, round after round: the ratio of a round is of two runs that follow one another.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from result_file import add

from electra.config import find_preset
from electra.core.runs import read_metrics
from electra.objectives import find_objective
from electra.training.distributed import World, join
from electra.training.gradient_sum import ExactSum, FastSum

ROOT = Path(__file__).parents[1]
SETTLE = 2  # steps before any is timed
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        return work(int(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--presets", default="tiny,small")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--out", type=Path, default=ROOT / "results/distributed.json")
    options = parser.parse_args()
    for preset in options.presets.split(","):
        add(options.out, f"speed, {preset}", speeds(options, preset))
        add(options.out, f"sum, {preset}", sums(dense_parameters(preset)))
    add(options.out, "restart", restart(options))


def command(options: argparse.Namespace, preset: str, out: str, *more: str) -> list[str]:
    """Pre-training of a preset from random weights, two micro-batches a step, not compiled."""
    rows = ["--train-batch-size", "64", "--micro-batch-size", "32", "--compile", "off", "--log-steps", "1"]
    return ["-m", "electra", "pretrain", "--preset", preset, "--data", options.data, "--out", out, *rows, *more]


def speeds(options: argparse.Namespace, preset: str) -> dict[str, Any]:
    """Tokens per second of both ways, in turn."""
    ways = {"1 process x 2 threads": ([sys.executable], "2"), "2 processes x 1 thread": (TORCHRUN, "1")}
    found: dict[str, list[float]] = {name: [] for name in ways}
    loads = []
    for _ in range(options.rounds):
        for name, (begin, threads) in ways.items():
            with tempfile.TemporaryDirectory() as out:
                steps = ["--train-steps", str(options.steps), "--eval-steps", "0", "--save-steps", "0"]
                line = [*begin, *command(options, preset, out, *steps, "--threads", threads)]
                subprocess.run(line, env=environment(threads), check=True, capture_output=True)
                found[name].append(round(speed(Path(out)), 1))
            loads.append(os.getloadavg()[0])
    one, two = found.values()
    ratios = [round(b / a, 3) for a, b in zip(one, two, strict=True)]
    return {"tokens_per_second": found, "ratios": ratios, "ratio": statistics.median(ratios), "load": loads}


def environment(threads: str) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}


def speed(run: Path) -> float:
    """Tokens per second of the median step."""
    lines = [line for line in read_metrics(run) if line["kind"] == "train"][SETTLE:]
    pairs = itertools.pairwise(lines)
    return statistics.median((b["tokens"] - a["tokens"]) / (b["seconds"] - a["seconds"]) for a, b in pairs)


def sums(parameters: int) -> dict[str, Any]:
    """Bytes and milliseconds of the sum of a step's gradients, of two processes on this machine."""
    line = [*TORCHRUN, __file__, "--worker", str(parameters)]
    done = subprocess.run(line, env=environment("1"), check=True, capture_output=True, text=True)
    return json.loads(re.findall(r"^{.*}$", done.stdout, re.MULTILINE)[-1])


def dense_parameters(preset: str) -> int:
    """Count the parameters of all networks, without a memory's table, whose gradient is sparse."""
    config = find_preset(preset)
    named = find_objective(config.objective)(config, 4).named_parameters()
    return sum(p.numel() for name, p in named if ".memory.table." not in name)


def work(parameters: int) -> None:
    """Time the sums in one of two processes; the first prints them."""
    world, p = join(False, 10.0), torch.nn.Parameter(torch.zeros(parameters))
    p.grad = torch.randn(parameters) / 100
    found: dict[str, Any] = {"parameters": parameters}
    for name, kind, size in (("fast", FastSum, 4), ("exact", ExactSum, 8)):
        times = []
        for _ in range(8):
            world.all_reduce(torch.zeros(1))  # both begin together
            times.append(timed(kind, world, p))
        before, after = (statistics.median(part) * 1000 for part in zip(*times[1:], strict=True))
        found[name] = {
            "bytes": size * parameters,
            "ms_per_micro_batch": round(before, 1),
            "ms_per_step": round(after, 1),
        }
    if world.is_first:
        print(json.dumps(found), flush=True)


def timed(kind: type[FastSum] | type[ExactSum], world: World, p: torch.nn.Parameter) -> tuple[float, float]:
    """Seconds to take the gradient of a micro-batch, and of the sum over processes."""
    gradients, start = kind(), time.perf_counter()
    gradients.add([p])
    middle = time.perf_counter()
    gradients.finish(world, [p], torch.zeros(()))
    return middle - start, time.perf_counter() - middle


def restart(options: argparse.Namespace, times: int = 3) -> dict[str, Any]:
    """Seconds from kill -9 of a worker to the first step that is new, of a tiny run, by torchrun's own restart."""
    found = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as out:
            found.append(round(seconds_of_restart(options, Path(out)), 1))
    return {"seconds_from_kill_to_a_new_step": found, "median": statistics.median(found)}


def seconds_of_restart(options: argparse.Namespace, out: Path) -> float:
    settings = ["--save-steps", "5", "--threads", "1"]
    line = [*TORCHRUN, "--max-restarts", "1", *command(options, "tiny", str(out), *settings)]
    process = subprocess.Popen(line, env=environment("1"), stderr=subprocess.DEVNULL)
    wait(lambda: any(out.glob("checkpoints/step-*")), process)
    workers = [p for p in psutil.Process(process.pid).children(recursive=True) if p.cmdline()[2:4] == ["-m", "electra"]]
    start = time.perf_counter()
    workers[-1].kill()
    reached = last_step(out)
    wait(lambda: last_step(out) > reached, process)
    seconds = time.perf_counter() - start
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    return seconds


def wait(condition: Any, process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, "the run ended"
        time.sleep(0.05)


def last_step(run: Path) -> int:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return max((json.loads(line)["step"] for line in lines if line.endswith("}")), default=0)


if __name__ == "__main__":
    main()
