"""Adversarial training (paper, section 3.2 and appendix F): the generator maximises the discriminator's loss.

Sampling has no gradient, so REINFORCE gives one: the log-probability of a sample, times how much larger than expected
the discriminator's loss at it was.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.models.heads import MaskedLM
from electra.models.layers import Linear
from electra.objectives.base import mean
from electra.objectives.electra import Electra
from electra.objectives.replacement import Filled


class Adversarial(Electra):
    """A generator that is rewarded for deceiving instead of for guessing right."""

    generator: MaskedLM

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        self.baseline = Linear(config.generator.hidden_size, 1)

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        counts = counts or self.count(batch)
        masked = self.mask(batch)
        hidden = self.generator.hidden_at(masked.positions, masked.input_ids, *batch[1:4])  # [B * K, D]
        filled = self.fill(batch, masked, self.generator.predict(hidden))
        disc_losses, disc_metrics = self.discriminate(batch, filled.corrupted, counts)
        disc_loss = (disc_losses * self.weights(batch, filled.corrupted, counts)).sum()

        reward = disc_losses.detach().gather(1, masked.positions).flatten()  # -log probability of the right answer
        expected = self.baseline(hidden.detach()).squeeze(-1).float()
        gen_losses = self.policy_losses(filled, reward + F.logsigmoid(expected.detach()))
        baseline_losses = F.binary_cross_entropy_with_logits(expected, (-reward).exp(), reduction="none")
        used = masked.used.flatten()
        gen_loss = ((gen_losses + baseline_losses) * used).sum() / counts.masked.clamp_min(1)

        loss = self.config.gen_weight * gen_loss + self.config.disc_weight * disc_loss
        _, gen_metrics = self.cloze_loss(filled._replace(logits=filled.logits.detach()), counts)
        return Output(loss, gen_metrics | disc_metrics | {"reward": mean(reward, used)})

    def policy_losses(self, filled: Filled, advantage: Tensor) -> Tensor:
        """Whose gradient is minus that of the expected reward, [B * K]."""
        losses, _ = self.cloze(filled.logits, filled.samples.flatten())  # -log probability of the sample
        policy: Tensor = advantage * losses
        return policy
