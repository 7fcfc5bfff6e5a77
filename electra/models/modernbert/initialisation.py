"""First weights: at random as in `transformers`, or from counts of the corpus (docs/lab/tiny.md).

In the second start, products of word vectors are co-occurrences, and heads look at their neighbours: the biases of
their queries and keys are constant vectors, whose rotated phases meet at one offset.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from electra.config import ModernBertConfig
from electra.models.heads import Discriminator
from electra.models.initialisation import (
    MLM_NORM,
    RTD_BIAS,
    WORD_STD,
    draw_linear,
    draw_linears_by_width,
    log_prior,
    neighbour_heads,
)
from electra.models.layers import Linear
from electra.models.memory import MEMORY_STD, PairMemory
from electra.models.modernbert.embeddings import Embeddings
from electra.models.modernbert.encoder import Encoder, Layer
from electra.models.modernbert.heads import LabelHead, MLMHead, PredictionHead
from electra.models.modernbert.rotary import frequencies

MARGIN = 1.0  # of the score of the offset that a head looks at, over those beside it (docs/explanation/modernbert.md)
CONTENT = 0.2  # the random part of a head that starts on a neighbour is shrunk to this


@torch.no_grad()
def initialise_randomly(module: nn.Module, std: float) -> None:
    """Draw weights as `transformers` does: truncated normal, smaller where a layer adds to the residual stream."""
    for part in module.modules():
        if isinstance(part, Linear):
            draw_linear(part, std)
    for part in module.modules():
        if isinstance(part, Embeddings | PairMemory):
            part.initialise(std)
        elif isinstance(part, Layer):
            for linear in (part.attention.out, part.output):
                draw_linear(linear, std / math.sqrt(2 * part.depth))
        elif isinstance(part, PredictionHead):
            draw_linear(part.dense, std / math.sqrt(2 * part.depth))
            if isinstance(part, LabelHead):
                draw_linear(part.out_proj, part.out_proj.in_features**-0.5)


@torch.no_grad()
def initialise_from_corpus(module: nn.Module, word_vectors: Tensor, unigram: Tensor) -> None:
    """Set weights from counts: `word_vectors` [V, <= D], of unit scale; `unigram` [V], probabilities."""
    draw_linears_by_width(module)
    for part in module.modules():
        if isinstance(part, PairMemory):
            part.initialise(MEMORY_STD)
        elif isinstance(part, Embeddings):
            nn.init.normal_(part.word.weight, std=0.1 * WORD_STD)
            part.word.weight[:, : word_vectors.shape[1]] = WORD_STD * word_vectors
        elif isinstance(part, Encoder) and part.config.attention_bias:
            look_at_neighbours(part)
        elif isinstance(part, MLMHead):
            part.norm.weight.fill_(MLM_NORM)
            if part.bias is not None:
                part.bias.copy_(log_prior(unigram))
        elif isinstance(part, Discriminator):
            assert isinstance(part.head, LabelHead)
            part.head.out_proj.bias.fill_(RTD_BIAS)


def vector_width(config: ModernBertConfig) -> int:
    """Return how many dimensions of the embeddings word vectors may fill: all of them."""
    return config.hidden_size


def look_at_neighbours(encoder: Encoder) -> None:
    """Let heads look at their neighbours, by the biases of their queries and keys."""
    for number, head, offset in neighbour_heads(encoder.config):
        layer = encoder.layers[number]
        assert isinstance(layer, Layer)
        look_at(layer, head, offset, encoder.config.rope_theta(number))


def look_at(layer: Layer, head: int, offset: int, theta: float) -> None:
    """Set the biases of a head's query and key so that their product is largest for the key `offset` tokens away.

    Rotated, they give size^2 x sum cos((distance - offset) x frequency).
    """
    heads, qkv = layer.attention.num_heads, layer.attention.qkv
    turns = frequencies(theta, qkv.in_features // heads)
    sharpness = (1 - turns.cos()).sum() * (2 * len(turns)) ** -0.5
    size = (MARGIN / sharpness).sqrt()
    query, key = qkv.bias.view(3, heads, -1)[:2, head]
    query.copy_(size * torch.cat([(offset * turns).cos(), (offset * turns).sin()]))
    key.copy_(size * torch.cat([torch.ones_like(turns), torch.zeros_like(turns)]))
    qkv.weight.view(3, heads, -1, qkv.in_features)[:2, head] *= CONTENT
