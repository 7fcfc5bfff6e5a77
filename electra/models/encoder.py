"""What heads, objectives and the training loop may expect of an encoder of any backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from electra.config import EncoderConfig
from electra.models.kinds import Kind

# Torch's own limit is 8. Both networks of every contestant of a race need graphs, for short rows and for whole ones;
# those beyond the limit would run uncompiled.
SHAPES_COMPILED_FOR = 64


class Encoder(nn.Module):
    """Token ids [B, L] -> hidden states [B, L, D], or [B, K, D] `at` positions [B, K].

    Only tokens with the same number in `example_ids` see each other; padding has 0. `layers` holds the layers from the
    bottom up. Weights are fp32, matrices are multiplied in `compute_dtype`.
    """

    config: EncoderConfig
    compute_dtype: torch.dtype
    embeddings: nn.Module
    layers: nn.ModuleList
    pools_mean: bool = False  # a text is classified by the mean of its hidden states, not by that of [CLS]

    def forward(
        self,
        input_ids: Tensor,
        example_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        at: Tensor | None = None,
    ) -> Tensor:
        """Encode rows."""
        raise NotImplementedError

    def head(self, kind: Kind, count: int = 1) -> nn.Module:
        """Return a new head for this encoder, in the form that `transformers` has for the backbone.

        `count` is the number of labels, or of encoders whose hidden states a masked language model's head reads.
        """
        raise NotImplementedError


def compute_in(module: nn.Module, dtype: torch.dtype) -> None:
    """Let every encoder in `module` multiply its matrices in `dtype`."""
    for encoder in module.modules():
        if isinstance(encoder, Encoder):
            encoder.compute_dtype = dtype


def compile_parts(module: nn.Module, device: torch.device) -> None:
    """Compile in place the parts whose `compile_on` names this type of device."""
    torch._dynamo.config.recompile_limit = SHAPES_COMPILED_FOR
    for part in module.modules():
        if device.type in getattr(part, "compile_on", ()):
            part.compile(dynamic=False)
