"""The faults of benchmarks/chaos.py: each starts a run, strikes it, and returns the processes that are left to end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from faults import armed
from hosts import cut_off, end_hosts, start_hosts, two_hosts
from storm import HANGS, STEPS, FaultOfRun, Processes, Storm, last_line, newest

from electra.config import PretrainConfig

MEMORY = Path("/sys/fs/cgroup/memory")  # of control groups, version 1


def kill_9(storm: Storm, config: PretrainConfig) -> Processes:
    """One process, at a random time, also while starting; sometimes of two."""
    processes = storm.any(config)
    storm.some_time(processes)
    storm.kill(storm.rng.choice(processes))
    return processes


def kill_9_all(storm: Storm, config: PretrainConfig) -> Processes:
    processes = storm.processes(config, 2)
    storm.some_time(processes)
    storm.kill(*processes)
    return processes


def kill_9_inside_a_system_call(storm: Storm, config: PretrainConfig) -> Processes:
    processes = storm.any(config, armed(storm.built, storm.out, "kill", storm.rng.randint(1, 200)))
    storm.kills += -signal.SIGKILL in storm.end(processes)
    return processes


def out_of_memory(storm: Storm, config: PretrainConfig) -> Processes:
    """The kernel kills one of two, whose group has no memory left."""
    processes = storm.processes(config, 2)
    storm.some_time(processes)
    group = MEMORY / f"chaos-{os.getpid()}"
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text("100000")
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        (group / "cgroup.procs").write_text(str(storm.rng.choice(processes).pid))
    storm.kills += -signal.SIGKILL in storm.end(processes)
    group.rmdir()
    return processes


def kill_9_of_the_agent(storm: Storm, config: PretrainConfig) -> Processes:
    """torchrun dies; its processes must notice, save and end, as nobody would start them again."""
    agent, workers = torchrun(storm, config)
    storm.kill(agent)
    left = psutil.wait_procs(workers, 60)[1]
    storm.require(not left, "orphans of torchrun go on")
    return [agent]


def kill_9_below_an_agent(storm: Storm, config: PretrainConfig) -> Processes:
    """One of two processes dies; torchrun starts both again, and the run ends by itself."""
    agent, workers = torchrun(storm, config)
    if workers:
        storm.rng.choice(workers).kill()
        storm.kills += 1
        codes = storm.end([agent])
        storm.require(codes == [0], f"torchrun does not continue: exit codes {codes}")
    return [agent]


def torchrun(storm: Storm, config: PretrainConfig) -> tuple[Any, list[psutil.Process]]:
    """Start two processes by torchrun and wait for a step; return the agent and the processes."""
    storm.is_new = True  # a start of torchrun is not one of the others
    agent = storm.command(config, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
                          "--max-restarts", "3", OMP_NUM_THREADS="1")  # fmt: skip
    while agent.is_alive() and last_line(storm.out) <= storm.before:
        time.sleep(0.01)
    found = psutil.Process(agent.pid).children(recursive=True) if agent.is_alive() else []
    return agent, [p for p in found if p.cmdline()[1:3] == ["-m", "electra"] or p.cmdline()[2:4] == ["-m", "electra"]]


def two_runs_in_one_folder(storm: Storm, config: PretrainConfig) -> Processes:
    """The second is refused, unless the first has finished, and the first is killed."""
    first = storm.any(config)
    storm.until_new(first)
    other = storm.processes(config)
    storm.watch([*first, *other], HANGS)
    is_first_alive = all(process.is_alive() for process in first)
    is_training = is_first_alive and not (Path(config.out) / "report.html").is_file()  # the last that a run writes
    storm.require(not is_training or other[0].exitcode == 2, "a second run is not refused")
    storm.kill(storm.rng.choice(first), *other)
    return first


def sigterm_storm(storm: Storm, config: PretrainConfig) -> Processes:
    processes = storm.any(config)
    storm.some_time(processes)
    for _ in range(storm.rng.randint(1, 6)):
        storm.rng.choice(processes).terminate()
        time.sleep(storm.rng.uniform(0, 0.05))
    return processes


def full_disk(storm: Storm, config: PretrainConfig) -> Processes:
    """From a random write on."""
    return storm.any(config, armed(storm.built, storm.out, "full", storm.rng.randint(1, 200)))


def disk_turned_read_only(storm: Storm, config: PretrainConfig) -> Processes:
    return storm.any(config, armed(storm.built, storm.out, "readonly", storm.rng.randint(1, 200)))


def clock_jumps(storm: Storm, config: PretrainConfig) -> Processes:
    """By up to ten years, to and fro; then a process is killed."""
    seconds = storm.rng.randint(-(10**8) * 3, 10**8 * 3)
    processes = storm.any(config, armed(storm.built, storm.out, "clock", storm.rng.randint(1, 60), seconds))
    storm.some_time(processes)
    storm.kill(storm.rng.choice(processes))
    return processes


def folder_vanishes(storm: Storm, config: PretrainConfig) -> Processes:
    """As a disk that is unmounted, and mounted again later."""
    processes, elsewhere = storm.any(config), storm.out.with_suffix(".gone")
    storm.until_new(processes)
    storm.watch(processes, storm.rng.expovariate(3.0))
    storm.out.rename(elsewhere)
    storm.end(processes)
    storm.require(not storm.out.exists(), f"made anew: {[*storm.out.rglob('*')]}")
    elsewhere.rename(storm.out)
    return processes


def damaged_shard(storm: Storm, config: PretrainConfig) -> Processes:
    """The run is refused, and the shard named, until it is whole again."""
    file = storm.rng.choice(sorted(storm.data.glob("*.npy")))
    content, said = file.read_bytes(), storm.out.with_suffix(".said0")
    storm.damage(file)
    codes = storm.end(storm.processes(config))
    is_named = said.read_text().splitlines()[-1].startswith(f"error: {file}")
    storm.require(codes == [2] and is_named, f"a damaged {file.name} is not refused: exit code {codes}")
    file.write_bytes(content)
    return []


def partition(storm: Storm, config: PretrainConfig) -> Processes:
    """Two hosts between which the cable is pulled for good."""
    with two_hosts() as names:
        started = start_hosts(names, replace(config, wait_minutes=0.1))
        while last_line(storm.out) <= storm.before and all(process.poll() is None for process in started):
            time.sleep(0.01)
        storm.require(cut_off(names, started), "the host that is cut off trains on")
        said = end_hosts(started)
    storm.require("has not answered" in said[0] or newest(storm.out) == STEPS, f"the other host is not named: {said}")
    return []


def possible(storm: Storm) -> dict[FaultOfRun, int]:
    """The faults that this machine allows, and how often each is taken."""
    faults: dict[FaultOfRun, int] = {
        kill_9: 50, kill_9_all: 20, two_runs_in_one_folder: 10, sigterm_storm: 15, folder_vanishes: 8,
        damaged_shard: 6, kill_9_of_the_agent: 3, kill_9_below_an_agent: 3,
    }  # fmt: skip
    if storm.built:
        faults |= {kill_9_inside_a_system_call: 50, full_disk: 15, disk_turned_read_only: 8, clock_jumps: 15}
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        faults |= {out_of_memory: 10}
    with two_hosts() as names:
        return faults | ({partition: 1} if names else {})
