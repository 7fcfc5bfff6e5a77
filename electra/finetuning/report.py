"""report.html of an evaluation: scores, and a confusion matrix or a precision-recall curve for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from matplotlib.figure import Figure

from electra.core.html import page, svg_of, table
from electra.tasks import find_task

SHOWN_LABELS = 20  # a larger matrix is unreadable
SHOWN_ERRORS = 20


def evaluation_html(parts: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]], about: Mapping[str, Any]) -> str:
    """Return the page for pairs of a result and its predictions, and what the evaluation was."""
    body = [header(parts[0][0], about)]
    for result, lines in parts:
        body.append(f"<h2>{escape(title_of(result))}</h2>{score_table(result)}")
        labelled = [line for line in lines if line["gold"] is not None]
        body += pictures(labelled) if labelled else []
    return page("Evaluation", "".join(body))


def header(first: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Return what was measured on what, when and with which code, and the first score."""
    score = f"{first['main_metric']} {find_task(first['task']).shown(first['kept'])}"
    config = about["config"]
    data = {"fine-tuned on": config["train"], "measured on": config["data"] or config["suite"] or config["dev"]}
    rows = {"model": about["model"], **data, "score": score, "time": about["time"], "commit": about["commit"]}
    return table(("", ""), [(name, str(value)) for name, value in rows.items() if value])


def pictures(lines: list[dict[str, Any]]) -> list[str]:
    """Return plots of a model's errors that suit its answers: labels, tags of words, or sets of labels."""
    first = lines[0]
    if "label" in first and isinstance(first["gold"], str):
        return [confusion(lines), precision_recall(lines), errors(lines)]
    if "tags" in first:
        words = [(gold, tag) for line in lines for gold, tag in zip(line["gold"], line["tags"], strict=True)]
        return [confusion([{"gold": gold, "label": tag} for gold, tag in words])]
    if "wrong" in first:
        pairs = [(tag != "c", p) for line in lines for (*_, tag), p in zip(line["gold"], line["wrong"], strict=True)]
        return [curve([yes for yes, _ in pairs], [p for _, p in pairs], "wrong words")]
    if "labels" in first:
        given = [(name in line["gold"], p) for line in lines for name, p in line["probabilities"].items()]
        return [curve([yes for yes, _ in given], [p for _, p in given], "all labels")]
    return []


def title_of(result: dict[str, Any]) -> str:
    """Return the task, and its split if that is not the dev set."""
    return str(result["task"]) + ("" if result["split"] == "dev" else f" ({result['split'].removeprefix('dev_')})")


def score_table(result: dict[str, Any]) -> str:
    """Return a row for every seed and every baseline."""
    shown = find_task(result["task"]).shown
    scored = [*result["seeds"], *result["baselines"]]
    rows = [(r["name"], shown(r["score"]), " to ".join(map(shown, r["interval"]))) for r in scored]
    return table((f"{result['examples']:,} examples", result["main_metric"], "95 % interval"), rows)


def confusion(lines: list[dict[str, Any]]) -> str:
    """Return the confusion matrix of the commonest labels, with answers in columns."""
    labels = sorted({line["gold"] for line in lines} | {line["label"] for line in lines})
    labels = sorted(labels, key=lambda x: -sum(line["gold"] == x for line in lines))[:SHOWN_LABELS]
    counts = [[sum(i["gold"] == g and i["label"] == a for i in lines) for a in labels] for g in labels]
    head = "".join(f"<th>{escape(label)}</th>" for label in labels)
    rows = [
        f"<tr><th>{escape(label)}</th>{''.join(cell(n, sum(row)) for n in row)}</tr>"
        for label, row in zip(labels, counts, strict=True)
    ]
    return f"<h3>Right label (row) and answer (column)</h3><table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def cell(count: int, total: int) -> str:
    """Return a cell, darker for a larger share of the row."""
    return f'<td style="background: rgb(65 105 225 / {0.7 * count / max(1, total):.2f})">{count}</td>'


def precision_recall(lines: list[dict[str, Any]]) -> str:
    """Return the curve of the rarer of two labels; '' for more."""
    labels = sorted({line["gold"] for line in lines})
    if len(labels) != 2 or not all(len(line.get("probabilities", ())) == 2 for line in lines):
        return ""
    rare = min(labels, key=lambda label: sum(line["gold"] == label for line in lines))
    return curve(
        [line["gold"] == rare for line in lines], [line["probabilities"].get(rare, 0.0) for line in lines], rare
    )


def curve(truth: Sequence[bool], scores: Sequence[float], name: str) -> str:
    """Draw precision against recall over all thresholds."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(truth, scores)
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axis = figure.subplots()
    axis.plot(recall, precision)
    axis.set(xlabel=f"recall of {name}", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axis.grid(alpha=0.3)
    return "<h3>Precision and recall</h3>" + svg_of(figure)


def errors(lines: list[dict[str, Any]]) -> str:
    """Return the most confident wrong answers."""
    wrong = sorted((line for line in lines if line["gold"] != line["label"]), key=lambda line: -line["score"])
    rows = [(" | ".join(x["texts"]), x["gold"], f"{x['label']} {x['score']:.2f}") for x in wrong[:SHOWN_ERRORS]]
    return "<h3>Most confident wrong answers</h3>" + table(("text", "right", "answer"), rows) if rows else ""
