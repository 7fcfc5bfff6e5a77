"""Seeds: what is drawn depends on a tuple of numbers and nothing else."""

from __future__ import annotations

import numpy as np
import torch


def seed_all(*words: int) -> None:
    """Seed torch's generators from a tuple of numbers: what is drawn next depends on nothing else."""
    torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1))
