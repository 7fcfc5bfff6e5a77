"""Two network namespaces with a cable between them, as two hosts: needs root and the command ip."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
from tiny import flags

from electra.config import PretrainConfig

ADDRESSES = ["10.77.0.1", "10.77.0.2"]
RECIPE = Path(__file__).parents[1] / "recipes/two_hosts.sh"


@contextlib.contextmanager
def two_hosts() -> Iterator[list[str]]:
    """Make two hosts; yield their names, or none where that is not allowed."""
    names = [f"electra-{os.getpid()}-{n}" for n in "ab"]
    made = subprocess.run(["ip", "netns", "add", names[0]], capture_output=True) if shutil.which("ip") else None
    if made is None or made.returncode:
        yield []
        return
    try:
        ip("netns", "add", names[1])
        ip("link", "add", "cable-a", "netns", names[0], "type", "veth", "peer", "name", "cable-b", "netns", names[1])
        for name, card, address in zip(names, ("cable-a", "cable-b"), ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", card)
            for link in ("lo", card):
                ip("-n", name, "link", "set", link, "up")
        yield names
    finally:
        for name in names:
            for left in subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(left), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], check=False)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def plug(names: list[str], state: str) -> None:
    """Pull the cable (down), or put it in again (up)."""
    ip("-n", names[1], "link", "set", "cable-b", state)


def start_hosts(names: list[str], config: PretrainConfig) -> list[subprocess.Popen[str]]:
    """Start the recipe on both hosts; the second writes to nowhere."""
    started = []
    for rank, host in enumerate(names):
        settings = {"FIRST": ADDRESSES[0], "ADDRESS": ADDRESSES[rank], "RANK": str(rank), "SHUTDOWN": "5",
                    "INTERFACE": f"cable-{'ab'[rank]}", "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}  # fmt: skip
        mine = config if rank == 0 else replace(config, out=config.out + "-of-no-one")
        started.append(
            subprocess.Popen(
                ["ip", "netns", "exec", host, str(RECIPE), *flags(mine)],
                env=os.environ | settings, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    return started


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that train below a recipe."""
    found = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    return [process for process in found if is_worker(process)]


def is_worker(process: psutil.Process) -> bool:
    """Whether a process trains; one that has ended, and for which its torchrun has not asked yet, does not."""
    with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one
        words = process.cmdline()
        return "electra" in words and "torch.distributed.run" not in words
    return False


def cut_off(names: list[str], started: list[subprocess.Popen[str]]) -> bool:
    """Pull the cable; wait for a minute until the processes of both hosts have ended and said why.

    Return whether those of the second have.
    """
    plug(names, "down")
    end = time.monotonic() + 60
    while any(map(workers_of, started)) and time.monotonic() < end:
        time.sleep(0.5)
    return not workers_of(started[1])


def end_hosts(started: list[subprocess.Popen[str]], seconds: float = 20.0) -> list[str]:
    """Ask both to end and return what they said; kill a torchrun that waits for the store on the other host."""
    told = []
    for process in started:
        process.terminate()
    for process in started:
        try:
            told.append(process.communicate(timeout=seconds)[1])
        except subprocess.TimeoutExpired:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            told.append(process.communicate()[1])
    return told
