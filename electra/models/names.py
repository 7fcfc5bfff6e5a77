"""Rename tensors between our modules and those of `transformers`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

# Our module -> theirs, or the several that ours fuses by rows; {i} is the layer.
Names = Mapping[str, str | tuple[str, ...]]
LAYER = re.compile(r"(?<=\.layer\.)\d+|(?<=\.layers\.)\d+")


def to_huggingface(state: Mapping[str, Tensor], names: Names) -> dict[str, Tensor]:
    """Rename our tensors and split fused ones."""
    theirs: dict[str, Tensor] = {}
    for name, tensor in state.items():
        module, kind = name.rsplit(".", 1)
        pattern, layer = without_layer(module)
        target = names[pattern]
        if isinstance(target, str):
            theirs[f"{target.format(i=layer)}.{kind}"] = tensor
            continue
        for part, chunk in zip(target, tensor.chunk(len(target)), strict=True):
            theirs[f"{part.format(i=layer)}.{kind}"] = chunk.clone()
    return theirs


def from_huggingface(state: Mapping[str, Tensor], names: Names) -> tuple[dict[str, Tensor], list[str]]:
    """Rename their tensors and fuse those we store as one; also return the unrecognised names.

    Raises:
        ValueError: tensors to be fused differ in width.
    """
    single = {theirs: ours for ours, theirs in names.items() if isinstance(theirs, str)}
    first = {theirs[0]: ours for ours, theirs in names.items() if isinstance(theirs, tuple)}
    others = {part for theirs in names.values() if isinstance(theirs, tuple) for part in theirs[1:]}
    ours: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, tensor in state.items():
        module, _, kind = name.rpartition(".")
        pattern, layer = without_layer(module)
        if pattern in first:
            several = [f"{target.format(i=layer)}.{kind}" for target in names[first[pattern]]]
            ours[f"{first[pattern].format(i=layer)}.{kind}"] = fused(state, several)
        elif pattern in single:
            ours[f"{single[pattern].format(i=layer)}.{kind}"] = tensor
        elif pattern not in others:
            unknown.append(name)
    return ours, unknown


def fused(state: Mapping[str, Tensor], names: list[str]) -> Tensor:
    """Stack tensors by rows; a missing one leaves too few rows, which the caller rejects."""
    tensors = [state[name] for name in names if name in state]
    if any(tensor.ndim == 0 or tensor.shape[1:] != tensors[0].shape[1:] for tensor in tensors):
        raise ValueError(f"{', '.join(names)} differ in width; the file was altered")
    return torch.cat(tensors)


def without_layer(module: str) -> tuple[str, str]:
    """Split a module's name into its pattern and the number of its layer ('' outside the layers)."""
    found = LAYER.search(module)
    return (f"{module[: found.start()]}{{i}}{module[found.end() :]}", found[0]) if found else (module, "")
