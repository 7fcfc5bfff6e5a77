"""A network in torch as a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from electra.inference.sessions import Array
from electra.models.graph import Graph
from electra.models.heads import Network


class TorchSession:
    """Run a network where its weights are; arrays go there and come back."""

    def __init__(self, network: Network) -> None:
        self.graph = Graph(network).eval()
        self.outputs = self.graph.outputs

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, Array], names: Sequence[str]) -> list[Array]:
        """Return the outputs `names` for named int64 inputs."""
        device = next(self.graph.parameters()).device
        found = self.graph(**{name: torch.from_numpy(array).to(device) for name, array in inputs.items()})
        return [found[self.outputs.index(name)].cpu().numpy() for name in names]
