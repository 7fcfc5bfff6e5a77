"""Draw the plots of the documentation from results/*.json: `python docs/plots.py`.

Text and axes take a dark or a light ink by the reader's colour scheme, through a style sheet inside the SVG.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PLOTS = ROOT / "results", ROOT / "docs" / "plots"
INK, FAINT, DARK_INK, DARK_FAINT = "#24292f", "#d0d4da", "#e6e8eb", "#474d57"
OURS, BERT, SCRATCH, COUNTS = "#2f81d6", "#e07b39", "#9aa0a8", "#2e9e6b"
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "electra", "font.family": "sans-serif", "font.size": 11,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": FAINT, "axes.labelcolor": INK,
    "axes.titlesize": 11, "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.titlecolor": INK,
    "text.color": INK, "xtick.color": INK, "ytick.color": INK, "xtick.major.size": 0, "ytick.major.size": 0,
    "axes.grid": True, "grid.color": FAINT, "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False,
    "lines.linewidth": 2,
}  # fmt: skip
SCHEME = f"""<style>@media (prefers-color-scheme: dark) {{
 [style*="fill: {INK}"] {{ fill: {DARK_INK} !important }}
 [style*="stroke: {INK}"] {{ stroke: {DARK_INK} !important }}
 [style*="stroke: {FAINT}"] {{ stroke: {DARK_FAINT} !important }}
}} text {{ font-family: system-ui, sans-serif !important }}</style>"""


def main(folder: Path = PLOTS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PLOT.items():
        with plt.rc_context(STYLE):
            save(draw(), folder / f"{name}.svg")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, the same bytes each time, with the style sheet of the colour schemes."""
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    head, tail = path.read_text(encoding="utf-8").split("<defs>", 1)
    path.write_text(f"{head}{SCHEME}<defs>{tail}", encoding="utf-8")


