"""Electric (Clark et al., 2020b): an energy of every token in its context, learned by noise-contrastive estimation.

B rows, L slots, V vocabulary. The noise distribution q is that of a two-tower cloze model, which reads no [MASK]. As it
has a softmax at every token, B * L * V logits are in memory at once.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives.base import mean
from electra.objectives.electra import detection_metrics
from electra.objectives.generators import TwoTower, build_encoder
from electra.objectives.replacement import Replacement


class Electric(Replacement):
    """Train the discriminator's output as an energy: p(x_t | rest) is proportional to exp(-energy)."""

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        encoder, embeddings = build_encoder(config)
        self.discriminator = Discriminator(encoder)
        self.generator = TwoTower(config.generator, embeddings)

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        return {"discriminator": self.discriminator}  # no other library can load two towers

    def count(self, batch: Batch) -> Counts:
        """Return the denominators: both losses cover all maskable tokens, not only the masked ones."""
        return super().count(batch)._replace(masked=batch.maskable.sum())

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        counts = counts or self.count(batch)
        masked = self.mask(batch)  # first, so that every objective gets the same random masks
        logits = self.generator(*batch[:4])  # [B * L, V]
        gen_losses, hits = self.cloze(logits, batch.input_ids.flatten())

        rows = torch.arange(len(batch.input_ids), device=logits.device)[:, None] * batch.input_ids.shape[1]
        corrupted = self.replace(batch, masked, logits[(rows + masked.positions).flatten()]).corrupted
        log_q = noise_log_probability(logits.detach(), gen_losses.detach(), batch.input_ids, corrupted.input_ids)

        energy = self.discriminator(corrupted.input_ids, *batch[1:4])
        log_odds = energy + log_q + math.log(self.config.mask_prob / (1 - self.config.mask_prob))  # of being noise
        is_noise = corrupted.is_selected  # also where a sample equals the original
        disc_losses = F.binary_cross_entropy_with_logits(log_odds, is_noise.float(), reduction="none")

        c, where = self.config, batch.maskable
        sums = c.gen_weight * (gen_losses * where.flatten()).sum() + c.disc_weight * (disc_losses * where).sum()
        metrics = {"gen_loss": mean(gen_losses.detach(), where.flatten()), "gen_accuracy": mean(hits, where.flatten())}
        found = detection_metrics(log_odds.detach(), disc_losses.detach(), is_noise, where)
        return Output(sums / counts.masked.clamp_min(1), metrics | found)

    def score(self, batch: Batch) -> Tensor:
        """Return each row's pseudo-log-likelihood, up to a constant per token, [B] (section 3.2)."""
        energy: Tensor = self.discriminator(*batch[:4])
        return -(energy * batch.maskable).sum(1)


def noise_log_probability(logits: Tensor, losses: Tensor, original: Tensor, tokens: Tensor) -> Tensor:
    """Return log q of `tokens` [B, L], given logits [B * L, V] and the losses -log q of the `original` tokens."""
    of_original, of_tokens = (logits.gather(1, ids.reshape(-1, 1)).squeeze(1).float() for ids in (original, tokens))
    return (of_tokens - of_original - losses).view_as(tokens)
