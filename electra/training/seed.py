"""Seeds: random numbers depend only on a tuple of integers."""

from __future__ import annotations

import numpy as np
import torch


def seed_all(*words: int) -> None:
    """Seed torch's random number generators, on every device, from a tuple of integers."""
    torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1))
