"""Sizes of a network's parts, from which FLOPs, parameters and memory are computed. No torch.

One Matrix or Attention stands for `times` identical layers. The last layer computes only the requested positions, all
or the masked ones; `last` counts how many of the `times` belong to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from electra.config.model import PAIRS, EncoderConfig


def passes(times: int, last: int, share: float) -> float:
    """Return the mean passes per token if `last` of the `times` are computed for a `share` of the tokens."""
    return times - last + last * share


def no_blocks(length: int) -> int:
    """Return 0: rows of any length are scored whole."""
    return 0


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
    block: Callable[[int], int] = no_blocks  # row length -> queries scored against three times as many keys; 0: none

    def passes(self, share: float, length: int) -> float:
        """Return the mean number of layers in which a token attends; blocks are computed whole in the last one too."""
        return passes(self.times, 0 if self.block(length) else self.last, share)

    def products(self, length: int) -> tuple[int, int, int]:
        """Return the products of a row and a head: their number, queries and keys."""
        size = self.block(length)
        return (-(-length // size), size, 3 * size) if size else (1, length, length)

    def attended(self, length: int) -> float:
        """Return the mean number of keys, masked ones included, against which a token of a row is scored."""
        number, queries, keys = self.products(length)
        return number * queries * keys / length


class Part(NamedTuple):
    """A part of a network."""

    matrices: tuple[Matrix, ...] = ()
    others: int = 0  # parameters outside matrices: tables, biases, normalisation

    @property
    def parameters(self) -> int:
        """The number of parameters, without tied ones."""
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
        """The number of parameters of the encoder without its embeddings."""
        return self.projection.parameters + self.layers.parameters
