"""What a step of the optimizer consists of, and the micro-batches it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from electra.interface import Output


class StepParts(NamedTuple):
    """The functions a step consists of, in their order; on a GPU each may be captured as a CUDA graph."""

    take_gradient: Callable[[Any, Any], Output]
    add_gradient: Callable[[Any, Any], Output]
    clip: Callable[[], torch.Tensor]
    move_weights: Callable[[], None]


def backpropagate(loss: torch.Tensor) -> torch.Tensor:
    """Backpropagate this loss term now and return it detached."""
    if loss.requires_grad:
        loss.backward()
    return loss.detach()


def total(counts: list[Any]) -> Any:
    """Return the sum of the micro-batches' counts."""
    return type(counts[0])(*(torch.stack(list(values)).sum() for values in zip(*counts, strict=True)))


def move_batch(batch: Any, device: torch.device) -> Any:
    """Move a tensor, or a tuple of tensors and tuples, to the device."""
    if isinstance(batch, torch.Tensor):  # from memory that is not pinned, a copy waits until the GPU is idle
        return batch.contiguous().pin_memory().to(device, non_blocking=True) if device.type == "cuda" else batch
    return type(batch)(*(move_batch(part, device) for part in batch))