def result(name: str) -> Any:
    """Return the content of a file in results/."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def lines(name: str) -> list[dict[str, Any]]:
    """Return the objects in a file of JSON lines in results/."""
    return [json.loads(line) for line in (RESULTS / name).read_text(encoding="utf-8").splitlines()]


# -- quality against minutes -------------------------------------------------------------------------------------------

MACHINES = {"demo_amx.json": ("plain ELECTRA, CPU with bf16", "-"),
            "demo_without_bf16.json": ("plain ELECTRA, CPU without bf16", "--")}  # fmt: skip


def quality() -> Figure:
    """Average precision of planted errors against minutes of training, beside bigram counts."""
    clock = result("backbones_clock_python_docs.json")
    seeds = [clock[f"modernbert,-memory-6min-{seed}"] for seed in range(3)]
    minutes, counts = mean(seed["seconds"] for seed in seeds) / 60, clock["bigram counts, 4096"]
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=True)
    for axes, kind, title in zip(
        panels, ("random", "misspelling"), ("random wrong words", "misspellings"), strict=True
    ):
        for file, (label, dashes) in MACHINES.items():
            way = result(file)["on_the_way"]
            precisions = [look[kind]["ap"] for look in way]
            axes.plot(
                [look["seconds"] / 60 for look in way],
                precisions,
                dashes,
                marker="o",
                markersize=4,
                color=SCRATCH,
                label=label,
            )
        precisions = [seed[kind]["ap"] for seed in seeds]
        middle = mean(precisions)
        reach = [[middle - min(precisions)], [max(precisions) - middle]]
        axes.errorbar(minutes, middle, reach, fmt="D", markersize=7, color=OURS, label="preset tiny, three seeds")
        axes.axhline(counts[kind]["ap"], color=COUNTS, linestyle=":", label="bigram counts of the same text")
        axes.set(title=title, xlabel="minutes of training", xlim=(0, 6.6), ylim=(0, 0.8), xticks=(0, 2, 4, 6))
    panels[0].set_ylabel("average precision")
    return with_legend(figure, panels[0])


# -- speed and memory --------------------------------------------------------------------------------------------------

PEERS = {"electra": "this package, bf16", "hf-bf16": "Hugging Face loop, bf16", "google": "TensorFlow code, fp32",
         "hf": "Hugging Face loop, fp32"}  # fmt: skip


def speed() -> Figure:
    """Tokens a second and memory of pre-training ELECTRA-Small, beside peers."""
    found = next(row for row in lines("pretrain_speed_amx.jsonl") if "hf-bf16" in row["ratio"])
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 2.4), sharey=True)
    columns = {"tokens/s": found["all_tokens_per_second"], "peak memory, GB": found["all_peak_memory_mb"]}
    for axes, (title, values) in zip(panels, columns.items(), strict=True):
        heights = [values[peer] / (1 if title == "tokens/s" else 1000) for peer in PEERS]
        bars = axes.barh(list(PEERS.values()), heights, color=[OURS, SCRATCH, SCRATCH, SCRATCH], height=0.62)
        axes.bar_label(bars, [f"{v:,.0f}" if v > 100 else f"{v:.1f}" for v in heights], padding=4, color=INK)
        axes.set(title=title, xlim=(0, 1.22 * max(heights)), xticks=())
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)
    panels[0].invert_yaxis()
    return figure


# -- a race ------------------------------------------------------------------------------------------------------------

RACERS = {"electra": ("ELECTRA", OURS), "mlm:mask_token_prob=0.8,random_token_prob=0.1": ("BERT", BERT)}
SCORES = {"ap_random": "random wrong words,\naverage precision", "ap_misspelling": "misspellings,\naverage precision",
          "sst2 accuracy": "sentiment (SST-2),\naccuracy", "ncbi_disease f1": "disease names,\nF1"}  # fmt: skip


def race() -> Figure:
    """Scores against operations, mean of three seeds with their range."""
    looks = result("race_efficiency.json")["results"]
    figure, panels = plt.subplots(2, 2, figsize=(7.2, 5.4), sharex=True)
    for axes, (score, title) in zip(panels.flat, SCORES.items(), strict=True):
        for racer, (label, color) in RACERS.items():
            flops, scores = curve(looks, racer, score)
            axes.plot(flops, scores.mean(0), color=color, marker="o", markersize=4, label=f"{label}, mean of 3 seeds")
            axes.fill_between(
                flops, scores.min(0), scores.max(0), color=color, alpha=0.2, label=f"{label}, their range"
            )
        axes.set_title(title)
    for axes in panels[1]:
        axes.set_xlabel("operations, TFLOP")
    return with_legend(figure, panels[0, 0])


def curve(looks: Sequence[dict[str, Any]], racer: str, score: str) -> tuple[Any, Any]:
    """Return the operations at each point, in TFLOP, and the scores there: [points], [seeds, points]."""
    mine = [look for look in looks if look["contestant"] == racer]
    seeds, points = sorted({look["seed"] for look in mine}), sorted({look["point"] for look in mine})
    found = {(look["seed"], look["point"]): look for look in mine}
    flops = np.array([found[seeds[0], point]["flops"] / 1e12 for point in points])
    return flops, np.array([[found[seed, point]["scores"][score] for point in points] for seed in seeds])


# -- tasks -------------------------------------------------------------------------------------------------------------

TASKS = {
    "stsb": "similarity of sentences (STS-B), Spearman", "ncbi_disease": "disease names (NCBI), F1",
    "conll2000": "chunks (CoNLL-2000), F1", "rte": "entailment (RTE), accuracy",
    "sick_nli": "entailment (SICK), accuracy", "sst2": "sentiment (SST-2), accuracy",
    "zh_waimai": "Chinese reviews (waimai), accuracy", "rct_sections": "sections of abstracts (RCT), accuracy",
    "ag_news": "news topics (AG News), accuracy", "banking77": "77 intents (banking77), accuracy",
    "qnli_derived:qnli/dev": "does it answer? (QNLI), accuracy",
    "squadshifts:xquad/xquad.en": "answers to questions (XQuAD), F1",
}  # fmt: skip
KINDS = {"pre-trained": ("ELECTRA", OURS, "o"), "BERT": ("BERT, as many operations", BERT, "s"),
         "from scratch": ("no pre-training", SCRATCH, "^")}  # fmt: skip


def tasks() -> Figure:
    """Median scores of fine-tuned tiny models, beside BERT, no pre-training and TF-IDF."""
    found = result("tasks_tiny.json")["results"]
    figure, axes = plt.subplots(figsize=(7.2, 6.0))
    places = np.arange(len(TASKS))
    for shift, (kind, (label, color, marker)) in zip((-0.2, 0, 0.2), KINDS.items(), strict=True):
        medians = [percent(found[f"{task}, {kind}"]["median"]) for task in TASKS]
        axes.plot(medians, places + shift, marker, color=color, markersize=7, label=label)
    counted = {place: counting(found[f"{task}, pre-trained"]) for place, task in enumerate(TASKS)}
    shown = {place: percent(score) for place, score in counted.items() if score}
    axes.plot(shown.values(), shown.keys(), "D", color=COUNTS, markersize=5, label="counting: TF-IDF, commonest tags")
    axes.set_yticks(places, list(TASKS.values()))
    axes.set(xlim=(0, 100))
    axes.invert_yaxis()
    return with_legend(figure, axes)


def percent(score: float) -> float:
    """Return a score of at most 1 in percent; those of SQuAD's metric are percentages already."""
    return 100 * score if score <= 1 else score


