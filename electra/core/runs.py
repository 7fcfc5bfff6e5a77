"""What a run has written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def last_evaluation(folder: Path) -> dict[str, float]:
    """The newest held-out metrics of a run."""
    lines = read_metrics(folder)
    found = [line for line in lines if line["kind"] == "eval"]
    return {k: v for k, v in found[-1].items() if k != "kind"} if found else {}
