"""Faults of the machine below a run: system calls that kill, fail or lie (fault.c)."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tiny import train_as

from electra.config import PretrainConfig

SOURCE = Path(__file__).with_name("fault.c")


@functools.cache
def library(folder: Path) -> Path | None:
    """Build the library in a folder; None without a C compiler."""
    compiler, built = shutil.which("cc"), folder / "fault.so"
    if not compiler or sys.platform != "linux":
        return None
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", built, SOURCE, "-ldl"], check=True)
    return built


def armed(built: Path, out: Path, fault: str, call: int, seconds: int = 0) -> dict[str, str]:
    """The environment in which the `call`th change of files in a run's folder meets a fault."""
    where = {"CHAOS_FOLDER": f"{out}/", "CHAOS_FAULT": fault, "CHAOS_CALL": str(call), "LD_PRELOAD": str(built)}
    return where | ({"CHAOS_SECONDS": str(seconds)} if fault == "clock" else {})


# -- what a child process does: here, so that it imports nothing of pytest ---------------------------------------------


def train_armed(rank: int, size: int, port: int, config: PretrainConfig, environment: dict[str, str]) -> None:
    """Train as one process of several, by the command line, in an environment."""
    os.environ.update(environment)
    train_as(rank, size, port, [config])


def become(words: list[str], said: Path, environment: dict[str, str]) -> None:
    """Be a command of this Python from now on, which says what it has to say to a file."""
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(environment)
    os.execv(sys.executable, [sys.executable, *words])
