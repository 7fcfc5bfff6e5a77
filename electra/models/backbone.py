"""The networks of a backbone, in torch; models/architecture.py describes the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from electra.models.encoder import Encoder
from electra.models.heads import Network
from electra.models.kinds import Kind
from electra.models.names import Names, from_huggingface, to_huggingface


class BuildEncoder(Protocol):
    """Build an encoder of the backbone's own configuration, on embeddings that it shares or on its own."""

    def __call__(self, config: Any, embeddings: Any = None) -> Encoder: ...


@dataclass(frozen=True)
class Backbone:
    """How to build a backbone, start it, and save it as `transformers` does."""

    encoder: BuildEncoder
    tower: Callable[[Any, Any, bool], Encoder]  # reads one way; backwards where the last argument is True
    embeddings: Callable[[Any], nn.Module]
    disentangled: Callable[[Any, Any], nn.Module]  # embeddings that are others' plus a difference
    initialise_randomly: Callable[[nn.Module, float], None]  # with this standard deviation
    initialise_from_corpus: Callable[[nn.Module, Tensor, Tensor], None]  # word vectors, unigram probabilities
    vector_width: Callable[[Any], int]  # dimensions of the embeddings that word vectors may fill
    names: Mapping[Kind, Names]  # our modules -> those of transformers
    respell: Callable[[str], str]  # a tensor's name in older or bare files -> as in `names`
    without_meaning: frozenset[str]  # tensors that repeat others
    expressible: Callable[[Network], Network]  # the same function in a form that transformers has, if there is one

    def to_huggingface(self, state: Mapping[str, Tensor], kind: Kind) -> dict[str, Tensor]:
        """Return our tensors under the names that transformers has for them."""
        return to_huggingface(state, self.names[kind])

    def from_huggingface(self, weights: Mapping[str, Tensor], kind: Kind) -> tuple[dict[str, Tensor], list[str]]:
        """Return tensors of transformers under our names, and the names that have no place in the network."""
        respelt = {self.respell(name): tensor for name, tensor in weights.items()}
        ours, unknown = from_huggingface(respelt, self.names[kind])
        return ours, [name for name in unknown if name not in self.without_meaning]
