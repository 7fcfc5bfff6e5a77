"""Adversarial training (paper, section 3.2 and appendix F): the generator maximises the discriminator's loss.

Sampling has no gradient, so REINFORCE estimates one: that of the sample's log-probability, times the difference between
the discriminator's loss at the sample and a learned baseline.
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
from electra.objectives.replacement import Generated


class Adversarial(Electra):
    """Reward the generator for deceiving the discriminator instead of for predicting the original tokens."""

    generator: MaskedLM

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        self.baseline = Linear(config.generator.hidden_size, 1)

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        counts = counts or self.count(batch)
        masked = self.mask(batch)
        hidden = self.generator.hidden_at(masked.positions, masked.input_ids, *batch[1:4])  # [B * K, D]
        generated = self.replace(batch, masked, self.generator.predict(hidden))
        disc_losses, disc_metrics = self.discriminate(batch, generated.corrupted, counts)
        disc_loss = (disc_losses * self.weights(batch, generated.corrupted, counts)).sum()

        reward = disc_losses.detach().gather(1, masked.positions).flatten()  # -log probability of the right label
        expected = self.baseline(hidden.detach()).squeeze(-1).float()
        gen_losses = self.policy_losses(generated, reward + F.logsigmoid(expected.detach()))
        baseline_losses = F.binary_cross_entropy_with_logits(expected, (-reward).exp(), reduction="none")
        used = masked.used.flatten()
        gen_loss = ((gen_losses + baseline_losses) * used).sum() / counts.masked.clamp_min(1)

        loss = self.config.gen_weight * gen_loss + self.config.disc_weight * disc_loss
        _, gen_metrics = self.generator_loss(generated._replace(logits=generated.logits.detach()), counts)
        return Output(loss, gen_metrics | disc_metrics | {"reward": mean(reward, used)})

    def policy_losses(self, generated: Generated, advantage: Tensor) -> Tensor:
        """Return losses whose gradient is minus that of the expected reward, [B * K]."""
        losses, _ = self.cloze(generated.logits, generated.samples.flatten())  # -log probability of the sample
        policy: Tensor = advantage * losses
        return policy
