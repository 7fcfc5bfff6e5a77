"""Replaced token detection (paper, section 3.1): a generator fills in masked tokens, the discriminator says which.

B rows, L slots, K masked positions, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.model.encoder import Encoder
from electra.model.heads import Discriminator, MaskedLM
from electra.objectives.base import Objective, mean
from electra.objectives.corruption import Cloze, Corrupted, Sampler, corrupt


class Electra(Objective):
    """Train both networks jointly: loss = MLM + lambda * RTD."""

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        self.discriminator = Discriminator(Encoder(config.model))
        self.generator = MaskedLM(generator_encoder(config, self.discriminator.encoder))
        self.cloze = Cloze()
        self.sample = Sampler()

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        return {"discriminator": self.discriminator, "generator": self.generator}

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        counts = counts or self.count(batch)
        masked = self.mask(batch)
        gen_logits = self.generator(masked.positions, masked.input_ids, *batch[1:4])  # [B * K, V]
        gen_losses, hits = self.cloze(gen_logits, masked.labels.flatten())
        samples = self.sample(gen_logits.detach(), self.config.temperature).view_as(masked.labels)

        corrupted = corrupt(batch, masked, samples)
        disc_logits = self.discriminator(corrupted.input_ids, *batch[1:4])  # [B, L]
        disc_losses = F.binary_cross_entropy_with_logits(disc_logits, corrupted.is_replaced.float(), reduction="none")

        used, counted = masked.used.flatten(), self.counted(batch, corrupted)
        gen_loss = (gen_losses * used).sum() / counts.masked.clamp_min(1)
        disc_loss = (disc_losses * counted).sum() / counts.tokens
        loss = self.config.gen_weight * gen_loss + self.config.disc_weight * disc_loss
        with torch.no_grad():
            metrics = {
                "gen_loss": mean(gen_losses, used),
                "gen_accuracy": mean(hits, used),
                "sampled_accuracy": mean((samples == masked.labels).flatten(), used),
                "disc_loss": mean(disc_losses, counted),
                **detection_metrics(disc_logits, corrupted.is_replaced, counted),
            }
        return Output(loss, metrics)

    def counted(self, batch: Batch, corrupted: Corrupted) -> Tensor:
        """Where the discriminator's loss is taken: at every token, [B, L]."""
        return batch.attention_mask > 0


def generator_encoder(config: PretrainConfig, discriminator: Encoder) -> Encoder:
    """The generator's body, sharing with the discriminator what `config.share` says (section 3.2)."""
    if config.share == "all":
        return discriminator
    shared = discriminator.embeddings if config.share == "embeddings" else None
    return Encoder(config.generator, embeddings=shared)


def detection_metrics(logits: Tensor, is_replaced: Tensor, counted: Tensor) -> dict[str, Tensor]:
    """How well replaced tokens are told from others, [B, L] each; a logit above 0 says replaced."""
    says = logits > 0
    return {
        "disc_accuracy": mean(says == is_replaced, counted),
        "disc_recall": mean(says, is_replaced & counted),
        "disc_precision": mean(is_replaced, says & counted),
        "disc_auc": area_under_curve(logits, is_replaced, counted),
        "replaced": mean(is_replaced, counted),
    }


def area_under_curve(scores: Tensor, positive: Tensor, counted: Tensor) -> Tensor:
    """The probability that a replaced token scores above another; padding is left out, 0.5 where there is none."""
    order = scores.flatten().argsort()
    positive, negative = (positive & counted).flatten()[order], (~positive & counted).flatten()[order]
    below = negative.double().cumsum(0)  # fp32 cannot count the pairs
    pairs = positive.sum().double() * negative.sum()
    return torch.where(pairs > 0, (below * positive).sum() / pairs.clamp_min(1), 0.5).float()
