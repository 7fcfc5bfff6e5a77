"""Word, position and segment embeddings, shared by the two networks.

B rows, L slots, E embedding size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from electra.config import ElectraConfig
from electra.models.encoder import Embeddings as AnyEmbeddings
from electra.models.initialisation import draw_truncated
from electra.models.layers import DeltaTable, LayerNorm
from electra.models.memory import PairMemory


class Embeddings(AnyEmbeddings):
    """Add the three tables and normalise: ids [B, L] -> [B, L, E] in fp32."""

    compile_on = ("cuda",)  # on a CPU the compiled gradient of a table is slower than torch's

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        self.word: nn.Embedding | DeltaTable = nn.Embedding(config.vocab_size, config.embedding_size)
        self.position: nn.Embedding | DeltaTable = nn.Embedding(config.max_position_embeddings, config.embedding_size)
        self.token_type = nn.Embedding(config.type_vocab_size, config.embedding_size)
        self.norm = LayerNorm(config.embedding_size, eps=config.layer_norm_eps)
        self.memory = PairMemory(config) if config.memory else None

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, position_ids: Tensor) -> Tensor:
        x: Tensor = self.word(input_ids) + self.position(position_ids) + self.token_type(token_type_ids)
        return self.norm(x)

    @torch.no_grad()
    def initialise(self, std: float) -> None:
        """Draw the tables from a normal truncated at two standard deviations, as BERT does."""
        for table in (self.word, self.position, self.token_type):
            draw_truncated(table.weight, std)


class DisentangledEmbeddings(Embeddings):
    """Another network's words and positions plus learned deltas, with separate segments and LayerNorm."""

    def __init__(self, config: ElectraConfig, base: Embeddings) -> None:
        super().__init__(config)
        assert isinstance(base.word, nn.Embedding) and isinstance(base.position, nn.Embedding)
        self.word, self.position = DeltaTable(base.word), DeltaTable(base.position)
        self.memory = base.memory and PairMemory(config, base.memory)

    @torch.no_grad()
    def initialise(self, std: float) -> None:
        """Draw the segments. Draw and discard values for the deltas, so that later weights match other modes."""
        for table in (self.word, self.position):
            draw_truncated(torch.empty_like(table.weight), std)
        draw_truncated(self.token_type.weight, std)
