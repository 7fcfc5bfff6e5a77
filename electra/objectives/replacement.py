"""Objectives with a generator: masked tokens are replaced by its samples, which the main network reads (section 2).

B rows, L slots, K masked positions, V vocabulary.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from electra.config import PretrainConfig
from electra.interface import Batch, Counts
from electra.models.heads import MaskedLM
from electra.objectives.base import Objective, mean
from electra.objectives.corruption import Cloze, Corrupted, Masked, Sampler, corrupt, random_tokens


class Generated(NamedTuple):
    """The generator's input, predictions and samples, and the corrupted text."""

    masked: Masked
    logits: Tensor  # [B * K, V]
    samples: Tensor  # [B, K]
    corrupted: Corrupted


class Replacement(Objective):
    """Own a generator; a subclass sets it, and the network that reads its samples."""

    generator: nn.Module
    temperature: Tensor

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        self.cloze = Cloze()
        self.sample = Sampler()
        # A tensor: for a new Python number, a compiled part would be compiled again.
        self.register_buffer("temperature", torch.tensor(config.temperature), persistent=False)

    def begin_step(self, step: int, done: float) -> None:
        """Lower the temperature (Dong et al., 2023, Fast-ELECTRA)."""
        c = self.config
        if c.temperature_start:
            excess = (c.temperature_start - c.temperature) * math.exp(-done / c.temperature_decay)
            self.temperature.fill_(c.temperature + excess)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen generator stays in evaluation mode, without dropout."""
        super().train(mode)
        if not any(p.requires_grad for p in self.generator.parameters()):
            self.generator.eval()
        return self

    def trained_generator(self) -> dict[str, MaskedLM]:
        """Return the generator by its name if it is a network that can be saved."""
        return {"generator": self.generator} if isinstance(self.generator, MaskedLM) else {}

    def generate(self, batch: Batch) -> Generated:
        """Mask tokens, let the generator predict them, and replace them by samples of its predictions."""
        masked = self.mask(batch)
        logits = self.generator(masked.positions, masked.input_ids, *batch[1:4])
        return self.replace(batch, masked, logits, self.config.random_sample_prob)

    def replace(self, batch: Batch, masked: Masked, logits: Tensor, random_sample_prob: float = 0.0) -> Generated:
        """Replace masked tokens by samples from logits [B * K, V], without gradient.

        In training, `random_sample_prob` of the samples become a random token.
        """
        samples = self.sample(logits.detach(), self.temperature).view_as(masked.labels)
        if random_sample_prob and self.training:
            is_random = torch.rand(samples.shape, device=samples.device) < random_sample_prob
            samples = torch.where(is_random, random_tokens(masked, self.config.model.vocab_size), samples)
        return Generated(masked, logits, samples, corrupt(batch, masked, samples))

    def generator_loss(self, generated: Generated, counts: Counts) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the masked language modelling loss and metrics; a generator without weights has no loss."""
        labels, used = generated.masked.labels, generated.masked.used.flatten()
        sampled = {"sampled_accuracy": mean((generated.samples == labels).flatten(), used)}
        if not isinstance(self.generator, MaskedLM):
            return generated.logits.new_zeros(()), sampled
        losses, hits = self.cloze(generated.logits, labels.flatten())
        predicted = {"gen_loss": mean(losses.detach(), used), "gen_accuracy": mean(hits, used)}
        return (losses * used).sum() / counts.masked.clamp_min(1), predicted | sampled
