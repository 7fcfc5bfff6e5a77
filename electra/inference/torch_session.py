"""A torch network as a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from electra.inference.sessions import Array
from electra.models.graph import Graph
from electra.models.heads import Network


class TorchSession:
    """Run a torch network on its own device, with NumPy arrays in and out."""

    def __init__(self, network: Network) -> None:
        self.graph = Graph(network).eval()
        self.outputs = self.graph.outputs

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, Array], names: Sequence[str]) -> list[Array]:
        device = next(self.graph.parameters()).device
        found = self.graph(**{name: torch.from_numpy(array).to(device) for name, array in inputs.items()})
        return [found[self.outputs.index(name)].cpu().numpy() for name in names]
