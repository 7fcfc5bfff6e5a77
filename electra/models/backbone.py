"""Build, initialise and rename the networks of a backbone; models/architecture.py describes it without torch."""

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
    """Build an encoder of the backbone's configuration, on shared embeddings or its own."""

    def __call__(self, config: Any, embeddings: Any = None) -> Encoder: ...


@dataclass(frozen=True)
class Backbone:
    """Functions that build and initialise the networks, and the names of their tensors in `transformers`."""

    encoder: BuildEncoder
    embeddings: Callable[[Any], nn.Module]
    disentangled: Callable[[Any, Any], nn.Module]  # embeddings stored as a delta on another network's
    initialise_randomly: Callable[[nn.Module, float], None]  # standard deviation
    initialise_from_corpus: Callable[[nn.Module, Tensor, Tensor], None]  # word vectors, unigram probabilities
    vector_width: Callable[[Any], int]  # dimensions of the embeddings that word vectors may fill
    names: Mapping[Kind, Names]  # our modules -> transformers' modules
    respell: Callable[[str], str]  # a tensor's name in older or bare files -> its name in `names`
    redundant: frozenset[str]  # tensors that files may hold and no network needs
    to_transformers_form: Callable[[Network], Network]  # an equivalent network that transformers has, or the same

    def to_huggingface(self, state: Mapping[str, Tensor], kind: Kind) -> dict[str, Tensor]:
        """Return our tensors under the names of transformers."""
        return to_huggingface(state, self.names[kind])

    def from_huggingface(self, weights: Mapping[str, Tensor], kind: Kind) -> tuple[dict[str, Tensor], list[str]]:
        """Return tensors of transformers under our names, and the unknown names."""
        respelt = {self.respell(name): tensor for name, tensor in weights.items()}
        ours, unknown = from_huggingface(respelt, self.names[kind])
        return ours, [name for name in unknown if name not in self.redundant]
