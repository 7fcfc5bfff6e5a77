"""Initial weights: random as in the paper, or from corpus counts.

Corpus counts let a tiny model skip the plateau where it knows only word frequencies (docs/lab/tiny.md): its word
vectors encode co-occurrence, and its attention heads start on neighbouring tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from electra.config import ElectraConfig
from electra.models.electra.embeddings import Embeddings
from electra.models.electra.encoder import Encoder, Layer
from electra.models.heads import Discriminator, MLMHead, RTDHead
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

POSITION_DIMENSIONS = 32  # the last dimensions of the embeddings, reserved for positions
POSITION_AMPLITUDE = 0.141
POSITION_SHARPNESS = 0.2  # scale of the random weights in heads initialised to attend to a neighbour


@torch.no_grad()
def initialise_randomly(module: nn.Module, std: float) -> None:
    """Draw weights as the released code does: truncated normal, Glorot where it sets no initialiser, zero biases."""
    for part in module.modules():
        if isinstance(part, Embeddings):
            part.initialise(std)
        elif isinstance(part, Linear):
            draw_linear(part, std)
        elif isinstance(part, PairMemory):
            part.initialise(std)
    for part in module.modules():
        if isinstance(part, Encoder) and isinstance(part.project, Linear):
            nn.init.xavier_uniform_(part.project.weight)
        elif isinstance(part, RTDHead):
            nn.init.xavier_uniform_(part.prediction.weight)


@torch.no_grad()
def initialise_from_corpus(module: nn.Module, word_vectors: Tensor, unigram: Tensor) -> None:
    """Set weights from counts: `word_vectors` [V, <= E - 32], of unit scale; `unigram` [V], probabilities."""
    draw_linears_by_width(module)
    for part in module.modules():
        if isinstance(part, Embeddings):
            set_tables(part, word_vectors)
        elif isinstance(part, PairMemory):
            part.initialise(MEMORY_STD)
        elif isinstance(part, Encoder):
            set_positional_heads(part)
        elif isinstance(part, MLMHead):
            part.bias.copy_(log_prior(unigram))
            part.norm.weight.fill_(MLM_NORM)
        elif isinstance(part, Discriminator):
            assert isinstance(part.head, RTDHead)
            part.head.prediction.bias.fill_(RTD_BIAS)


def vector_width(config: ElectraConfig) -> int:
    """Return how many dimensions of the embeddings word vectors may fill; the others are reserved for positions."""
    return config.embedding_size - POSITION_DIMENSIONS


def set_tables(embeddings: Embeddings, word_vectors: Tensor) -> None:
    """Put word vectors into the first dimensions, sines and cosines of the position into the last 32."""
    words, width = embeddings.word.weight, word_vectors.shape[1]
    nn.init.normal_(words, std=0.1 * WORD_STD)
    words[:, :width] = WORD_STD * word_vectors
    positions = torch.arange(len(embeddings.position.weight))
    angles = positions[:, None] * frequencies()
    embeddings.position.weight.zero_()
    waves = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
    embeddings.position.weight[:, -POSITION_DIMENSIONS:] = POSITION_AMPLITUDE * waves
    embeddings.token_type.weight.zero_()


def set_positional_heads(encoder: Encoder) -> None:
    """Let heads attend to their neighbours, by the waves of the positions."""
    if isinstance(encoder.project, Linear):
        nn.init.orthogonal_(encoder.project.weight)
    for number, head, offset in neighbour_heads(encoder.config):
        layer = encoder.layers[number]
        assert isinstance(layer, Layer)
        look_at(layer, head, offset, encoder.project)


def look_at(layer: Layer, head: int, offset: int, project: nn.Module) -> None:
    """Rotate the query's position by `offset`, so that it matches the key `offset` tokens away."""
    hidden = layer.attention.out.in_features
    size = hidden // layer.attention.num_heads
    width = min(size, POSITION_DIMENSIONS)
    query, key = layer.attention.qkv.weight.view(3, layer.attention.num_heads, size, hidden)[:2, head]
    for weight, turn in ((query, rotation(offset)), (key, torch.eye(POSITION_DIMENSIONS))):
        weight *= POSITION_SHARPNESS
        weight[:width] += read_position(turn[:width], project, hidden) * (size / width) ** 0.25


def read_position(turn: Tensor, project: nn.Module, hidden: int) -> Tensor:
    """Return rows that read the position, rotated by `turn`, from a hidden state behind the orthogonal projection."""
    embedding_size = project.in_features if isinstance(project, Linear) else hidden
    rows = torch.zeros(turn.shape[0], embedding_size)
    rows[:, -POSITION_DIMENSIONS:] = turn
    return rows @ project.weight.T if isinstance(project, Linear) else rows


def frequencies() -> Tensor:
    """Return sixteen angular frequencies, geometric from 2.4 to 0.04 radians per token."""
    return torch.exp(torch.linspace(math.log(2.4), math.log(0.04), POSITION_DIMENSIONS // 2))


def rotation(offset: int) -> Tensor:
    """Return the matrix that rotates the waves of position t to t + offset: [32, 32]."""
    turns: Sequence[Tensor] = [
        torch.tensor([[math.cos(w * offset), math.sin(w * offset)], [-math.sin(w * offset), math.cos(w * offset)]])
        for w in frequencies().tolist()
    ]
    return torch.block_diag(*turns)
