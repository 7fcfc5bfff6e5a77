"""Word, position and segment embeddings: what the two networks share.

B rows, L slots, E embedding size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.config import ElectraConfig


class LayerNorm(nn.LayerNorm):
    """Normalise in fp32 and return the dtype that came in: [..., D] -> [..., D]."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.float(), self.normalized_shape, self.weight, self.bias, self.eps).to(x.dtype)


class Embeddings(nn.Module):
    """Add the three tables and normalise: ids [B, L] -> [B, L, E] in fp32."""

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        self.word = nn.Embedding(config.vocab_size, config.embedding_size)
        self.position = nn.Embedding(config.max_position_embeddings, config.embedding_size)
        self.token_type = nn.Embedding(config.type_vocab_size, config.embedding_size)
        self.norm = LayerNorm(config.embedding_size, eps=config.layer_norm_eps)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, position_ids: Tensor) -> Tensor:
        x: Tensor = self.word(input_ids) + self.position(position_ids) + self.token_type(token_type_ids)
        return self.norm(x)

    @torch.no_grad()
    def initialise(self, std: float) -> None:
        """Draw the tables from a normal truncated at two standard deviations, as BERT does."""
        for table in (self.word, self.position, self.token_type):
            nn.init.trunc_normal_(table.weight, std=std, a=-2 * std, b=2 * std)
