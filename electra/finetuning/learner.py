"""A network and the loss of its task, as the training loop takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from electra.interface import Output, Packed, Trainable
from electra.models.heads import Network
from electra.tasks import Task

FEWEST = 8  # examples of the smallest batch that can show a collapse


class TaskBatch(NamedTuple):
    """Features as the network reads them, and their targets."""

    packed: Packed
    targets: Tensor


class TaskCounts(NamedTuple):
    """Counts of one optimizer step, over all micro-batches."""

    tokens: Tensor
    examples: Tensor


class Learner(Trainable):
    """A network and the loss of its task, for the training loop."""

    def __init__(self, network: Network, task: Task, reduction: str) -> None:
        super().__init__()
        self.network, self.task, self.reduction = network, task, reduction

    def count(self, batch: TaskBatch) -> TaskCounts:
        return TaskCounts((batch.packed.example_ids > 0).sum(), torch.tensor(len(batch.packed.tokens)))

    def forward(self, batch: TaskBatch, counts: TaskCounts | None = None) -> Output:
        """Return the summed loss, as released, or the mean."""
        outputs = self.task.run(self.network, batch.packed, batch.targets)
        losses = self.task.loss(outputs, batch.targets)
        examples = (counts or self.count(batch)).examples
        loss = losses.sum() if self.reduction == "sum" else losses.sum() / examples
        return Output(loss, {"loss": losses.detach().mean(), **one_answer(outputs)})


def one_answer(outputs: Any) -> dict[str, Tensor]:
    """Return the share of the commonest prediction in a batch; nothing unless outputs are logits of one label each."""
    if not isinstance(outputs, Tensor) or outputs.dim() != 2 or outputs.shape[1] < 2 or len(outputs) < FEWEST:
        return {}
    counts = torch.zeros_like(outputs[0]).index_add_(
        0, outputs.argmax(1), torch.ones(len(outputs), device=outputs.device, dtype=outputs.dtype)
    )
    return {"commonest": counts.detach().max() / len(outputs)}
