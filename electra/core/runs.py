"""Read the metrics of a run: metrics.jsonl has one JSON object per line, of kind "train" or "eval"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Return all lines of the metrics.jsonl of a run, in order."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def last_evaluation(folder: Path) -> dict[str, float]:
    """Return the latest held-out metrics of a run without their kind; empty before the first evaluation."""
    evaluations = [line for line in read_metrics(folder) if line["kind"] == "eval"]
    return {name: value for name, value in evaluations[-1].items() if name != "kind"} if evaluations else {}
