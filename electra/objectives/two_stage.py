"""Two-stage training (paper, section 3.2): the generator alone; then the discriminator, initialised from it."""

from __future__ import annotations

import torch
from torch import nn

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives.electra import Electra


class TwoStage(Electra):
    """Train the generator in stage 1, and the discriminator against the frozen generator in stage 2."""

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        self.stage = 1
        # A parameter, so that it is part of a checkpoint: a run resumed in stage 2 must not copy again.
        self.copied = nn.Parameter(torch.zeros(()), requires_grad=False)

    @torch.no_grad()
    def begin_step(self, step: int, done: float) -> None:
        """Begin stage 2 when it is time: freeze the generator and copy its encoder."""
        super().begin_step(step, done)
        if self.stage == 1 and done >= self.config.generator_stage:
            assert isinstance(self.generator, MaskedLM)
            self.stage = 2
            self.generator.requires_grad_(False)
            if not self.copied:
                self.discriminator.encoder.load_state_dict(self.generator.encoder.state_dict())
                self.copied.fill_(1)

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        """Return the generator alone in stage 1, as the discriminator will start from its weights."""
        kept = super().networks()
        if not self.copied:
            del kept["discriminator"]
        return kept

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        if self.stage == 2:
            return super().forward(batch, counts)
        return Output(*self.generator_loss(self.generate(batch), counts or self.count(batch)))
