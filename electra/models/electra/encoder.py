"""The Transformer encoder of BERT and ELECTRA: LayerNorm after each sub-layer, learned positions.

B rows, L slots, K requested positions, D hidden size, H heads. Weights are fp32; products are in `compute_dtype`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.config import ElectraConfig
from electra.models.attention import attend
from electra.models.dropout import Noise, draw_noise, drop
from electra.models.electra.embeddings import Embeddings
from electra.models.encoder import Encoder as AnyEncoder
from electra.models.heads import MLMHead, RTDHead
from electra.models.kinds import Kind
from electra.models.layers import LayerNorm, Linear, rows_at
from electra.models.task_heads import DenseHead, JointSpanHead, LinearHead, SpanHead


class LayerNoise(NamedTuple):
    """Random numbers for the dropout of one layer; None if torch draws its own."""

    attention: Noise | None  # for [B, H, K, L]; K is L if all positions are computed
    attention_out: Noise | None  # for [B, K, D]
    mlp_out: Noise | None  # for [B, K, D]


NO_NOISE = LayerNoise(None, None, None)


class SelfAttention(nn.Module):
    """Multi-head attention with a fused projection: [B, L, D] -> [B, L, D], or [B, K, D] `at` some positions."""

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.qkv = Linear(config.hidden_size, 3 * config.hidden_size)
        self.out = Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, bias: Tensor, noise: Noise | None, at: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k, v = (t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in (rows_at(q, at), k, v))
        attended = attend(q, k, v, bias, noise, self.dropout if self.training else 0.0)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out


class Layer(nn.Module):
    """LayerNorm(x + attention(x)), then LayerNorm(x + mlp(x)): [B, L, D] -> [B, L, D], or [B, K, D] `at` positions."""

    compile_on = ("cpu", "cuda")  # layers share one compiled graph, which takes seconds; a whole network takes minutes

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.attention_norm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.intermediate = Linear(config.hidden_size, config.intermediate_size)
        self.output = Linear(config.intermediate_size, config.hidden_size)
        self.output_norm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = config.hidden_dropout_prob

    def forward(self, x: Tensor, bias: Tensor, noise: LayerNoise, at: Tensor | None = None) -> Tensor:
        attended = self.attention(x, bias, noise.attention, at)
        x = self.attention_norm(rows_at(x, at) + drop(attended, noise.attention_out, self.dropout, self.training))
        mlp: Tensor = self.output(F.gelu(self.intermediate(x)))
        out: Tensor = self.output_norm(x + drop(mlp, noise.mlp_out, self.dropout, self.training))
        return out


class Encoder(AnyEncoder):
    """Token ids [B, L] -> hidden states [B, L, D], or [B, K, D] `at` positions [B, K] only.

    Pass another encoder's `embeddings` to share the module (paper, section 3.2).
    """

    config: ElectraConfig
    embeddings: Embeddings

    def __init__(self, config: ElectraConfig, embeddings: Embeddings | None = None) -> None:
        super().__init__()
        self.config = config
        self.compute_dtype = torch.float32
        self.embeddings = embeddings or Embeddings(config)
        if config.embedding_size != config.hidden_size:
            self.project: nn.Module = Linear(config.embedding_size, config.hidden_size)
        else:
            self.project = nn.Identity()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def encode(
        self, input_ids: Tensor, example_ids: Tensor, token_type_ids: Tensor, position_ids: Tensor, at: Tensor | None
    ) -> Tensor:
        x = self.embeddings(input_ids, token_type_ids, position_ids).to(self.compute_dtype)
        x = self.recall(x, input_ids, example_ids)
        draws = self.training and not x.is_cuda
        p = self.config.hidden_dropout_prob
        x = self.project(drop(x, draw_noise(p, *x.shape, device=x.device) if draws else None, p, self.training))
        bias = self.attention_bias(example_ids)
        *below, last = self.layers
        for layer in below:
            x = layer(x, bias, self.noise(bias) if draws else NO_NOISE)
        if at is not None:
            bias = rows_at(bias.squeeze(1), at)[:, None]
        noise = self.noise(bias) if draws else NO_NOISE
        # With so few positions a compiled layer is no faster on a CPU, and takes seconds to compile.
        out: Tensor = last(x, bias, noise) if at is None else last.forward(x, bias, noise, at)
        return out

    def noise(self, bias: Tensor) -> LayerNoise:
        """Draw a layer's dropout noise on a CPU before the compiled part, inside which random numbers are slow."""
        B, _, K, L = bias.shape
        c, device = self.config, bias.device
        p, p_attention = c.hidden_dropout_prob, c.attention_probs_dropout_prob
        return LayerNoise(
            draw_noise(p_attention, B, c.num_attention_heads, K, L, device=device),
            draw_noise(p, B, K, c.hidden_size, device=device),
            draw_noise(p, B, K, c.hidden_size, device=device),
        )

    def head(self, kind: Kind, count: int = 1) -> nn.Module:
        return HEADS[kind](self, count)


HEADS: dict[Kind, Callable[[Encoder, int], nn.Module]] = {
    Kind.DISCRIMINATOR: lambda encoder, _: RTDHead(encoder.config.hidden_size),
    Kind.MASKED_LM: lambda encoder, towers: MLMHead(towers * encoder.config.hidden_size, encoder.embeddings),
    Kind.CLASSIFIER: lambda encoder, labels: DenseHead(encoder.config, labels),
    Kind.LINEAR_CLASSIFIER: lambda encoder, labels: LinearHead(encoder.config, labels),
    Kind.TAGGER: lambda encoder, labels: LinearHead(encoder.config, labels),
    Kind.ANSWERER: lambda encoder, _: SpanHead(encoder.config.hidden_size),
    Kind.JOINT_ANSWERER: lambda encoder, _: JointSpanHead(encoder.config.hidden_size),
}
