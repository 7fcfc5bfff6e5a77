"""report.html of a run: curves and example texts on one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from electra.config import PretrainConfig
from electra.core.html import page, svg_of
from electra.core.runs import read_metrics
from electra.core.storage import write_atomically
from electra.evaluation.replacements import replaced_examples
from electra.inference.detector import Detector
from electra.inference.marked_text import marked_html
from electra.inference.words import Word

CURVES = {
    "losses": ("gen_loss", "mlm_loss", "disc_loss"),
    "detection": ("disc_auc", "disc_recall", "disc_precision", "gen_accuracy", "mlm_accuracy"),
}
EXAMPLES = 12
SHOWN = 512  # tokens of an example; finding their places takes time quadratic in their number


def write_report(run: Path, path: Path, *parts: str) -> None:
    """Write a page with `parts`, pieces of HTML, followed by the curves of `run`."""
    lines = read_metrics(run)
    with write_atomically(path, "w") as file:
        file.write(page(f"ELECTRA: {run.name}", "".join([*parts, "<h2>Training</h2>", *(curves(lines))])))


def examples_html(model: Detector, config: PretrainConfig) -> str:
    """Return the start of held-out rows: replacements outlined, tokens shaded by the probability of being replaced."""
    parts = [f"<h2>Held-out text with the generator's replacements (outlined), at most {SHOWN} tokens of each</h2>"]
    assert model.generator is not None
    count = max(1, EXAMPLES * SHOWN // max(SHOWN, model.longest))  # one forward pass, with logits over the vocabulary
    rows, labels = replaced_examples(model.generator, model.tokenizer, config, count)
    scores = model.replaced([model.row(ids) for ids in rows])
    for ids, is_replaced, probabilities in zip(rows, labels, scores, strict=True):
        ids = ids[:SHOWN]
        words = tokens_in_text(model, ids, probabilities[1 : len(ids) + 1].tolist())
        wrong = frozenset(word.start for word, yes in zip(words, is_replaced[:SHOWN], strict=True) if yes)
        text = model.tokenizer.backend.decode(ids, skip_special_tokens=False)
        parts.append(marked_html(text, words, model.threshold, wrong))
    return "".join(parts)


def tokens_in_text(model: Detector, ids: list[int], probabilities: list[float]) -> list[Word]:
    """Return each token with its position in the decoded text, for any kind of tokeniser."""
    words, end = [], 0
    for number, p in enumerate(probabilities, 1):
        text = model.tokenizer.backend.decode(ids[:number], skip_special_tokens=False)
        start = end + len(text[end:]) - len(text[end:].lstrip())
        words.append(Word(text[start:], start, len(text), p, ()))
        end = len(text)
    return words


def curves(lines: list[dict[str, Any]]) -> list[str]:
    """Return a plot for each group of metrics: training as a line, held-out text as points."""
    return [
        picture(title, [n for n in names if any(n in line for line in lines)], lines) for title, names in CURVES.items()
    ]


def picture(title: str, names: list[str], lines: list[dict[str, Any]]) -> str:
    """Return the curves of metrics over steps as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.8 * max(1, len(names) if title == "losses" else 1)), layout="constrained")
    axes = figure.subplots(len(names) if title == "losses" else 1, squeeze=False).ravel()
    for i, name in enumerate(names):
        axis = axes[i % len(axes)]
        for kind, style in (("train", "-"), ("eval", "o")):
            points = [(line["step"], line[name]) for line in lines if line["kind"] == kind and name in line]
            axis.plot(
                *zip(*points, strict=True), style, label=f"{name} ({kind})", color=f"C{i}", markersize=4
            ) if points else None
        axis.set_xlabel("step")
        axis.legend()
        axis.grid(alpha=0.3)
    return svg_of(figure)
