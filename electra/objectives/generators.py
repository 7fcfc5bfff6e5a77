"""Generators of replacements, and the weights they share with the main network (paper, section 3.2).

B rows, L slots, K masked positions, V vocabulary, D hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from electra.config import ElectraConfig, PretrainConfig
from electra.models.electra.embeddings import DisentangledEmbeddings, Embeddings
from electra.models.electra.encoder import Encoder
from electra.models.heads import MaskedLM, MLMHead


def build_encoder(config: PretrainConfig) -> tuple[Encoder, Embeddings | None]:
    """Build the main network's encoder; return it with the embeddings for the generator, None for its own."""
    if config.share == "gdes":
        base = Embeddings(config.model)
        return Encoder(config.model, DisentangledEmbeddings(config.model, base)), base
    encoder = Encoder(config.model)
    return encoder, encoder.embeddings if config.share == "embeddings" else None


def build_generator(config: PretrainConfig, encoder: Encoder, embeddings: Embeddings | None) -> nn.Module:
    """Build the generator for an encoder of `build_encoder`: positions [B, K] and inputs [B, L] -> logits [B * K, V].

    One that is not trained starts uniform; first_weights.py replaces it by corpus counts or a network from a folder.
    """
    if not config.trains_generator:
        return Unigram(config.model.vocab_size)
    return MaskedLM(encoder if config.share == "all" else Encoder(config.generator, embeddings))


class Unigram(nn.Module):
    """A generator without a network: the same `log_probabilities` [V] at every position, uniform by default."""

    log_probabilities: Tensor

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.register_buffer("log_probabilities", torch.zeros(vocab_size), persistent=False)

    def forward(self, positions: Tensor, *inputs: Tensor) -> Tensor:
        return self.log_probabilities.expand(positions.numel(), -1)


class Tower(Encoder):
    """A one-directional encoder: tokens attend to themselves and those before them or, if `backwards`, after them."""

    def __init__(self, config: ElectraConfig, embeddings: Embeddings, backwards: bool) -> None:
        super().__init__(config, embeddings)
        self.backwards = backwards

    def attention_bias(self, example_ids: Tensor) -> Tensor:
        bias = super().attention_bias(example_ids)
        ahead = torch.ones(bias.shape[-2:], dtype=torch.bool, device=bias.device).triu(1)
        return bias.masked_fill(ahead.T if self.backwards else ahead, -10000.0)


class TwoTower(nn.Module):
    """Predict every token from all others, without [MASK] (Electric, section 2.4): ids [B, L] -> logits [B * L, V].

    Token t is predicted from the tokens up to t - 1, read by one tower, and those from t + 1 on, read by the other. The
    first and last token of an example get a neighbour's state; they are special tokens, which are never masked.
    """

    def __init__(self, config: ElectraConfig, embeddings: Embeddings | None = None) -> None:
        super().__init__()
        embeddings = embeddings or Embeddings(config)
        self.forwards, self.backwards = Tower(config, embeddings, False), Tower(config, embeddings, True)
        self.head = MLMHead(2 * config.hidden_size, embeddings)

    def forward(self, *inputs: Tensor) -> Tensor:
        before, after = self.forwards(*inputs).roll(1, dims=1), self.backwards(*inputs).roll(-1, dims=1)
        logits: Tensor = self.head(torch.cat([before, after], -1).flatten(0, 1), self.forwards.embeddings)
        return logits
