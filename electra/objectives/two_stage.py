"""Two-stage training (paper, section 3.2): the generator alone; then the discriminator, started from its weights."""

from __future__ import annotations

import torch
from torch import nn

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives.electra import Electra


class TwoStage(Electra):
    """Stage 1 trains the generator, stage 2 the discriminator against the frozen generator."""

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        self.stage = 1
        # A weight, so that a checkpoint holds it: a run resumed in stage 2 must not copy again.
        self.copied = nn.Parameter(torch.zeros(()), requires_grad=False)

    @torch.no_grad()
    def begin_step(self, step: int, done: float) -> None:
        super().begin_step(step, done)
        if self.stage == 1 and done >= self.config.generator_stage:
            assert isinstance(self.generator, MaskedLM)
            self.stage = 2
            self.generator.requires_grad_(False)
            if not self.copied:
                self.discriminator.encoder.load_state_dict(self.generator.encoder.state_dict())
                self.copied.fill_(1)

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        """In stage 1 the generator alone: the discriminator will start from its weights."""
        kept = super().networks()
        if not self.copied:
            del kept["discriminator"]
        return kept

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        if self.stage == 2:
            return super().forward(batch, counts)
        return Output(*self.cloze_loss(self.fill_in(batch), counts or self.count(batch)))
