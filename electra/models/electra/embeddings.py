"""Word, position and segment embeddings: what the two networks share.

B rows, L slots, E embedding size.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.config import ElectraConfig


class LayerNorm(nn.LayerNorm):
    """Normalise in fp32 and return the dtype that came in: [..., D] -> [..., D]."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.float(), self.normalized_shape, self.weight, self.bias, self.eps).to(x.dtype)


class DeltaTable(nn.Module):
    """A table that is stop-gradient(base) + delta: ids [...] -> [..., E].

    What trains it leaves the base alone (DeBERTaV3, section 3.3: gradient-disentangled embedding sharing). Its state
    is the sum, so that whoever saves or loads it sees a plain table.
    """

    def __init__(self, base: nn.Embedding) -> None:
        super().__init__()
        self.bases = (base,)  # in a tuple: it is another module's, and is saved there
        self.delta = nn.Parameter(torch.zeros_like(base.weight))

    @property
    def weight(self) -> Tensor:
        return self.bases[0].weight.detach() + self.delta

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.bases[0].weight.detach()) + F.embedding(ids, self.delta)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[prefix + "weight"] = self.weight if keep_vars else self.weight.detach()

    @torch.no_grad()
    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        self.delta.copy_(state_dict[prefix + "weight"] - self.bases[0].weight)


class Embeddings(nn.Module):
    """Add the three tables and normalise: ids [B, L] -> [B, L, E] in fp32."""

    compile_on = ("cuda",)  # on a CPU the compiler's sum of the gradient is slower than torch's

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        self.word: nn.Embedding | DeltaTable = nn.Embedding(config.vocab_size, config.embedding_size)
        self.position: nn.Embedding | DeltaTable = nn.Embedding(config.max_position_embeddings, config.embedding_size)
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


class DisentangledEmbeddings(Embeddings):
    """Another network's words and positions plus a difference; segments and LayerNorm of its own."""

    def __init__(self, config: ElectraConfig, base: Embeddings) -> None:
        super().__init__(config)
        assert isinstance(base.word, nn.Embedding) and isinstance(base.position, nn.Embedding)
        self.word, self.position = DeltaTable(base.word), DeltaTable(base.position)

    @torch.no_grad()
    def initialise(self, std: float) -> None:
        """Draw all tables, so that what is drawn after them is as ever, and keep the segments: differences are zero."""
        for table in (self.word, self.position):
            nn.init.trunc_normal_(torch.empty_like(table.weight), std=std, a=-2 * std, b=2 * std)
        nn.init.trunc_normal_(self.token_type.weight, std=std, a=-2 * std, b=2 * std)
