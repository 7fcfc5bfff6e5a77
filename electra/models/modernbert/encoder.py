"""The encoder of ModernBERT (Warner et al., 2024): LayerNorm before each sub-layer, rotary positions, local attention.

B rows, L slots, K asked positions, D hidden size, H heads, S dimensions of a head, I feed-forward width. Weights are
fp32; matrices multiply in `compute_dtype`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from electra.config import ModernBertConfig
from electra.models.dropout import Noise, draw_noise, drop
from electra.models.encoder import Encoder as AnyEncoder
from electra.models.kinds import Kind
from electra.models.layers import LayerNorm, Linear, rows_at
from electra.models.modernbert.embeddings import Embeddings
from electra.models.modernbert.heads import LabelHead, MLMHead, RTDHead, SpanHead
from electra.models.task_heads import JointSpanHead


class LayerNoise(NamedTuple):
    """Random numbers for the dropout of one layer; None where torch draws its own."""

    attention: Noise | None  # for [B, H, K, L]; K is L where all positions are computed
    attention_out: Noise | None  # for [B, K, D]
    mlp: Noise | None  # for [B, K, I]


NO_NOISE = LayerNoise(None, None, None)


class Sight(NamedTuple):
    """Where a layer's tokens look: one for the layers that see the whole text, one for the others."""

    bias: Tensor  # added to scores, [B, 1, L, L], or [B, 1, K, L]
    waves: Tensor  # cosines and sines of the positions, fp32 [2, B, 1, L, S / 2]


class SelfAttention(nn.Module):
    """Multi-head attention with rotated queries and keys: [B, L, D] -> [B, L, D], or [B, K, D] `at` positions."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        D = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.dropout = config.attention_dropout
        self.qkv = Linear(D, 3 * D, bias=config.attention_bias)
        self.out = Linear(D, D, bias=config.attention_bias)

    def forward(self, x: Tensor, sight: Sight, noise: Noise | None, at: Tensor | None) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k, v = (t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in (rows_at(q, at), k, v))
        q, k = rotate(q, waves_at(sight.waves, at)), rotate(k, sight.waves)
        if x.is_cuda:
            attended = F.scaled_dot_product_attention(q, k, v, sight.bias, self.dropout if self.training else 0.0)
        else:  # written out: on a CPU the fused kernel's backward pass takes longer than these lines (docs/speed.md)
            scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5 + sight.bias
            attended = drop(scores.softmax(-1).to(x.dtype), noise, self.dropout, self.training) @ v
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out


def rotate(x: Tensor, waves: Tensor) -> Tensor:
    """Turn each pair (x_s, x_{s + S/2}) by its position's angle, in fp32: [B, H, L, S] -> [B, H, L, S]."""
    (a, b), (cos, sin) = x.float().chunk(2, -1), waves
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(x.dtype)


def waves_at(waves: Tensor, at: Tensor | None) -> Tensor:
    """Return the waves at positions [B, K]; all without positions."""
    if at is None:
        return waves
    return torch.stack([rows_at(wave.squeeze(1), at)[:, None] for wave in waves])


