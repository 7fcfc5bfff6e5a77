"""The networks of pre-training and their heads.

B rows, L slots, K masked positions, V vocabulary, D hidden size, E embedding size.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.models.encoder import Encoder
from electra.models.kinds import Kind
from electra.models.layers import LayerNorm, Linear

ROWS = ("input_ids", "attention_mask", "token_type_ids")


class RTDHead(nn.Module):
    """Predict whether each token was replaced: hidden states [B, L, D] -> logits [B, L], positive means replaced."""

    compile_on = ("cuda",)  # on a CPU it saves less time than compiling takes

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense = Linear(hidden_size, hidden_size)
        self.prediction = Linear(hidden_size, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.prediction(F.gelu(self.dense(hidden)))
        return logits.squeeze(-1).float()


class MLMHead(nn.Module):
    """Predict the token at each position: hidden states [N, D] -> logits [N, V], through the word embeddings."""

    compile_on = ("cuda",)

    def __init__(self, hidden_size: int, embeddings: Any) -> None:
        super().__init__()
        vocab_size, embedding_size = embeddings.word.weight.shape
        self.dense = Linear(hidden_size, embedding_size)
        self.norm = LayerNorm(embedding_size, eps=embeddings.norm.eps)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, hidden: Tensor, embeddings: Any) -> Tensor:
        return vocabulary_logits(self.norm(F.gelu(self.dense(hidden))), embeddings.word.weight, self.bias)


def vocabulary_logits(x: Tensor, table: Tensor, bias: Tensor | None) -> Tensor:
    """Return the products of vectors with the word vectors, in the dtype of the former: [N, E], [V, E] -> [N, V]."""
    table, bias = table.to(x.dtype), None if bias is None else bias.to(x.dtype)
    V = len(table)
    if x.is_cuda and V % 8:  # a product with unaligned rows takes twice as long on a GPU
        padded = None if bias is None else F.pad(bias, (0, -V % 8))
        return F.linear(x, F.pad(table, (0, 0, 0, -V % 8)), padded)[:, :V]
    return F.linear(x, table, bias)


class Network(nn.Module):
    """An encoder and its head.

    For inference, `named_outputs(input_ids, attention_mask, token_type_ids)` takes padded rows of one example each,
    int64 [B, L], and returns the tensors named by `output_names`, as Hugging Face does.
    """

    kind: Kind
    head: nn.Module  # none on an encoder alone
    input_names: tuple[str, ...] = ROWS
    output_names: tuple[str, ...] = ("logits",)

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def named_outputs(self, *rows: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of rows, in the order of `output_names`."""
        raise NotImplementedError


class Discriminator(Network):
    """The network that pre-training keeps: ids [B, L] -> logits [B, L], positive means replaced."""

    kind = Kind.DISCRIMINATOR
    output_names = ("logits", "last_hidden_state")

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder)
        self.head = encoder.head(self.kind)

    def forward(self, *inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(*inputs))
        return logits

    def named_outputs(self, *rows: Tensor) -> tuple[Tensor, ...]:
        hidden = self.encoder(*rows)
        return self.head(hidden), hidden


class MaskedLM(Network):
    """A masked language model, with logits at the requested positions only: [B, K], [B, L] -> [B * K, V]."""

    kind = Kind.MASKED_LM
    input_names = (*ROWS, "positions")

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder)
        self.head = encoder.head(self.kind)

    def forward(self, positions: Tensor, *inputs: Tensor) -> Tensor:
        return self.predict(self.hidden_at(positions, *inputs))

    def hidden_at(self, positions: Tensor, *inputs: Tensor) -> Tensor:
        """Return hidden states at the requested positions, [B * K, D]."""
        hidden: Tensor = self.encoder(*inputs, at=positions)
        return hidden.flatten(0, 1)

    def predict(self, hidden: Tensor) -> Tensor:
        """Return logits of hidden states: [N, D] -> [N, V]."""
        logits: Tensor = self.head(hidden, self.encoder.embeddings)
        return logits

    def named_outputs(self, *rows: Tensor) -> tuple[Tensor, ...]:
        *inputs, positions = rows
        return (self(positions, *inputs).unflatten(0, positions.shape),)


class Headless(Network):
    """An encoder alone: ids [B, L] -> hidden states [B, L, D]."""

    kind = Kind.HEADLESS
    output_names = ("last_hidden_state",)

    def forward(self, *inputs: Tensor) -> Tensor:
        hidden: Tensor = self.encoder(*inputs)
        return hidden

    def named_outputs(self, *rows: Tensor) -> tuple[Tensor, ...]:
        return (self(*rows),)
