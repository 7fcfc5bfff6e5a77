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
from electra.models.layers import Linear, zero_bias
from electra.models.memory import MEMORY_STD, PairMemory
from electra.models.modernbert.embeddings import Embeddings
from electra.models.modernbert.encoder import Encoder, Layer
from electra.models.modernbert.heads import LabelHead, MLMHead, PredictionHead
from electra.models.modernbert.rotary import frequencies

NEIGHBOURS = (-1, 1, -2, 2)
WORD_STD = 0.1
MARGIN = 1.0  # of the score of the offset that a head looks at, over those beside it (docs/explanation/modernbert.md)
CONTENT = 0.2  # the random part of a head that starts on a neighbour is shrunk to this


@torch.no_grad()
def initialise_randomly(module: nn.Module, std: float) -> None:
    """Draw weights as `transformers` does: truncated normal, smaller where a layer adds to the residual stream."""
    for part in module.modules():
        if isinstance(part, Linear):
            draw(part, std)
    for part in module.modules():
        if isinstance(part, Embeddings | PairMemory):
            part.initialise(std)
        elif isinstance(part, Layer):
            for linear in (part.attention.out, part.output):
                draw(linear, std / math.sqrt(2 * part.depth))
        elif isinstance(part, PredictionHead):
            draw(part.dense, std / math.sqrt(2 * part.depth))
            if isinstance(part, LabelHead):
                draw(part.out_proj, part.out_proj.in_features**-0.5)


def draw(linear: Linear, std: float) -> None:
    """Draw a matrix from a normal truncated at two standard deviations; biases are zero."""
    nn.init.trunc_normal_(linear.weight, std=std, a=-2 * std, b=2 * std)
    zero_bias(linear)


@torch.no_grad()
def initialise_from_corpus(module: nn.Module, word_vectors: Tensor, unigram: Tensor) -> None:
    """Set weights from counts: `word_vectors` [V, <= D], of unit scale; `unigram` [V], probabilities.

    Embeddings must be much larger than the learning rate, or Adam overwrites them within a few steps.
    """
    for part in module.modules():
        if isinstance(part, Linear):
            nn.init.normal_(part.weight, std=part.in_features**-0.5)
            zero_bias(part)
    for part in module.modules():
        if isinstance(part, PairMemory):
            part.initialise(MEMORY_STD)
        elif isinstance(part, Embeddings):
            nn.init.normal_(part.word.weight, std=0.1 * WORD_STD)
            part.word.weight[:, : word_vectors.shape[1]] = WORD_STD * word_vectors
        elif isinstance(part, Encoder) and part.config.attention_bias:
            look_at_neighbours(part)
        elif isinstance(part, MLMHead):
            part.norm.weight.fill_(0.2)  # keeps the first logits near the prior, as the vectors are large
            if part.bias is not None:
                part.bias.copy_(unigram.clamp_min(1e-9).log())
        elif isinstance(part, Discriminator):
            assert isinstance(part.head, LabelHead)
            part.head.out_proj.bias.fill_(-2.0)  # about the share of replaced tokens


def vector_width(config: ModernBertConfig) -> int:
    """Return how many dimensions of the embeddings word vectors may fill: all of them."""
    return config.hidden_size


def look_at_neighbours(encoder: Encoder) -> None:
    """Let the first layer's heads look at the neighbours, and two heads of every later layer."""
    for number, layer in enumerate(encoder.layers):
        assert isinstance(layer, Layer)
        heads = layer.attention.num_heads if number == 0 else min(2, layer.attention.num_heads)
        for head in range(heads):
            theta = encoder.config.rope_theta(number)
            look_at(layer, head, NEIGHBOURS[head % len(NEIGHBOURS)], theta)


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