class Layer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): [B, L, D] -> [B, L, D], or [B, K, D] `at` positions."""

    compile_on = ("cpu", "cuda")  # layers share compiled graphs, which take seconds; a whole network takes minutes

    def __init__(self, config: ModernBertConfig, number: int) -> None:
        super().__init__()
        D, size = config.hidden_size, config.intermediate_size
        self.depth = config.num_hidden_layers
        self.attention_norm = norm(config) if number else nn.Identity()  # the embeddings are normalised
        self.attention = SelfAttention(config)
        self.mlp_norm = norm(config)
        self.intermediate = Linear(D, 2 * size, bias=config.mlp_bias)
        self.output = Linear(size, D, bias=config.mlp_bias)
        self.dropouts = config.attention_dropout, config.mlp_dropout

    def forward(self, x: Tensor, sight: Sight, noise: LayerNoise, at: Tensor | None = None) -> Tensor:
        attended = self.attention(self.attention_norm(x), sight, noise.attention, at)
        x = rows_at(x, at) + drop(attended, noise.attention_out, self.dropouts[0], self.training)
        gated, gate = self.intermediate(self.mlp_norm(x)).chunk(2, -1)
        mlp: Tensor = self.output(drop(F.gelu(gated) * gate, noise.mlp, self.dropouts[1], self.training))
        return x + mlp


def norm(config: ModernBertConfig) -> LayerNorm:
    """Return a new LayerNorm of the width of the layers."""
    return LayerNorm(config.hidden_size, eps=config.norm_eps, bias=config.norm_bias)


class Encoder(AnyEncoder):
    """Token ids [B, L] -> hidden states [B, L, D], or [B, K, D] `at` positions [B, K] only.

    Pass another encoder's `embeddings` to share them. Segments are not told apart: `token_type_ids` are ignored.
    """

    config: ModernBertConfig
    embeddings: Embeddings

    def __init__(self, config: ModernBertConfig, embeddings: Embeddings | None = None) -> None:
        super().__init__()
        self.config = config
        self.compute_dtype = torch.float32
        self.pools_mean = config.classifier_pooling == "mean"
        self.embeddings = embeddings or Embeddings(config)
        self.layers = nn.ModuleList(Layer(config, number) for number in range(config.num_hidden_layers))
        self.final_norm = norm(config)

    def encode(
        self, input_ids: Tensor, example_ids: Tensor, token_type_ids: Tensor, position_ids: Tensor, at: Tensor | None
    ) -> Tensor:
        x = self.recall(self.embeddings(input_ids).to(self.compute_dtype), input_ids, example_ids)
        draws, p = self.training and not x.is_cuda, self.config.embedding_dropout
        x = drop(x, draw_noise(p, *x.shape, device=x.device) if draws else None, p, self.training)
        sights = self.sights(example_ids, position_ids)
        *below, last = self.layers
        for number, layer in enumerate(below):
            sight = sights[self.config.is_global(number)]
            x = layer(x, sight, self.noise(sight.bias) if draws else NO_NOISE)
        sight = sights[self.config.is_global(len(below))]
        if at is not None:
            sight = sight._replace(bias=rows_at(sight.bias.squeeze(1), at)[:, None])
        noise = self.noise(sight.bias) if draws else NO_NOISE
        # With so few positions a compiled layer is no faster on a CPU, and takes seconds to compile.
        x = last(x, sight, noise) if at is None else last.forward(x, sight, noise, at)
        out: Tensor = self.final_norm(x)
        return out

    def sights(self, example_ids: Tensor, position_ids: Tensor) -> tuple[Sight, Sight]:
        """Return what the local layers see, and what the global ones see."""
        c, bias = self.config, self.attention_bias(example_ids)
        slots = torch.arange(example_ids.shape[1], device=bias.device)
        far = (slots[:, None] - slots).abs() > c.local_attention // 2
        local = Sight(bias.masked_fill(far, -10000.0), waves(position_ids, c.local_rope_theta, c.head_size))
        return local, Sight(bias, waves(position_ids, c.global_rope_theta, c.head_size))

    def noise(self, bias: Tensor) -> LayerNoise:
        """Draw one layer's noise on a CPU, outside of the compiled part, where the generator would be slow."""
        B, _, K, L = bias.shape
        c, device = self.config, bias.device
        return LayerNoise(
            draw_noise(c.attention_dropout, B, c.num_attention_heads, K, L, device=device),
            draw_noise(c.attention_dropout, B, K, c.hidden_size, device=device),
            draw_noise(c.mlp_dropout, B, K, c.intermediate_size, device=device),
        )

    def head(self, kind: Kind, count: int = 1) -> nn.Module:
        """Return a new head, as `transformers` has it; `count` encoders or labels."""
        return HEADS[kind](self.config, count)


def waves(position_ids: Tensor, theta: float, head_size: int) -> Tensor:
    """Return cosines and sines of positions times frequencies: [B, L] -> [2, B, 1, L, S / 2]."""
    angles = position_ids[:, None, :, None].float() * frequencies(theta, head_size, position_ids.device)
    return torch.stack([angles.cos(), angles.sin()])


def frequencies(theta: float, head_size: int, device: torch.device | None = None) -> Tensor:
    """Return the angular frequencies of a head's pairs, geometric from 1 to nearly 1 / theta radians a token."""
    exponents = torch.arange(0, head_size, 2, dtype=torch.float, device=device) / head_size
    return 1.0 / theta**exponents


HEADS: dict[Kind, Callable[[ModernBertConfig, int], nn.Module]] = {
    Kind.DISCRIMINATOR: lambda config, _: RTDHead(config),
    Kind.MASKED_LM: MLMHead,
    Kind.CLASSIFIER: LabelHead,
    Kind.TAGGER: LabelHead,
    Kind.ANSWERER: lambda config, _: SpanHead(config),
    Kind.JOINT_ANSWERER: lambda config, _: JointSpanHead(config.hidden_size),
}