def counting(row: dict[str, Any]) -> float | None:
    """Return the score of the best baseline that learns by counting, or None where the task has none."""
    scores = [each["score"] for each in row["baselines"] if each["name"] != "majority" or row["task"] == "tagging"]
    return max(scores, default=None)


# -- formats -----------------------------------------------------------------------------------------------------------

FORMATS = {"torch": "PyTorch", "onnx": "onnx", "openvino": "openvino", "onnx-int8": "onnx-int8",
           "openvino-bf16": "openvino-bf16", "openvino-int8": "openvino-int8"}  # fmt: skip


def formats() -> Figure:
    """Speed, size and AUC of ELECTRA-Small in each exported format."""
    measured = result("inference_speed.json")["shapes"]["1x128"]
    written = {each["format"]: each for each in result("export_small.json")["formats"]}
    torch_auc = next(each["torch"] for each in written.values() if "torch" in each)
    columns = {
        "tokens/s": [measured[name]["tokens_per_second"] for name in FORMATS],
        "MB on disk": [written.get(name, {}).get("megabytes", 0) for name in FORMATS],
        "AUC": [written.get(name, {}).get("score", torch_auc) for name in FORMATS],
    }
    figure, panels = plt.subplots(1, 3, figsize=(7.2, 3.0), sharey=True)
    for axes, (title, values) in zip(panels, columns.items(), strict=True):
        bars = axes.barh(list(FORMATS.values()), values, color=[SCRATCH, *[OURS] * 5], height=0.62)
        axes.bar_label(bars, [label_of(value) for value in values], padding=4, color=INK)
        axes.set(title=title, xlim=(0, 1.35 * max(values)), xticks=())
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)
    panels[0].invert_yaxis()
    return figure


def label_of(value: float) -> str:
    """Return a number as the bars show it; the size of PyTorch's folder is not in the results."""
    return "" if not value else f"{value:.3f}" if value < 1 else f"{value:,.0f}"


def with_legend(figure: Figure, axes: Axes) -> Figure:
    """Put the legend of one panel below the figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.tight_layout()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2)
    return figure


PLOT = {"quality": quality, "speed": speed, "race": race, "tasks": tasks, "formats": formats}

if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
