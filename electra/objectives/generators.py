"""Generators of replacements, and the weights they share with the main network (paper, section 3.2).

B rows, L slots, K masked positions, V vocabulary, D hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from electra.config import EncoderConfig, PretrainConfig
from electra.models.encoder import Encoder
from electra.models.heads import MaskedLM
from electra.models.kinds import Kind
from electra.models.registry import backbone_of


def build_encoder(config: PretrainConfig) -> tuple[Encoder, nn.Module | None]:
    """Build the main network's encoder; also return the generator's embeddings, None if it has its own."""
    backbone = backbone_of(config.model)
    if config.share == "gdes":
        base = backbone.embeddings(config.model)
        return backbone.encoder(config.model, backbone.disentangled(config.model, base)), base
    encoder = backbone.encoder(config.model)
    return encoder, encoder.embeddings if config.share == "embeddings" else None


def build_generator(config: PretrainConfig, encoder: Encoder, embeddings: nn.Module | None) -> nn.Module:
    """Build a generator beside `build_encoder`'s encoder: positions [B, K] and inputs [B, L] -> logits [B * K, V].

    A generator that is not trained is uniform at first; pre-training replaces it.
    """
    if not config.trains_generator:
        return Unigram(config.model.vocab_size)
    backbone = backbone_of(config.generator)
    return MaskedLM(encoder if config.share == "all" else backbone.encoder(config.generator, embeddings))


class Unigram(nn.Module):
    """A generator without a network: the same `log_probabilities` [V] at every position, uniform by default."""

    log_probabilities: Tensor

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.register_buffer("log_probabilities", torch.zeros(vocab_size), persistent=False)

    def forward(self, positions: Tensor, *inputs: Tensor) -> Tensor:
        return self.log_probabilities.expand(positions.numel(), -1)


class TwoTower(nn.Module):
    """Predict every token from all others, without [MASK] (Electric, section 2.4): ids [B, L] -> logits [B * L, V].

    One tower reads the tokens before t, the other those after t; both predict token t. The first and the
    last token of an example see a neighbouring example, but they are special tokens, which are never masked.
    """

    def __init__(self, config: EncoderConfig, embeddings: nn.Module | None = None) -> None:
        super().__init__()
        backbone = backbone_of(config)
        embeddings = embeddings or backbone.embeddings(config)
        self.forwards, self.backwards = (backbone.encoder(config, embeddings) for _ in range(2))
        self.forwards.direction, self.backwards.direction = 1, -1
        self.head = self.forwards.head(Kind.MASKED_LM, count=2)

    def forward(self, *inputs: Tensor) -> Tensor:
        before, after = self.forwards(*inputs).roll(1, dims=1), self.backwards(*inputs).roll(-1, dims=1)
        logits: Tensor = self.head(torch.cat([before, after], -1).flatten(0, 1), self.forwards.embeddings)
        return logits
