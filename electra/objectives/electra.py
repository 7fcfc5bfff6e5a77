"""Replaced token detection (paper, section 2): the discriminator tells a generator's samples from original tokens.

B rows, L slots, K masked positions, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives.base import mean
from electra.objectives.corruption import Corrupted
from electra.objectives.generators import build_encoder, build_generator
from electra.objectives.replacement import Replacement


class Electra(Replacement):
    """Train generator and discriminator jointly: loss = L_MLM + lambda L_Disc."""

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        encoder, embeddings = build_encoder(config)
        self.discriminator = Discriminator(encoder)
        self.generator = build_generator(config, encoder, embeddings)

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        return {"discriminator": self.discriminator, **self.trained_generator()}

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        counts = counts or self.count(batch)
        generated = self.generate(batch)
        gen_loss, gen_metrics = self.generator_loss(generated, counts)
        gen_loss = self.backpropagate_early(self.config.gen_weight * gen_loss)
        disc_losses, disc_metrics = self.discriminate(batch, generated.corrupted, counts)
        disc_loss = (disc_losses * self.weights(batch, generated.corrupted, counts)).sum()
        loss = gen_loss + self.config.disc_weight * disc_loss
        return Output(loss, gen_metrics | disc_metrics)

    def discriminate(self, batch: Batch, corrupted: Corrupted, counts: Counts) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the discriminator's loss at every token, [B, L], and its metrics over the tokens with a weight."""
        logits = self.discriminator(corrupted.input_ids, *batch[1:4])
        losses = F.binary_cross_entropy_with_logits(logits, corrupted.is_replaced.float(), reduction="none")
        counted = self.weights(batch, corrupted, counts) > 0
        return losses, detection_metrics(logits.detach(), losses.detach(), corrupted.is_replaced, counted)

    def weights(self, batch: Batch, corrupted: Corrupted, counts: Counts) -> Tensor:
        """Return the weight of each token's loss, [B, L], equal for all tokens; over a step they add up to 1."""
        return (batch.example_ids > 0) / counts.tokens


@torch.no_grad()
def detection_metrics(logits: Tensor, losses: Tensor, is_replaced: Tensor, counted: Tensor) -> dict[str, Tensor]:
    """Return metrics of detection over the `counted` tokens, from tensors [B, L]; a logit above 0 means replaced."""
    flagged = logits > 0
    return {
        "disc_loss": mean(losses, counted),
        "disc_accuracy": mean(flagged == is_replaced, counted),
        "disc_recall": mean(flagged, is_replaced & counted),
        "disc_precision": mean(is_replaced, flagged & counted),
        "disc_auc": area_under_curve(logits, is_replaced, counted),
        "replaced": mean(is_replaced, counted),
    }


def area_under_curve(scores: Tensor, positive: Tensor, counted: Tensor) -> Tensor:
    """Return the probability that a positive token scores above a negative one; 0.5 if one kind is missing."""
    order = scores.flatten().argsort()
    positive, negative = (positive & counted).flatten()[order], (~positive & counted).flatten()[order]
    below = negative.double().cumsum(0)  # fp32 cannot count the pairs
    pairs = positive.sum().double() * negative.sum()
    return torch.where(pairs > 0, (below * positive).sum() / pairs.clamp_min(1), 0.5).float()
