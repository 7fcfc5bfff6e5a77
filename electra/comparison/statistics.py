"""Mean, spread, and a paired test against the first contestant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import ttest_rel

ROUNDING = 1e-9  # relative to a score: smaller differences count as equal


class Standing(NamedTuple):
    """One score of one contestant, over the seeds."""

    mean: float
    spread: float | None  # standard deviation over seeds; None for one seed
    difference: float | None  # from the first contestant, on the same seeds; None if they share none
    p: float | None  # of the paired t test for no difference; None if it cannot be computed


def standing(scores: Mapping[int, float], first: Mapping[int, float]) -> Standing:
    """Compare the `scores` of a contestant by seed with those of the first, over the seeds that both have."""
    values, both = list(scores.values()), sorted(scores.keys() & first.keys())
    mine, theirs = [scores[seed] for seed in both], [first[seed] for seed in both]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    difference = float(np.mean(np.subtract(mine, theirs))) if both else None
    return Standing(float(np.mean(values)), spread, difference, paired_p(mine, theirs))


def paired_p(scores: Sequence[float], first: Sequence[float]) -> float | None:
    """Return the two-sided p of a paired t test; None for a single pair or if all differences are equal."""
    differences = np.subtract(scores, first)
    if len(differences) < 2 or np.ptp(differences) <= ROUNDING * np.abs([scores, first]).max():
        return None
    p = float(ttest_rel(scores, first).pvalue)
    return p if math.isfinite(p) else None
