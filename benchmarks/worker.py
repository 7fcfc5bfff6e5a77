"""A process that gets ready, says so, and measures a round whenever it is asked; it says JSON, a line each."""

from __future__ import annotations

import json
import subprocess
from typing import Any


class Worker:
    """One implementation in its process; it measures when asked."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.about = self.answer()
        self.seconds: list[float] = []

    def answer(self) -> dict[str, Any]:
        """The next line it says."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def measure(self) -> None:
        """Let it run a round; keep the seconds of a step."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.seconds.append(self.answer()["seconds"])

    def end(self) -> float:
        """Its peak memory in MB."""
        self.process.stdin.close()
        peak = self.answer()["peak_memory_mb"]
        self.process.wait()
        return peak
