"""ELECTRA 15 % (paper, section 3.5): ELECTRA whose discriminator loss covers the masked positions only."""

from __future__ import annotations

from torch import Tensor

from electra.interface import Batch, Counts
from electra.objectives.corruption import Corrupted
from electra.objectives.electra import Electra


class Electra15(Electra):
    """Ablation: how much does ELECTRA gain from learning at every token?"""

    def weights(self, batch: Batch, corrupted: Corrupted, counts: Counts) -> Tensor:
        return corrupted.is_selected / counts.masked.clamp_min(1)
