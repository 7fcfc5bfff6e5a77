"""What the objectives with a generator have in common: it fills in masked tokens, and the main network reads them.

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
from electra.objectives.corruption import Cloze, Corrupted, Masked, Sampler, corrupt, random_words


class Filled(NamedTuple):
    """A batch after the generator."""

    masked: Masked
    logits: Tensor  # [B * K, V]
    samples: Tensor  # [B, K]
    corrupted: Corrupted


class Replacement(Objective):
    """Owns the generator; a subclass sets it, and owns the network that reads the samples."""

    generator: nn.Module
    temperature: Tensor

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__(config, mask_token_id)
        self.cloze = Cloze()
        self.sample = Sampler()
        # A tensor, as a compiled part would be compiled anew for each new number.
        self.register_buffer("temperature", torch.tensor(config.temperature), persistent=False)

    def begin_step(self, step: int, done: float) -> None:
        """Let the temperature fall (Dong et al., 2023, Fast-ELECTRA)."""
        c = self.config
        if c.temperature_start:
            excess = (c.temperature_start - c.temperature) * math.exp(-done / c.temperature_decay)
            self.temperature.fill_(c.temperature + excess)

    def train(self, mode: bool = True) -> Self:
        """A frozen generator has no dropout."""
        super().train(mode)
        if not any(p.requires_grad for p in self.generator.parameters()):
            self.generator.eval()
        return self

    def trained_generator(self) -> dict[str, MaskedLM]:
        """The generator by its name, where it is a network that can be saved."""
        return {"generator": self.generator} if isinstance(self.generator, MaskedLM) else {}

    def fill_in(self, batch: Batch) -> Filled:
        """Mask, let the generator guess, and put its samples in place."""
        masked = self.mask(batch)
        logits = self.generator(masked.positions, masked.input_ids, *batch[1:4])
        return self.fill(batch, masked, logits, self.config.random_sample_prob)

    def fill(self, batch: Batch, masked: Masked, logits: Tensor, random_sample_prob: float = 0.0) -> Filled:
        """Sample from logits [B * K, V], with no gradient; in training `random_sample_prob` of them are any word."""
        samples = self.sample(logits.detach(), self.temperature).view_as(masked.labels)
        if random_sample_prob and self.training:
            is_random = torch.rand(samples.shape, device=samples.device) < random_sample_prob
            samples = torch.where(is_random, random_words(masked, self.config.model.vocab_size), samples)
        return Filled(masked, logits, samples, corrupt(batch, masked, samples))

    def cloze_loss(self, filled: Filled, counts: Counts) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's loss at the masked positions, and how well it guesses."""
        labels, used = filled.masked.labels, filled.masked.used.flatten()
        sampled = {"sampled_accuracy": mean((filled.samples == labels).flatten(), used)}
        if not isinstance(self.generator, MaskedLM):
            return filled.logits.new_zeros(()), sampled
        losses, hits = self.cloze(filled.logits, labels.flatten())
        guessed = {"gen_loss": mean(losses.detach(), used), "gen_accuracy": mean(hits, used)}
        return (losses * used).sum() / counts.masked.clamp_min(1), guessed | sampled
