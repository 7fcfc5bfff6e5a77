"""What proposes replacements, and what it shares with the network that judges them (paper, section 3.2).

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
    """The main network's encoder, and the embeddings the generator is to use; None: its own."""
    if config.share == "gdes":
        base = Embeddings(config.model)
        return Encoder(config.model, DisentangledEmbeddings(config.model, base)), base
    encoder = Encoder(config.model)
    return encoder, encoder.embeddings if config.share == "embeddings" else None


def build_generator(config: PretrainConfig, encoder: Encoder, embeddings: Embeddings | None) -> nn.Module:
    """The generator for a main network of `build_encoder`: positions [B, K] and inputs [B, L] -> logits [B * K, V].

    What the configuration does not train starts uniform; whoever reads files fills it in.
    """
    if config.generator_kind != "mlm":
        return Unigram(config.model.vocab_size)
    return MaskedLM(encoder if config.share == "all" else Encoder(config.generator, embeddings))


class Unigram(nn.Module):
    """No network: the same `log_probabilities` [V] everywhere, uniform until they are set."""

    log_probabilities: Tensor

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.register_buffer("log_probabilities", torch.zeros(vocab_size), persistent=False)

    def forward(self, positions: Tensor, *inputs: Tensor) -> Tensor:
        return self.log_probabilities.expand(positions.numel(), -1)


class Tower(Encoder):
    """An encoder that reads one way: a token sees itself and those before it, or, backwards, those after it."""

    def __init__(self, config: ElectraConfig, embeddings: Embeddings, backwards: bool) -> None:
        super().__init__(config, embeddings)
        self.backwards = backwards

    def attention_bias(self, example_ids: Tensor) -> Tensor:
        bias = super().attention_bias(example_ids)
        ahead = torch.ones(bias.shape[-2:], dtype=torch.bool, device=bias.device).triu(1)
        return bias.masked_fill(ahead.T if self.backwards else ahead, -10000.0)


class TwoTower(nn.Module):
    """Foretell every token from all others, with no [MASK] (Electric, section 2.4): ids [B, L] -> logits [B * L, V].

    Token t is foretold from what one tower has read up to t - 1 and the other from t + 1 on. The first and the last
    token of an example see what they must not; they are special tokens, which are never masked.
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
