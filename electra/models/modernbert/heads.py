"""ModernBERT's heads: one hidden layer, normalised after its activation, under every prediction.

N vectors, V vocabulary, D hidden size, C labels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.config import ModernBertConfig
from electra.models.heads import vocabulary_logits
from electra.models.layers import LayerNorm, Linear
from electra.models.task_heads import SpanHead as AnySpanHead


class PredictionHead(nn.Module):
    """The hidden layer: [..., W] -> [..., D], where W is D, or several times D for several encoders."""

    def __init__(self, config: ModernBertConfig, encoders: int = 1) -> None:
        super().__init__()
        D = config.hidden_size
        self.dense = Linear(encoders * D, D, bias=config.classifier_bias)
        self.norm = LayerNorm(D, eps=config.norm_eps, bias=config.norm_bias)
        self.depth = config.num_hidden_layers  # of the encoder: first weights depend on it

    def hidden(self, x: Tensor) -> Tensor:
        """Return the vectors that predictions are made from, [..., D]."""
        normed: Tensor = self.norm(F.gelu(self.dense(x)))
        return normed


class MLMHead(PredictionHead):
    """Which token stands here? Hidden states [N, D] -> logits [N, V], through the word embeddings."""

    compile_on = ("cuda",)

    def __init__(self, config: ModernBertConfig, encoders: int = 1) -> None:
        super().__init__(config, encoders)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size)) if config.decoder_bias else None

    def forward(self, hidden: Tensor, embeddings: Any) -> Tensor:
        return vocabulary_logits(self.hidden(hidden), embeddings.word.weight, self.bias)


class LabelHead(PredictionHead):
    """Which label? [..., D] -> [..., C] in fp32, of tokens or of whole texts."""

    def __init__(self, config: ModernBertConfig, num_labels: int) -> None:
        super().__init__(config)
        self.dropout = config.classifier_dropout
        self.out_proj = Linear(config.hidden_size, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.out_proj(F.dropout(self.hidden(x), self.dropout, self.training))
        return logits.float()


class RTDHead(LabelHead):
    """Is this token the original? A label's head with one label: [B, L, D] -> [B, L], positive where replaced."""

    compile_on = ("cuda",)

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(config, 1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze(-1)


class SpanHead(AnySpanHead):
    """Start and end of an answer, each on its own, from one hidden layer."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(config.hidden_size)
        self.outputs = LabelHead(config, 2)
