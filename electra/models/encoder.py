"""Interface of an encoder, common to all backbones."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from electra.config import EncoderConfig
from electra.models.attention import Reach, attention_bias
from electra.models.kinds import Kind
from electra.models.layers import DeltaTable
from electra.models.memory import PairMemory, neighbours

# Torch's default is 8, beyond which a graph runs uncompiled. Each network of each contestant of a comparison needs one
# graph for short rows and one for full rows.
SHAPES_COMPILED_FOR = 64
UNLIMITED = 1 << 30  # slots


class Embeddings(nn.Module):
    """The tables of an encoder; a backbone adds the others."""

    word: nn.Embedding | DeltaTable
    memory: PairMemory | None


class Encoder(nn.Module):
    """Token ids [B, L] -> hidden states [B, L, D], or [B, K, D] `at` positions [B, K].

    Only tokens with the same number in `example_ids` attend to each other; padding has 0. `layers` are in order, the
    first above the embeddings. Weights are fp32; products are in `compute_dtype`.
    """

    config: EncoderConfig
    compute_dtype: torch.dtype
    embeddings: Embeddings
    layers: nn.ModuleList
    direction: int = 0  # 1: a token sees itself and those before it; -1: itself and those after it; 0: all
    pools_mean: bool = False  # a text is classified by the mean of its hidden states, not by that of [CLS]

    def forward(
        self,
        input_ids: Tensor,
        example_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        at: Tensor | None = None,
    ) -> Tensor:
        """Encode rows; `example_ids` is 0 for padding and n for the tokens of a row's nth example."""
        if example_ids is None:
            example_ids = torch.ones_like(input_ids)
        if token_type_ids is None:
            token_type_ids = torch.zeros_like(input_ids)
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        return self.encode(input_ids, example_ids, token_type_ids, position_ids, at)

    def encode(
        self, input_ids: Tensor, example_ids: Tensor, token_type_ids: Tensor, position_ids: Tensor, at: Tensor | None
    ) -> Tensor:
        """Encode rows; a backbone defines this."""
        raise NotImplementedError

    def recall(self, x: Tensor, input_ids: Tensor, example_ids: Tensor) -> Tensor:
        """Add to embeddings [B, L, E] what the memory of word pairs holds, if there is one."""
        memory = self.embeddings.memory
        if memory is None:
            return x
        left, right = neighbours(input_ids, example_ids, self.direction)
        return x + memory(left, input_ids, right, x.dtype)

    def attention_bias(self, example_ids: Tensor) -> Tensor:
        """Return the additive attention mask, 0 between tokens of one example: [B, L] -> [B, 1, L, L]."""
        slots = torch.arange(example_ids.shape[1], device=example_ids.device)
        return attention_bias(example_ids, example_ids, slots, slots, self.reach(None), self.compute_dtype)

    def reach(self, limit: int | None) -> Reach | None:
        """Return how far a token sees in a layer with a limit to each side; None sees the whole text."""
        if limit is None and not self.direction:
            return None
        far = UNLIMITED if limit is None else limit
        return Reach(before=0 if self.direction < 0 else far, after=0 if self.direction > 0 else far)

    def head(self, kind: Kind, count: int = 1) -> nn.Module:
        """Return a new head for this encoder, shaped as in `transformers`.

        `count` is the number of labels or, for an MLM head, of encoders whose hidden states it reads.
        """
        raise NotImplementedError


def compute_in(module: nn.Module, dtype: torch.dtype) -> None:
    """Set the `compute_dtype` of every encoder in `module`."""
    for encoder in module.modules():
        if isinstance(encoder, Encoder):
            encoder.compute_dtype = dtype


def uncompiled() -> AbstractContextManager[Any]:
    """Return a context in which compiled parts run as written: rows of other shapes would be compiled again."""
    if "torch._dynamo" not in sys.modules:  # which takes a second to import, and without it nothing is compiled
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def compile_parts(module: nn.Module, device: torch.device) -> None:
    """Compile in place every submodule whose `compile_on` includes this type of device."""
    torch._dynamo.config.recompile_limit = SHAPES_COMPILED_FOR
    for part in module.modules():
        if device.type in getattr(part, "compile_on", ()):
            part.compile(dynamic=False)
