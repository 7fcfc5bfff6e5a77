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
from electra.models.modernbert.attention import SelfAttention, Sight
from electra.models.modernbert.attention import sight as sight_of
from electra.models.modernbert.embeddings import Embeddings
from electra.models.modernbert.heads import LabelHead, MLMHead, RTDHead, SpanHead
from electra.models.modernbert.rotary import waves
from electra.models.task_heads import JointSpanHead


class LayerNoise(NamedTuple):
    """Random numbers for the dropout of one layer; None where torch draws its own."""

    attention: Noise | None  # for [B, H, Q, L]; Q queries are K, or L where all positions are computed
    attention_out: Noise | None  # for [B, K, D]
    mlp: Noise | None  # for [B, K, I]


NO_NOISE = LayerNoise(None, None, None)


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

    def forward(self, x: Tensor, sight: Sight, noise: LayerNoise) -> Tensor:
        attended = self.attention(self.attention_norm(x), sight, noise.attention)
        x = rows_at(x, sight.at) + drop(attended, noise.attention_out, self.dropouts[0], self.training)
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
        seen = self.sights(example_ids, position_ids)
        *below, last = self.layers
        for number, layer in enumerate(below):
            sight = seen[self.config.is_global(number)]
            x = layer(x, sight, self.noise(sight) if draws else NO_NOISE)
        sight = seen[self.config.is_global(len(below))]
        sight = sight if at is None else sight.asked(at)
        noise = self.noise(sight) if draws else NO_NOISE
        # With so few positions a compiled layer is no faster on a CPU, and takes seconds to compile.
        x = last(x, sight, noise) if at is None else last.forward(x, sight, noise)
        out: Tensor = self.final_norm(x)
        return out

    def sights(self, example_ids: Tensor, position_ids: Tensor) -> tuple[Sight, Sight]:
        """Return the attention of the local layers, and that of the global ones."""
        c, block = self.config, self.config.block(example_ids.shape[1])
        local = waves(position_ids, c.local_rope_theta, c.head_size)
        whole = waves(position_ids, c.global_rope_theta, c.head_size)
        return (
            sight_of(example_ids, local, self.reach(c.local_attention // 2), block, self.compute_dtype),
            sight_of(example_ids, whole, self.reach(None), 0, self.compute_dtype),
        )

    def noise(self, sight: Sight) -> LayerNoise:
        """Draw a layer's dropout noise on a CPU before the compiled part, inside which random numbers are slow."""
        _, B, _, L, _ = sight.waves.shape
        K = L if sight.at is None else sight.at.shape[1]
        c, device = self.config, sight.waves.device
        return LayerNoise(
            draw_noise(c.attention_dropout, B, c.num_attention_heads, sight.queries, L, device=device),
            draw_noise(c.attention_dropout, B, K, c.hidden_size, device=device),
            draw_noise(c.mlp_dropout, B, K, c.intermediate_size, device=device),
        )

    def head(self, kind: Kind, count: int = 1) -> nn.Module:
        """Return a new head, as `transformers` has it; `count` encoders or labels."""
        return HEADS[kind](self.config, count)


HEADS: dict[Kind, Callable[[ModernBertConfig, int], nn.Module]] = {
    Kind.DISCRIMINATOR: lambda config, _: RTDHead(config),
    Kind.MASKED_LM: MLMHead,
    Kind.CLASSIFIER: LabelHead,
    Kind.TAGGER: LabelHead,
    Kind.ANSWERER: lambda config, _: SpanHead(config),
    Kind.JOINT_ANSWERER: lambda config, _: JointSpanHead(config.hidden_size),
}
