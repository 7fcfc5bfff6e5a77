"""Sizes of a network's parts, from which FLOPs, parameters and memory are computed. No torch.

One Matrix or Attention stands for `times` identical layers. The last layer computes only the requested positions, all
or the masked ones; `last` counts how many of the `times` belong to it.
"""

from __future__ import annotations

from typing import NamedTuple

from electra.config.model import PAIRS, EncoderConfig


def passes(times: int, last: int, share: float) -> float:
    """Return the mean passes per token if `last` of the `times` are computed for a `share` of the tokens."""
    return times - last + last * share


class Matrix(NamedTuple):
    """A weight matrix that multiplies vectors of width `d_in` into vectors of width `d_out`."""

    d_in: int
    d_out: int
    times: int = 1
    last: int = 0
    is_tied: bool = False  # shares its weights with the embeddings

    def passes(self, share: float) -> float:
        """Return the mean multiplications per token."""
        return passes(self.times, self.last, share)


class Attention(NamedTuple):
    """Products of queries with keys, and of probabilities with values."""

    width: int
    heads: int
    times: int
    last: int
    window: int = 0  # most tokens that a token attends to; 0: the whole example

    def passes(self, share: float) -> float:
        """Return the mean number of layers in which a token attends."""
        return passes(self.times, self.last, share)

    def attended(self, length: float) -> float:
        """Return how many tokens of an example a token attends to."""
        return min(self.window or length, length)


class Part(NamedTuple):
    """A part of a network."""

    matrices: tuple[Matrix, ...] = ()
    others: int = 0  # parameters outside matrices: tables, biases, normalisation

    @property
    def parameters(self) -> int:
        """Return the number of parameters, without tied ones."""
        return self.others + sum(m.times * m.d_in * m.d_out for m in self.matrices if not m.is_tied)

    def multiplications(self, share: float = 1.0) -> float:
        """Return the multiplications per token in the forward pass."""
        return sum(m.passes(share) * m.d_in * m.d_out for m in self.matrices)


def memory(config: EncoderConfig) -> Part:
    """Return the sizes of a memory of word pairs, empty without one."""
    if not config.memory:
        return Part()
    width = PAIRS * config.memory_size
    return Part((Matrix(width, config.embedding_width),), width * config.memory)


class Sizes(NamedTuple):
    """Sizes of an encoder and its pre-training heads."""

    embeddings: Part
    projection: Part  # from the embeddings to the width of the layers
    layers: Part
    attention: tuple[Attention, ...]
    rtd_head: Part
    mlm_head: Part

    @property
    def body(self) -> int:
        """Return the parameters of the encoder without its embeddings."""
        return self.projection.parameters + self.layers.parameters
