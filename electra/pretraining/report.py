"""report.html of a run: what was trained, how well it does, its curves, and held-out text as it reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from electra.config import PretrainConfig
from electra.core.hardware import commit
from electra.core.html import page, svg_of, table
from electra.core.log import duration
from electra.core.runs import read_metrics
from electra.core.storage import write_atomically
from electra.evaluation.replacements import replaced_examples
from electra.inference.detector import Detector
from electra.inference.marked_text import marked_html
from electra.inference.words import Word

LOSSES = {
    "gen_loss": "loss of the generator",
    "mlm_loss": "loss of the masked language model",
    "disc_loss": "loss of the discriminator",
}
SHARES = {
    "disc_auc": "AUC: a replaced token is scored above a right one (chance: 0.5)",
    "disc_recall": "replaced tokens that are found, at 0.5",
    "disc_precision": "found tokens that were replaced, at 0.5",
    "gen_accuracy": "masked tokens that the generator predicts",
    "mlm_accuracy": "masked tokens that are predicted",
}
ALONE = {"gen_loss": "mlm_loss", "gen_accuracy": "mlm_accuracy"}  # names of a network that generates for no other
EXAMPLES = 6
SHOWN = 512  # tokens of an example; finding their places takes time quadratic in their number
WIDTH, HEIGHT = 8, 2.4  # inches of a plot


def write_report(run: Path, path: Path, first: str, last: str = "") -> None:
    """Write a page with the curves of a run between two pieces of HTML."""
    lines = metrics_of(run)
    curves = "".join(picture(names, lines) for names in (LOSSES, SHARES) if known(names, lines))
    with write_atomically(path, "w") as file:
        file.write(page(f"ELECTRA: {run.name}", f"{first}<h2>Training</h2>{curves}{last}"))


def metrics_of(run: Path) -> list[dict[str, Any]]:
    """Return the metrics of a run, those of a masked language model under its own names."""
    lines = read_metrics(run)
    if any("disc_loss" in line or "mlm_loss" in line for line in lines):
        return lines
    return [{ALONE.get(name, name): value for name, value in line.items()} for line in lines]


# -- what was trained --------------------------------------------------------------------------------------------------


def summary_html(run: Path, config: PretrainConfig) -> str:
    """Return what was trained, on what and for how long, and its scores on held-out text."""
    lines = metrics_of(run)
    return table(("", ""), about(config, lines[-1] if lines else {})) + scores_html(lines)


def about(config: PretrainConfig, last: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the names and values of a run, given the last line of its metrics."""
    model, trained = config.model, f"{last.get('step', 0):,} steps, {last.get('tokens', 0):,} tokens"
    return [
        ("model", f"{model.model_type}, {model.num_hidden_layers} layers x {model.hidden_size}"),
        ("objective", config.objective),
        ("data", config.data),
        ("trained", f"{trained} in {duration(last.get('seconds', 0))}; seed {config.seed}"),
        ("written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC" + (f", commit {commit()}" if commit() else "")),
    ]


def scores_html(lines: list[dict[str, Any]]) -> str:
    """Return the latest scores on held-out text; empty before the first."""
    evaluations = [line for line in lines if line["kind"] == "eval"]
    if not evaluations:
        return ""
    last = evaluations[-1]
    rows = [(words, f"{last[name]:.3f}") for name, words in (LOSSES | SHARES).items() if name in last]
    step = f"step {last['step']:,}"
    return f"<h2>On held-out text</h2>{table(('', step), rows)}"


# -- curves ------------------------------------------------------------------------------------------------------------


def known(names: dict[str, str], lines: list[dict[str, Any]]) -> list[str]:
    """Return the metrics that a run has."""
    return [name for name in names if any(name in line for line in lines)]


def picture(names: dict[str, str], lines: list[dict[str, Any]]) -> str:
    """Return the curves of metrics over steps as SVG, one below the other: training a line, held-out text points."""
    from matplotlib.figure import Figure

    shown = known(names, lines)
    figure = Figure(figsize=(WIDTH, HEIGHT * len(shown)), layout="constrained")
    for i, (name, axis) in enumerate(zip(shown, figure.subplots(len(shown), squeeze=False).ravel(), strict=True)):
        for kind, style, label in (("train", "-", "training"), ("eval", "o", "held-out text")):
            points = [(line["step"], line[name]) for line in lines if line["kind"] == kind and name in line]
            if points:
                axis.plot(*zip(*points, strict=True), style, label=label, color=f"C{i}", markersize=4)
        axis.set_title(names[name], loc="left", fontsize="medium")
        axis.legend(frameon=False, fontsize="small", loc="best")
        axis.grid(alpha=0.3)
    axis.set_xlabel("step")
    return svg_of(figure)


# -- examples ----------------------------------------------------------------------------------------------------------


def examples_html(model: Detector, config: PretrainConfig) -> str:
    """Return the start of held-out rows: replacements outlined, tokens shaded by the probability of being replaced."""
    assert model.generator is not None
    count = max(1, EXAMPLES * SHOWN // max(SHOWN, model.longest))  # one forward pass, with logits over the vocabulary
    rows, labels = replaced_examples(model.generator, model.tokenizer, config, count)
    scores = model.replaced([model.row(ids) for ids in rows])
    parts = [
        f"<h2>Held-out text with the generator's replacements</h2><p>Outlined: tokens that the generator replaced. The "
        "redder a token, the likelier the discriminator finds that it was; underlined: above its threshold. "
        f"Of each text at most {SHOWN} tokens.</p>"
    ]
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
