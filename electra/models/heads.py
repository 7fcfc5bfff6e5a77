"""What stands on an encoder: the two networks of ELECTRA, as they are trained and as they are loaded.

B rows, L slots, K masked positions, V vocabulary, D hidden size, E embedding size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.models.electra.embeddings import Embeddings, LayerNorm
from electra.models.electra.encoder import Encoder, Linear


class RTDHead(nn.Module):
    """Is this token the original? Hidden states [B, L, D] -> logits [B, L], positive where replaced."""

    compile_on = ("cuda",)  # on a CPU the seconds to compile are not made up for

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense = Linear(hidden_size, hidden_size)
        self.prediction = Linear(hidden_size, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.prediction(F.gelu(self.dense(hidden)))
        return logits.squeeze(-1).float()


class MLMHead(nn.Module):
    """Which token stands here? Hidden states [N, D] -> logits [N, V], through the word embeddings."""

    compile_on = ("cuda",)

    def __init__(self, hidden_size: int, embeddings: Embeddings) -> None:
        super().__init__()
        vocab_size, embedding_size = embeddings.word.weight.shape
        self.dense = Linear(hidden_size, embedding_size)
        self.norm = LayerNorm(embedding_size, eps=embeddings.norm.eps)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, hidden: Tensor, embeddings: Embeddings) -> Tensor:
        x = self.norm(F.gelu(self.dense(hidden)))
        table, bias = embeddings.word.weight.to(x.dtype), self.bias.to(x.dtype)
        V = len(table)
        if x.is_cuda and V % 8:  # a matrix whose rows begin at odd places takes twice as long there
            return F.linear(x, F.pad(table, (0, 0, 0, -V % 8)), F.pad(bias, (0, -V % 8)))[:, :V]
        return F.linear(x, table, bias)


class Discriminator(nn.Module):
    """The network that is kept: ids [B, L] -> logits [B, L], positive where a token looks replaced."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = RTDHead(encoder.config.hidden_size)

    def forward(self, *inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(*inputs))
        return logits


class MaskedLM(nn.Module):
    """A masked language model; logits are made at the asked positions only: [B, L], [B, K] -> [B * K, V]."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = MLMHead(encoder.config.hidden_size, encoder.embeddings)

    def forward(self, positions: Tensor, *inputs: Tensor) -> Tensor:
        return self.predict(self.hidden_at(positions, *inputs))

    def hidden_at(self, positions: Tensor, *inputs: Tensor) -> Tensor:
        """Hidden states at the asked positions, [B * K, D]."""
        hidden: Tensor = self.encoder(*inputs, at=positions)
        return hidden.flatten(0, 1)

    def predict(self, hidden: Tensor) -> Tensor:
        """Logits of hidden states: [N, D] -> [N, V]."""
        logits: Tensor = self.head(hidden, self.encoder.embeddings)
        return logits


class Headless(nn.Module):
    """An encoder alone, under the name it has in the other networks: ids [B, L] -> hidden states [B, L, D]."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *inputs: Tensor) -> Tensor:
        hidden: Tensor = self.encoder(*inputs)
        return hidden
