"""Mean, spread and a paired test against the first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import ttest_rel


class Standing(NamedTuple):
    """One contestant in one score, over the seeds."""

    mean: float
    spread: float | None  # standard deviation over seeds; None for one seed
    difference: float  # to the first contestant, of the same seeds
    p: float | None  # of the paired t test that the difference is none; None where it cannot be made


def standing(scores: Sequence[float], first: Sequence[float]) -> Standing:
    """Compare a contestant's `scores` with those of the first, seed by seed."""
    assert len(scores) == len(first) > 0
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
    difference = float(np.mean(np.subtract(scores, first)))
    return Standing(float(np.mean(scores)), spread, difference, paired_p(scores, first))


def paired_p(scores: Sequence[float], first: Sequence[float]) -> float | None:
    """The two-sided p of a paired t test; None for a single pair or where all pairs differ by the same."""
    if np.ptp(np.subtract(scores, first)) == 0:
        return None
    p = float(ttest_rel(scores, first).pvalue)
    return p if math.isfinite(p) else None
