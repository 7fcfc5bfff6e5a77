"""Word embeddings, which the two networks share; positions are rotations, in the encoder.

B rows, L slots, D hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from electra.config import ModernBertConfig
from electra.models.encoder import Embeddings as AnyEmbeddings
from electra.models.initialisation import draw_truncated
from electra.models.layers import DeltaTable, LayerNorm
from electra.models.memory import PairMemory


class Embeddings(AnyEmbeddings):
    """Look up and normalise: ids [B, L] -> [B, L, D] in fp32."""

    compile_on = ("cuda",)  # on a CPU the compiled gradient of a table is slower than torch's

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        self.word: nn.Embedding | DeltaTable = nn.Embedding(config.vocab_size, config.hidden_size)
        self.norm = LayerNorm(config.hidden_size, eps=config.norm_eps, bias=config.norm_bias)
        self.memory = PairMemory(config) if config.memory else None

    def forward(self, input_ids: Tensor) -> Tensor:
        x: Tensor = self.norm(self.word(input_ids))
        return x

    @torch.no_grad()
    def initialise(self, std: float) -> None:
        """Draw the table from a normal truncated at two standard deviations."""
        draw_truncated(self.word.weight, std)


class DisentangledEmbeddings(Embeddings):
    """Words of another network plus a learned difference; a LayerNorm of its own."""

    def __init__(self, config: ModernBertConfig, base: Embeddings) -> None:
        super().__init__(config)
        assert isinstance(base.word, nn.Embedding)
        self.word = DeltaTable(base.word)
        self.memory = base.memory and PairMemory(config, base.memory)

    def initialise(self, std: float) -> None:
        """Leave the difference at zero, but draw for it, so that later weights are those of any other sharing."""
        draw_truncated(torch.empty_like(self.word.weight), std)
