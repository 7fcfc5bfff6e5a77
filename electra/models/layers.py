"""Layers shared by backbones and heads: fp32 weights, activations in any dtype."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """Multiply by fp32 weights in the dtype of the input: [..., D_in] -> [..., D_out]."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class LayerNorm(nn.LayerNorm):
    """Normalise in fp32 and return the dtype of the input: [..., D] -> [..., D]."""

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.float(), self.normalized_shape, self.weight, self.bias, self.eps).to(x.dtype)


class SparseTable(nn.Embedding):
    """A table of which a step touches few rows: on a CPU its gradient is sparse, on a GPU it need not be."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__(rows, width, sparse=True)

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.weight, sparse=not self.weight.is_cuda)


class DeltaTable(nn.Module):
    """An embedding table, stop-gradient(base) + delta: ids [...] -> [..., E].

    Training it leaves the base unchanged (DeBERTaV3, section 3.3: gradient-disentangled embedding sharing). Its state
    dict holds the sum, as that of a plain table.
    """

    def __init__(self, base: nn.Embedding) -> None:
        super().__init__()
        self.bases = (base,)  # in a tuple: the base belongs to another module, which saves it
        self.delta = nn.Parameter(torch.zeros_like(base.weight))

    @property
    def weight(self) -> Tensor:
        return self.bases[0].weight.detach() + self.delta

    def forward(self, ids: Tensor) -> Tensor:
        base = self.bases[0]
        sparse = base.sparse and not self.delta.is_cuda
        return F.embedding(ids, base.weight.detach()) + F.embedding(ids, self.delta, sparse=sparse)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[prefix + "weight"] = self.weight if keep_vars else self.weight.detach()

    @torch.no_grad()
    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        self.delta.copy_(state_dict[prefix + "weight"] - self.bases[0].weight)


def rows_at(x: Tensor, positions: Tensor | None) -> Tensor:
    """Gather the rows of x at positions: [B, L, D], [B, K] -> [B, K, D]; None returns x."""
    return x if positions is None else x.gather(1, positions[..., None].expand(-1, -1, x.shape[-1]))
