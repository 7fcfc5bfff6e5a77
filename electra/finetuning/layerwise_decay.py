"""Learning rates of fine-tuning: lower layers learn more slowly (paper, appendix B)."""

from __future__ import annotations

from electra.config import EncoderConfig
from electra.models.registry import architecture_of
from electra.training.schedule import Scale


def layerwise(decay: float, shape: EncoderConfig, faithful: bool) -> Scale:
    """Return the learning rate's factor by parameter name: 1 in the head, multiplied by `decay` each layer down.

    The released code (`faithful`) counts one layer too many between the head and the top layer, which gets decay^2.
    """
    architecture, layers = architecture_of(shape), shape.num_hidden_layers

    def scale(name: str) -> float:
        below = layers + 1 - architecture.depth(name, layers)
        return float(decay ** (below + (faithful and below > 0)))

    return scale
