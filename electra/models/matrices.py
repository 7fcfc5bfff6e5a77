"""The sizes of a network's parts: what its operations, parameters and memory follow from. No torch.

A matrix or an attention counts for all layers that have one alike. In the last layer only the positions that somebody
asks for are computed, all of them or the masked ones; `asked` says how many of the `times` are of that layer.
"""

from __future__ import annotations

from typing import NamedTuple


def passes(times: int, asked: int, share: float) -> float:
    """Return how often a token passes `times` layers, when the last is computed for a `share` of the tokens."""
    return times - asked + asked * share


class Matrix(NamedTuple):
    """A weight matrix that multiplies vectors of width `d_in` into vectors of width `d_out`."""

    d_in: int
    d_out: int
    times: int = 1
    asked: int = 0
    is_tied: bool = False  # its weights are those of the embeddings

    def passes(self, share: float = 1.0) -> float:
        """Return how often a token is multiplied by it."""
        return passes(self.times, self.asked, share)


class Attention(NamedTuple):
    """Products of queries with keys, and of probabilities with values."""

    width: int
    heads: int
    times: int
    asked: int
    window: int = 0  # tokens that a token sees at most; 0: the whole example

    def passes(self, share: float = 1.0) -> float:
        """Return in how many layers a token attends."""
        return passes(self.times, self.asked, share)

    def attended(self, length: float) -> float:
        """Return how many tokens of an example a token sees."""
        return min(self.window or length, length)


class Part(NamedTuple):
    """A part of a network."""

    matrices: tuple[Matrix, ...] = ()
    others: int = 0  # parameters outside of matrices: tables, biases, normalisation

    @property
    def parameters(self) -> int:
        """Return the number of parameters that are its own."""
        return self.others + sum(m.times * m.d_in * m.d_out for m in self.matrices if not m.is_tied)

    def multiplications(self, share: float = 1.0) -> float:
        """Return the multiplications of a token in the forward pass."""
        return sum(m.passes(share) * m.d_in * m.d_out for m in self.matrices)


class Parts(NamedTuple):
    """An encoder and the heads that pre-training puts on it."""

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
