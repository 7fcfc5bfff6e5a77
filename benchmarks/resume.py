"""From the command to the first training step of a run that goes on, at several step numbers. Prints one JSON object.

    python benchmarks/resume.py --data DATA --preset small --steps 10,900000 > results/resume.json

A run of two steps is moved to each number, as if it had got there; then the same command is started as a process and
timed until its first line of metrics.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from electra.core.hardware import provenance
from electra.core.storage import read_json, sha256, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--steps", default="10,900000")
    options = parser.parse_args()
    rows = {}
    for step in map(int, options.steps.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            train(options, folder, "--max-tokens", "1").wait()
            move(Path(folder), step)
            rows[step] = round(seconds_to_first_step(options, Path(folder)), 1)
    settings = {"preset": options.preset, "rows": 32, "data": options.data}
    print(json.dumps({"seconds_to_first_step": rows, **settings, **provenance()}))


def train(options: argparse.Namespace, folder: str, *more: str) -> subprocess.Popen:
    """The command, with a batch of 32 rows and a line of metrics a step."""
    settings = ["--train-batch-size", "32", "--log-steps", "1", "--eval-steps", "0", "--train-steps", "10000000", *more]
    command = [sys.executable, "-m", "electra", "pretrain", "--preset", options.preset, "--data", options.data]
    return subprocess.Popen(
        [*command, "--out", folder, *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def move(folder: Path, step: int) -> None:
    """Pretend that the only checkpoint was written at another step, by a run without the limit that ended it."""
    (checkpoint,) = (folder / "checkpoints").glob("step-*")
    state = read_json(checkpoint / "state.json")
    write_json(checkpoint / "state.json", state | {"step": step, "tokens": state["tokens"] * step})
    hashes = {file.name: sha256(file) for file in checkpoint.iterdir() if file.name != "manifest.json"}
    write_json(checkpoint / "manifest.json", hashes)
    checkpoint.rename(checkpoint.with_name(f"step-{step:08d}"))
    write_json(folder / "config.json", read_json(folder / "config.json") | {"max_tokens": 0})
    (folder / "metrics.jsonl").unlink()


def seconds_to_first_step(options: argparse.Namespace, folder: Path) -> float:
    """Start the command again and wait for its first line of metrics."""
    start, metrics = time.perf_counter(), folder / "metrics.jsonl"
    with train(options, str(folder)) as process:
        while not (metrics.exists() and metrics.read_bytes()):
            assert process.poll() is None, "the run ended before its first step"
            time.sleep(0.05)
        seconds = time.perf_counter() - start
        process.terminate()
    return seconds


if __name__ == "__main__":
    main()
