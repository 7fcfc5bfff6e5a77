"""Kill, fill, tear and storm small runs until they have survived: `make chaos` writes results/chaos.json.

    python benchmarks/chaos.py --kills 300 --out results/chaos.json

A run is started again after every fault, of one process or of two, until it ends. It must then equal the undisturbed
run: weights, moments and metrics bit for bit, no line twice or missing; and no fault may cost more than the steps since
the last checkpoint. All faults come from one seed, but where they strike depends on the machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from tiny import Fault, tiny_config, train, train_and_die, train_as, write_data

from electra.config import PretrainConfig
from electra.core.hardware import provenance
from electra.core.runs import read_metrics
from electra.core.storage import write_json
from electra.training.checkpoint import checkpoints, fault_of

STEPS, SAVE, STRIKES = 30, 3, 15  # steps, steps between checkpoints, most faults of a run
HANGS = 300.0  # seconds after which something is wrong
TIMES = ("seconds", "tokens_per_second")
Processes = list[multiprocessing.Process]


class Storm:
    """Faults on one run after the other, and what they cost."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng = folder, random.Random(seed)
        self.context: Any = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(
            ["tiny", "electra.pretraining.run", "matplotlib.figure", "torch.distributed"]
        )
        self.data = write_data(folder / "data")
        self.faults: Counter[str] = Counter()
        self.kills, self.runs, self.wrong, self.is_torn = 0, 0, [], False
        self.lost: list[int] = []
        self.seconds: list[float] = []  # from a start to the first step that is new

    def config(self, name: str) -> PretrainConfig:
        """A run with a checkpoint every third step."""
        changes = dict(train_batch_size=8, sum="exact", train_steps=STEPS, save_steps=SAVE, log_steps=1, eval_steps=10)
        return tiny_config(self.data, self.folder / name, **changes)

    def survive(self) -> None:
        """Disturb a run until it has ended, and compare it with the undisturbed one."""
        config, strikes = self.config(f"run-{self.runs}"), 0
        self.out = out = Path(config.out)
        while not (out / "report.html").exists():  # the last file of a run
            fault = self.rng.choice(FAULTS) if strikes < STRIKES else calm
            self.before, self.started, self.is_new = max(last_line(out), newest(out)), time.perf_counter(), False
            processes = fault(self, config)
            self.watch(processes, HANGS)
            if time.perf_counter() > self.started + HANGS:
                self.wrong.append(f"{out.name}: hangs after {fault.__name__}")
            self.end(processes)
            if fault is not calm:
                self.faults[fault.__name__] += 1
                self.kills += fault in KILLS
                strikes += 1
            self.tear(out)
        self.runs += 1
        difference = differs(out, self.folder / "calm")
        if difference:
            self.wrong.append(f"{out.name}: {difference}")
        shutil.rmtree(out)

    def watch(self, processes: Processes, seconds: float) -> None:
        """Wait until one has ended, or for some seconds; note when the first step came that is new."""
        while all(process.is_alive() for process in processes) and time.perf_counter() < self.started + seconds:
            if not self.is_new and last_line(self.out) > self.before:
                self.is_new = True
                self.seconds.append(round(time.perf_counter() - self.started, 2))
            time.sleep(0.01)

    def end(self, processes: Processes) -> None:
        """End what is left, as torchrun does when one process has died."""
        for action in (multiprocessing.Process.terminate, multiprocessing.Process.kill):
            for process in processes:
                process.join(5)
                action(process)
        for process in processes:
            process.join()

    def tear(self, out: Path) -> None:
        """Note what a fault has cost; sometimes tear the newest of two checkpoints, or flip a bit of it."""
        whole = [path for path in checkpoints(out / "checkpoints") if fault_of(path) is None]
        if not self.is_torn:  # that cost more, and was no fault of the run
            self.lost.append(max(0, last_line(out) - (step_of(whole[-1]) if whole else 0)))
        self.is_torn = False
        if len(whole) > 1 and self.rng.random() < 0.2 and not (out / "report.html").exists():
            file = whole[-1] / self.rng.choice(["weights.safetensors", "optimizer.safetensors", "state.json"])
            content = bytearray(file.read_bytes())
            if self.rng.random() < 0.5:
                del content[len(content) // 2 :]
                self.faults["torn checkpoint"] += 1
            else:
                content[self.rng.randrange(len(content))] ^= 1 << self.rng.randrange(8)
                self.faults["flipped bit"] += 1
            file.write_bytes(content)
            self.is_torn = True

    def together(self, config: PretrainConfig, fault: Fault | None = None) -> Processes:
        """Start two processes that train together."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        arguments = [(rank, 2, port, [config], fault) for rank in range(2)]
        return self.begun(*((train_as, given) for given in arguments))

    def begun(self, *calls: tuple[Callable[..., None], tuple[Any, ...]]) -> Processes:
        processes = [self.context.Process(target=function, args=given) for function, given in calls]
        for process in processes:
            process.start()
        return processes


# -- faults: each starts the run and strikes it ------------------------------------------------------------------------


def calm(storm: Storm, config: PretrainConfig) -> Processes:
    return storm.begun((train, (config,)))


def kill_9(storm: Storm, config: PretrainConfig) -> Processes:
    """At a random time, also while starting."""
    (process,) = storm.begun((train, (config,)))
    storm.watch([process], storm.rng.expovariate(0.3))
    process.kill()
    return [process]


def kill_9_one_of_two(storm: Storm, config: PretrainConfig) -> Processes:
    processes = storm.together(config)
    storm.watch(processes, storm.rng.expovariate(0.2))
    storm.rng.choice(processes).kill()
    return processes


def kill_9_both_of_two(storm: Storm, config: PretrainConfig) -> Processes:
    processes = storm.together(config)
    storm.watch(processes, storm.rng.expovariate(0.2))
    for process in processes:
        process.kill()
    return processes


def kill_9_at_a_change_of_the_disk(storm: Storm, config: PretrainConfig) -> Processes:
    """Before an fsync, rename, unlink, mkdir ..., as inside a save."""
    return storm.begun((train_and_die, (config, storm.rng.randint(5, 150))))


def full_disk(storm: Storm, config: PretrainConfig) -> Processes:
    return storm.together(config, Fault("full", 0, newest(Path(config.out)) + storm.rng.randint(0, 6)))


def sigterm_storm(storm: Storm, config: PretrainConfig) -> Processes:
    processes = storm.together(config)
    storm.watch(processes, storm.rng.expovariate(0.2))
    for _ in range(storm.rng.randint(1, 6)):
        storm.rng.choice(processes).terminate()
        time.sleep(storm.rng.uniform(0, 0.05))
    return processes


def two_runs_in_one_folder(storm: Storm, config: PretrainConfig) -> Processes:
    """The second is refused, the first is killed."""
    processes = storm.begun((train, (config,)), (train, (config,)))
    storm.watch(processes[:1], storm.rng.expovariate(0.3))
    for process in processes:
        process.kill()
    return processes


KILLS = (kill_9, kill_9_one_of_two, kill_9_both_of_two, kill_9_at_a_change_of_the_disk, two_runs_in_one_folder)
FAULTS = (*KILLS, *KILLS, full_disk, sigterm_storm)

# -- what is left ------------------------------------------------------------------------------------------------------


def newest(out: Path) -> int:
    """The step of the newest whole checkpoint."""
    return max((step_of(path) for path in checkpoints(out / "checkpoints") if fault_of(path) is None), default=0)


def step_of(path: Path) -> int:
    return int(path.name[5:])


def last_line(out: Path) -> int:
    """The step of the last whole line of metrics."""
    file = out / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return max((json.loads(line)["step"] for line in lines if line.endswith("}")), default=0)


def differs(out: Path, calm: Path) -> str:
    """In what a run is not the undisturbed one."""
    mine, theirs = ([{k: v for k, v in m.items() if k not in TIMES} for m in read_metrics(run)] for run in (out, calm))
    if mine != theirs:
        return "metrics"
    checkpoint = f"checkpoints/step-{STEPS:08d}"
    names = (f"{checkpoint}/weights.safetensors", f"{checkpoint}/optimizer.safetensors", "model/model.safetensors")
    unlike = [name for name in names if (out / name).read_bytes() != (calm / name).read_bytes()]
    return ", ".join(unlike + [str(p) for p in out.rglob("*partial*")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop earlier than --kills")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        storm = Storm(Path(folder), options.seed)
        (process,) = storm.begun((train, (storm.config("calm"),)))
        process.join()
        while storm.kills < options.kills and time.monotonic() - begun < 60 * options.minutes and not storm.wrong:
            storm.survive()
            seconds = time.monotonic() - begun
            print(f"{seconds:.0f} s, {storm.runs} runs, {storm.kills} kills, {storm.wrong or 'all equal'}", flush=True)
    result = {
        "kills": storm.kills, "faults": dict(storm.faults), "runs": storm.runs, "wrong": storm.wrong,
        "save_steps": SAVE, "most_steps_lost": max(storm.lost), "load": os.getloadavg()[1],
        "seconds_to_a_new_step": {"median": statistics.median(storm.seconds), "most": max(storm.seconds)},
        **provenance(),
    }  # fmt: skip
    if options.out:
        write_json(options.out, result)
    print(json.dumps(result, indent=2))
    sys.exit(bool(storm.wrong))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
