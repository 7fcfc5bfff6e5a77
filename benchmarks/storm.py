"""A storm of faults on small runs, which must end as if nothing had been; benchmarks/chaos.py measures with it."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from faults import become, library, train_armed
from tiny import flags, tiny_config, write_data

from electra.config import PretrainConfig
from electra.core.runs import read_metrics
from electra.training.checkpoint import checkpoints, fault_of

STEPS, SAVE = 30, 3  # steps, steps between checkpoints
HANGS = 300.0  # seconds after which something is wrong
FORKED, COMMAND = "process that has imported all", "command"
TIMES = ("seconds", "tokens_per_second")
ENDS = {0, 5, 6, 75, -signal.SIGTERM, -signal.SIGKILL}  # of a run that a fault has met
Processes = list[Any]
FaultOfRun = Callable[["Storm", PretrainConfig], Processes]  # start a run and strike it; return what is left of it


class Storm:
    """Faults on one run after the other, and what they cost."""

    def __init__(self, folder: Path, seed: int, strikes: int = 15) -> None:
        self.folder, self.rng, self.strikes = folder, random.Random(seed), strikes  # most faults of a run
        self.built = library(folder)
        self.context: Any = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(
            ["faults", "electra.pretraining.run", "matplotlib.figure", "torch.distributed"]
        )
        self.data = write_data(folder / "data")
        self.runs, self.kills, self.is_torn = 0, 0, False
        self.wrong: list[str] = []
        self.faults: Counter[str] = Counter()
        self.lost: list[int] = []
        self.seconds: dict[str, list[float]] = {FORKED: [], COMMAND: []}  # from a start to the first step that is new
        self.calm = self.config("calm")
        with self.preloaded():
            self.require_end(self.calm, self.processes(self.calm))

    def config(self, name: str) -> PretrainConfig:
        """A run with a checkpoint every third step."""
        changes = dict(train_batch_size=8, sum="exact", train_steps=STEPS, save_steps=SAVE, log_steps=1, eval_steps=10)
        return tiny_config(self.data, self.folder / name, **changes)

    @contextlib.contextmanager
    def preloaded(self) -> Any:
        """Have the server of forks, which starts with the first of them, load the library of faults."""
        os.environ |= {"LD_PRELOAD": str(self.built)} if self.built else {}
        yield
        os.environ.pop("LD_PRELOAD", None)

    # -- one run -------------------------------------------------------------------------------------------------------

    def survive(self, faults: dict[FaultOfRun, int]) -> None:
        """Disturb a run by faults, each as often as its weight says, until it has ended; compare it with the calm."""
        config, strikes, is_over = self.config(f"run-{self.runs}"), 0, False
        while not is_over and not self.wrong:
            (fault,) = self.rng.choices([*faults], [*faults.values()])
            if strikes == self.strikes:
                fault = Storm.unharmed
            strikes += 1
            self.begin(config)
            codes = self.end(fault(self, config))
            self.faults[fault.__name__] += 1
            self.require(set(codes) <= ENDS, f"{fault.__name__}: exit codes {codes}")
            is_over = bool(codes) and not any(codes) and newest(self.out) == STEPS
            self.require(is_over or fault is not Storm.unharmed, "cannot continue")
            self.note_loss()
            if not is_over:
                self.damage_checkpoint()
        if is_over:  # a run that was given up on the way is not the undisturbed one, and its difference says nothing
            self.compare(config)

    def begin(self, config: PretrainConfig) -> None:
        """Note where a run is before it is started again, and whether as a fork or as a command."""
        self.out = Path(config.out)
        self.before, self.started, self.is_new = max(last_line(self.out), newest(self.out)), time.perf_counter(), False
        self.kind = COMMAND if self.rng.random() < 0.2 else FORKED

    def compare(self, config: PretrainConfig) -> None:
        """Require that the run is the undisturbed one; delete it."""
        self.runs += 1
        difference = differs(Path(config.out), Path(self.calm.out))
        self.require(not difference, f"differs: {difference}")
        if not self.wrong:
            shutil.rmtree(config.out)

    def require(self, holds: bool, what: str) -> None:
        """Note what is wrong, with the last that was said."""
        if not holds:
            said = [file.read_text()[-500:] for file in self.out.parent.glob(self.out.name + ".said*")]
            self.wrong.append(f"{self.out.name}: {what}; said: {said}".replace(f"{self.folder}/", ""))

    def require_end(self, config: PretrainConfig, processes: Processes) -> None:
        """Wait for a run that nothing disturbs any more."""
        self.out, self.started, self.is_new = Path(config.out), time.perf_counter(), True
        codes = self.end(processes)
        self.require(not any(codes), f"cannot continue: exit codes {codes}")

    # -- processes -----------------------------------------------------------------------------------------------------

    def processes(self, config: PretrainConfig, size: int = 1, environment: dict[str, str] | None = None) -> Processes:
        """Start processes that train together, the first in an environment."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.kind, each = FORKED, [environment or {}, *([{}] * (size - 1))]
        return self.begun(*((train_armed, (rank, size, port, config, each[rank])) for rank in range(size)))

    def command(self, config: PretrainConfig, *before: str, **environment: str) -> Any:
        """Start the command line, or what runs it."""
        words = [*before, "-m", "electra", "pretrain", *flags(config)]
        return self.begun((become, (words, Path(config.out).with_suffix(".said"), environment)))[0]

    def begun(self, *calls: tuple[Callable[..., None], tuple[Any, ...]]) -> Processes:
        processes = [self.context.Process(target=function, args=given) for function, given in calls]
        for process in processes:
            process.start()
        return processes

    def any(self, config: PretrainConfig, environment: dict[str, str] | None = None) -> Processes:
        """Start one process or two, as forks or one as a command."""
        if self.kind == COMMAND:
            return [self.command(config, **environment or {})]
        return self.processes(config, self.rng.choice([1, 2]), environment)

    def watch(self, processes: Processes, seconds: float) -> None:
        """Wait until one has ended, or for some seconds; note when the first step came that is new."""
        end = time.perf_counter() + seconds
        while processes and all(process.is_alive() for process in processes) and time.perf_counter() < end:
            if not self.is_new and last_line(self.out) > self.before:
                self.is_new = True
                self.seconds[self.kind].append(round(time.perf_counter() - self.started, 2))
            time.sleep(0.01)
        self.require(seconds < HANGS or time.perf_counter() < end, "hangs")

    def some_time(self, processes: Processes) -> None:
        """Wait for a random time; every third time until a step is new, so that these starts count with all."""
        if self.rng.random() < 1 / 3:
            self.until_new(processes)
        self.watch(processes, self.rng.expovariate(1.0))

    def until_new(self, processes: Processes) -> None:
        """Wait for the first step that is new."""
        while not self.is_new and all(process.is_alive() for process in processes):
            self.watch(processes, 0.02)

    def unharmed(self, config: PretrainConfig) -> Processes:
        """Start a run and strike it with nothing."""
        return self.any(config)

    def kill(self, *processes: Any) -> None:
        """Kill processes as the kernel does, and count it."""
        for process in processes:
            self.kills += process.is_alive()
            process.kill()

    def end(self, processes: Processes) -> list[int]:
        """Wait until one has ended, and end the others, as torchrun does; return the exit codes."""
        self.watch(processes, HANGS)
        for action in (multiprocessing.Process.terminate, multiprocessing.Process.kill):
            for process in processes:
                process.join(5)
                action(process)
        for process in processes:
            process.join()
        return [process.exitcode for process in processes]

    # -- what it cost --------------------------------------------------------------------------------------------------

    def note_loss(self) -> None:
        """Note the steps that must be taken again; not after a checkpoint was damaged, which the run could not help."""
        if not self.is_torn:
            self.lost.append(max(0, last_line(self.out) - newest(self.out)))
        self.is_torn = False

    def damage_checkpoint(self) -> None:
        """Sometimes tear a file of the newest of two checkpoints, or flip a bit of it."""
        whole = [path for path in checkpoints(self.out / "checkpoints") if fault_of(path) is None]
        if len(whole) > 1 and self.rng.random() < 0.2:
            self.is_torn = True
            damaged = self.rng.choice(["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
            self.faults[f"checkpoint {self.damage(whole[-1] / damaged)}"] += 1

    def damage(self, file: Path) -> str:
        """Cut a file short, or flip a bit of it; say which."""
        content, is_torn = bytearray(file.read_bytes()), self.rng.random() < 0.5
        if is_torn:
            del content[len(content) // 2 :]
        else:
            content[self.rng.randrange(len(content))] ^= 1 << self.rng.randrange(8)
        file.write_bytes(content)
        return "torn" if is_torn else "with a flipped bit"


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
