"""The Transformer encoder of BERT and ELECTRA: LayerNorm after each sub-layer, learned positions.

B rows, L slots, K asked positions, D hidden size, H heads. Weights are fp32; matrices multiply in `compute_dtype`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.config import ElectraConfig
from electra.models.dropout import Noise, draw_noise, drop
from electra.models.electra.embeddings import Embeddings, LayerNorm


class Linear(nn.Linear):
    """A matrix of fp32 weights, multiplied in the dtype of its input: [..., D_in] -> [..., D_out]."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class LayerNoise(NamedTuple):
    """What decides the dropout of one layer; None where torch draws its own."""

    attention: Noise | None  # for [B, H, K, L]; K is L where all positions are asked for
    attention_out: Noise | None  # for [B, K, D]
    mlp_out: Noise | None  # for [B, K, D]


# Both networks, in short rows and whole ones, of every contestant of a race: beyond torch's 8 they run uncompiled.
SHAPES_COMPILED_FOR = 64
NO_NOISE = LayerNoise(None, None, None)


class SelfAttention(nn.Module):
    """Multi-head attention with one fused projection: [B, L, D] -> [B, L, D], or [B, K, D] `at` some positions."""

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.qkv = Linear(config.hidden_size, 3 * config.hidden_size)
        self.out = Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, bias: Tensor, noise: Noise | None, at: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k, v = (t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in (rows_at(q, at), k, v))
        if x.is_cuda:
            attended = F.scaled_dot_product_attention(q, k, v, bias, self.dropout if self.training else 0.0)
        else:  # written out: on a CPU the fused kernel's backward pass takes longer than these lines (docs/speed.md)
            scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5 + bias
            attended = drop(scores.softmax(-1).to(x.dtype), noise, self.dropout, self.training) @ v
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


class Encoder(nn.Module):
    """Token ids [B, L] -> hidden states [B, L, D], or [B, K, D] `at` positions [B, K]: the last layer is then as short.

    Pass another encoder's `embeddings` to share them: the same module serves both networks (paper, section 3.2).
    """

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

    def forward(
        self,
        input_ids: Tensor,
        example_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        at: Tensor | None = None,
    ) -> Tensor:
        """Encode rows; `example_ids` is 0 at padding and n at the tokens of a row's nth example."""
        if example_ids is None:
            example_ids = torch.ones_like(input_ids)
        if token_type_ids is None:
            token_type_ids = torch.zeros_like(input_ids)
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        x = self.embeddings(input_ids, token_type_ids, position_ids).to(self.compute_dtype)
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
        # For so few positions a compiled layer is no faster on a CPU, and takes its seconds to compile.
        out: Tensor = last(x, bias, noise) if at is None else last.forward(x, bias, noise, at)
        return out

    def attention_bias(self, example_ids: Tensor) -> Tensor:
        """What is added to attention scores: nothing between tokens of one example, [B, L] -> [B, 1, L, L]."""
        return attention_bias(example_ids, self.compute_dtype)

    def noise(self, bias: Tensor) -> LayerNoise:
        """One layer's noise on a CPU, drawn outside the compiled part: in it the generator would be slow."""
        B, _, K, L = bias.shape
        c, device = self.config, bias.device
        p, p_attention = c.hidden_dropout_prob, c.attention_probs_dropout_prob
        return LayerNoise(
            draw_noise(p_attention, B, c.num_attention_heads, K, L, device=device),
            draw_noise(p, B, K, c.hidden_size, device=device),
            draw_noise(p, B, K, c.hidden_size, device=device),
        )


def rows_at(x: Tensor, positions: Tensor | None) -> Tensor:
    """The rows of [B, L, D] at positions [B, K], [B, K, D]; without positions all."""
    return x if positions is None else x.gather(1, positions[..., None].expand(-1, -1, x.shape[-1]))


def attention_bias(example_ids: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where two tokens belong to the same example, a large negative number elsewhere: [B, L] -> [B, 1, L, L]."""
    together = example_ids[:, None, :, None] == example_ids[:, None, None, :]
    return torch.zeros(together.shape, dtype=dtype, device=together.device).masked_fill_(~together, -10000.0)


def compute_in(module: nn.Module, dtype: torch.dtype) -> None:
    """Let every encoder in `module` multiply its matrices in `dtype`."""
    for encoder in module.modules():
        if isinstance(encoder, Encoder):
            encoder.compute_dtype = dtype


def compile_parts(module: nn.Module, device: torch.device) -> None:
    """Compile in place the parts that say they are worth it on this device."""
    torch._dynamo.config.recompile_limit = SHAPES_COMPILED_FOR
    for part in module.modules():
        if device.type in getattr(part, "compile_on", ()):
            part.compile(dynamic=False)
