"""The scores of several seeds: which model is kept, and how far they differ."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence


def index_of_median(scores: Sequence[float]) -> int:
    """Return the index of the median score; of an even number, the lower of the two in the middle."""
    ranked = sorted(range(len(scores)), key=lambda n: scores[n])
    return ranked[(len(scores) - 1) // 2]


def over_seeds(scores: Sequence[float], kept: int) -> dict[str, float | None]:
    """Return the kept seed's score, and mean, sample deviation (None for one seed) and range of all seeds."""
    return {
        "kept": scores[kept],
        "mean": statistics.fmean(scores),
        "deviation": statistics.stdev(scores) if len(scores) > 1 else None,
        "min": min(scores),
        "max": max(scores),
    }


def main_scores(scores: Mapping[str, float], metric: str, shown: Callable[[float], str]) -> str:
    """Return the main score with its name and, where there is one, macro F1, in which a label never predicted shows."""
    names = {metric: metric} | ({"macro_f1": "macro F1"} if "macro_f1" in scores and metric != "macro_f1" else {})
    return ", ".join(f"{name} {shown(scores[key])}" for key, name in names.items())


def seeds_in_words(scores: Sequence[float], kept: int, seeds: Sequence[int], shown: Callable[[float], str]) -> str:
    """Say which of several seeds is kept, and how far they differ."""
    found = over_seeds(scores, kept)
    return (
        f"kept seed {seeds[kept]} ({shown(scores[kept])}) of {len(scores)}: mean {shown(statistics.fmean(scores))}, "
        f"sample deviation {shown(found['deviation'] or 0.0)}, from {shown(min(scores))} to {shown(max(scores))}"
    )
