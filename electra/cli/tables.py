"""Format results for a terminal: tables, and texts with marked words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from electra.core.log import duration

if TYPE_CHECKING:
    from electra.cost.flops import Cost
    from electra.demo import Tour
    from electra.evaluation.proof import Proof
    from electra.inference.words import Word


def marked(text: str, words: Sequence[Word], threshold: float) -> Text:
    """Return the text with marked words in red, each followed by its suggestions in brackets."""
    shown, end = Text(), 0
    for word in words:
        if not word.is_marked(threshold):
            continue
        shown.append(text[end : word.start])
        shown.append(word.text, style="bold red underline")
        shown.append(f" [{'|'.join(word.shown_suggestions()) or '?'}]", style="green")  # legible without colour
        end = word.end
    return shown.append(text[end:])


def evaluation(results: Sequence[dict[str, Any]]) -> Table:
    """Return a table of the scores of a model and of the baselines on each task."""
    from electra.finetuning.report import title_of
    from electra.tasks import find_task

    shown = Table("task", "model", "metric", "score", "95 % interval", "mean ± s.d.")
    for r in results:
        percent, kept = find_task(r["task"]).shown, r["seeds"][r["kept_seed"]]
        count = len(r["seeds"])
        name = f"{kept['name']} (kept of {count})" if count > 1 else "this one"
        over = f"{percent(r['mean'])} ± {percent(r['deviation'])}" if count > 1 else ""
        row = [percent(kept["score"]), " to ".join(map(percent, r["interval"])), over]
        shown.add_row(f"{title_of(r)}, n = {r['examples']:,}", name, r["main_metric"], *row)
        for metric, interval in list(kept["intervals"].items())[1:]:
            shown.add_row("", "", metric, percent(kept["scores"][metric]), " to ".join(map(percent, interval)), "")
        for b in r["baselines"]:
            shown.add_row("", b["name"], "", percent(b["score"]), " to ".join(map(percent, b["interval"])), "")
    return shown


def standings(rows: Sequence[Sequence[str]], names: Sequence[str], title: str) -> Group:
    """Return the scores of a comparison under its title: a row for each score, a column for each contestant."""
    shown = Table("", *(Column(name, overflow="fold") for name in names))
    for row in rows:
        shown.add_row(*(cell.replace(" (p ", "\n(p ") for cell in row))  # otherwise folded between p and its value
    return Group("", Text(title, style="italic"), shown)  # a table's own title is folded to the table's width


def cost(found: Cost) -> Group:
    """Return tables of the cost of a configuration and of the models of the paper."""
    mine = Table("this configuration", Column("value", justify="right"))
    for name, value in found.rows:
        mine.add_row(name, value)
    paper = Table("models of the paper", Column("training FLOPs, by the paper's count", justify="right"))
    for name, value in found.paper:
        paper.add_row(name, value)
    header = f"preset [bold]{found.preset}[/bold], rows of {found.seq_length} tokens"
    return Group(
        header, mine, "The paper counts differently (electra/cost/paper.py): compare within a table only.", paper
    )


def benchmark(figures: Mapping[str, Any]) -> Table:
    """Return a table of the measurements of `electra bench`."""
    shown = Table("measured here", "", title=f"electra bench, preset {figures['preset']}")
    for name, value in figures.items():
        if name == "inference":
            for shape, found in value.items():
                text = f"{found['milliseconds']:g} ms, {found['tokens_per_second']:,} tokens/s"
                shown.add_row(f"inference {shape}", text)
        else:
            shown.add_row(name.replace("_", " "), said(value))
    shown.add_row("full schedule takes", duration(3600 * figures["full_schedule_hours"]))
    return shown


def said(value: Any) -> str:
    """Return a figure as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def tour(found: Tour) -> Group:
    """Return a text with mistakes as the models mark it, and the scores of the demo."""
    from electra.demo import PROGRESS

    parts: list[Any] = ["\nText with mistakes that no model has read; what a model marks is red, with suggestions."]
    for proof in found.proofs:
        text = marked(proof.words.text, proof.words, proof.words.threshold)
        parts += [Text(f"\n{proof.reader}:\n", style="bold"), text]
    scores = Table("", "this model", "unigram rarity", "bigram counts", title="finding wrong words")
    for label, figures in found.scores:
        scores.add_row(label, *(f"{x:.3f}" for x in figures))
    progress = Table(*PROGRESS, title="on the way")
    for row in found.progress:
        progress.add_row(*row)
    return Group(*parts, "", findings(found.proofs), "", scores, progress)


def findings(proofs: Sequence[Proof]) -> Table:
    """Return which mistakes of a text each model finds and misses, and what it marks by mistake."""
    shown = Table("", *(Column(proof.reader, ratio=1) for proof in proofs), title="found and missed", expand=True)
    columns = [(proof.found(), proof.missed(), proof.false_marks()) for proof in proofs]
    for label, *cells in zip(("finds", "misses", "marks, though right"), *columns, strict=True):
        shown.add_row(label, *map(listed, cells))
    return shown


def listed(words: Sequence[str]) -> str:
    """Return how many words there are, and which."""
    return f"{len(words)}: {', '.join(words)}" if words else "0"
