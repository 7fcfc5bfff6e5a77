"""Results of a comparison: scores, and the standings, tables and plots made from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from electra.comparison.contestants import Contestant, split_name
from electra.comparison.plots import Curve, Sized, against_flops, against_size
from electra.comparison.statistics import Standing, standing
from electra.config import PretrainConfig, to_dict
from electra.cost.operations import generator_shape
from electra.evaluation.scores import IN_WORDS
from electra.pretraining.report import LOSSES

LOWER_IS_BETTER = ("mlm_loss", "disc_loss")


class Result(NamedTuple):
    """The scores of one contestant at one point."""

    contestant: str
    seed: int
    point: int  # 0 before training, `points` at the end
    step: int
    tokens: int
    flops: float
    scores: dict[str, float]


def standings(results: Sequence[Result], names: Sequence[str]) -> dict[str, dict[str, Standing]]:
    """Return score -> contestant -> standing at the end, relative to the first contestant with that score."""
    end = max(r.point for r in results)
    found: dict[str, dict[str, Standing]] = {}
    for score in dict.fromkeys(name for r in results for name in r.scores):
        of = {n: {r.seed: r.scores[score] for r in results if at(r, n, end) and score in r.scores} for n in names}
        of = {name: scores for name, scores in of.items() if scores}
        first = next(iter(of.values()))
        found[score] = {name: standing(scores, first) for name, scores in of.items()}
    return found


def title_of(contestants: Sequence[Contestant], flops: float, seeds: int, diverged: Sequence[str]) -> str:
    """Return the title of the table: the budget, the seeds, and the runs that diverged."""
    more = ", multiplied where times= is set" if any(c.times != 1 for c in contestants) else ""
    lost = f"; diverged: {', '.join(diverged)}" if diverged else ""
    if seeds == 1:
        return f"{flops:.3g} FLOPs each{more}; one seed: no spread, no test{lost}"
    return f"{flops:.3g} FLOPs each{more}; {seeds} seeds, p of paired tests against the first with that score{lost}"


def at(result: Result, name: str, point: int) -> bool:
    """Return whether a result belongs to this contestant and point."""
    return result.contestant == name and result.point == point


def in_words(score: str) -> str:
    """Return a score's name for tables and plots; that of a task is the user's own and stays."""
    return (LOSSES | IN_WORDS).get(score, score)


def cells(found: dict[str, dict[str, Standing]], names: Sequence[str]) -> list[list[str]]:
    """Return the table: a row for each score, a column for each contestant."""
    return [
        [in_words(score) + (" ↓" if score in LOWER_IS_BETTER else " ↑"), *(cell(of_score.get(name)) for name in names)]
        for score, of_score in found.items()
    ]


def cell(s: Standing | None) -> str:
    """Format mean ± spread, and p of the test against the first contestant."""
    if s is None:
        return "-"
    spread = "" if s.spread is None else f" ± {s.spread:.4f}"
    return f"{s.mean:.4f}{spread}" + ("" if s.p is None else f" (p {s.p:.2g})")


def figures(results: Sequence[Result], contestants: Sequence[Contestant]) -> dict[str, Figure]:
    """Return plots of every score against FLOPs and against sizes in which contestants differ, by file stem."""
    drawn: dict[str, Figure] = {}
    for score in dict.fromkeys(name for r in results for name in r.scores):
        stem = score.replace(" ", "_")
        drawn[f"{stem}_against_flops"] = against_flops(in_words(score), curves(results, score))
        for axis, size in SIZES.items():
            sized = at_the_end(results, contestants, score, size)
            if len({c.size for c in sized}) > 1:
                name = f"{stem}_against_{axis.replace(' ', '_')}"
                drawn[name] = against_size(in_words(score), axis, sized)
    return drawn


SIZES: dict[str, Any] = {
    "generator width": lambda c: shape.hidden_size if (shape := generator_shape(c)) else None,
    "generator layers": lambda c: shape.num_hidden_layers if (shape := generator_shape(c)) else None,
    "hidden size": lambda c: c.model.hidden_size,
}


def curves(results: Sequence[Result], score: str) -> dict[str, Curve]:
    """Return contestant -> the FLOPs at each point, and the scores of all seeds there."""
    found: dict[str, Curve] = {}
    for name in dict.fromkeys(r.contestant for r in results if score in r.scores):
        of = [r for r in results if r.contestant == name and score in r.scores]
        points = sorted({r.point for r in of})
        places = [next(r.flops for r in of if r.point == p) for p in points]
        found[name] = (places, [[r.scores[score] for r in of if r.point == p] for p in points])
    return found


def at_the_end(results: Sequence[Result], contestants: Sequence[Contestant], score: str, size: Any) -> list[Sized]:
    """Return the final scores of contestants that have this size; those that differ only in sizes are one method."""
    end, found = max(r.point for r in results), []
    for c in contestants:
        scores = [r.scores[score] for r in results if at(r, c.name, end) and score in r.scores]
        if scores and size(c.config) is not None:
            found.append(Sized(method(c), float(size(c.config)), scores))
    return found


def method(contestant: Contestant) -> str:
    """Return the name of a contestant without its size settings."""
    sizes = ("generator_width", "generator_depth", "hidden_size", "width", "num_attention_heads", "intermediate_size")
    objective, settings = split_name(contestant.name)
    kept = [setting for setting in settings if setting.partition("=")[0] not in sizes]
    return objective + (":" + ",".join(kept) if kept else "")


def describe(config: PretrainConfig) -> dict[str, Any]:
    """Return the settings of a run for summary.json."""
    return {name: value for name, value in to_dict(config).items() if name not in ("data", "out", "seed")}
