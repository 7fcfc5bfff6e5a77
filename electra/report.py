"""report.html of a run: its curves and example texts on one page that needs nothing else."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from electra.detect import page
from electra.storage import write_atomically

CURVES = {
    "losses": ("gen_loss", "disc_loss"),
    "detection": ("disc_auc", "disc_recall", "disc_precision", "gen_accuracy"),
}


def write_report(run: Path, path: Path, *parts: str) -> None:
    """Write the page: the curves of `run`, then `parts`, which are HTML."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    with write_atomically(path, "w") as file:
        file.write(page(f"ELECTRA: {run.name}", "".join([*parts, "<h2>Training</h2>", *(curves(lines))])))


def curves(lines: list[dict[str, Any]]) -> list[str]:
    """One picture for each group of metrics: training as a line, held-out text as points."""
    return [picture(title, [n for n in names if any(n in line for line in lines)], lines) for title, names in CURVES.items()]


def picture(title: str, names: list[str], lines: list[dict[str, Any]]) -> str:
    """Metrics against steps as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.8 * max(1, len(names) if title == "losses" else 1)), layout="constrained")
    axes = figure.subplots(len(names) if title == "losses" else 1, squeeze=False).ravel()
    for i, name in enumerate(names):
        axis = axes[i % len(axes)]
        for kind, style in (("train", "-"), ("eval", "o")):
            points = [(line["step"], line[name]) for line in lines if line["kind"] == kind and name in line]
            axis.plot(*zip(*points, strict=True), style, label=f"{name} ({kind})", color=f"C{i}", markersize=4) if points else None
        axis.set_xlabel("step")
        axis.legend()
        axis.grid(alpha=0.3)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]
