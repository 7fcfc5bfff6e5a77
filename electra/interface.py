"""What data yields, models return and the training loop needs.

B rows, L slots a row. A row holds one example or several, one after the other: `example_ids` numbers them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn


class Batch(NamedTuple):
    """Rows of token ids, each tensor [B, L]."""

    input_ids: Tensor
    example_ids: Tensor  # n at tokens of the row's nth example, 0 at padding: only equal numbers see each other
    token_type_ids: Tensor  # 0 in an example's first segment, 1 in its second
    position_ids: Tensor  # counted from 0 in each example
    maskable: Tensor  # bool, False at special tokens and padding


class Packed(NamedTuple):
    """Rows of whole examples for a fine-tuned network: tensors [B, L], and where the N examples lie in them."""

    input_ids: Tensor
    example_ids: Tensor  # as in Batch
    token_type_ids: Tensor
    position_ids: Tensor
    tokens: Tensor  # [N, T] the flat index (row * L + slot) of each example's tokens, -1 where it has fewer


class Counts(NamedTuple):
    """What the losses of one optimizer step are divided by, over all micro-batches and processes."""

    tokens: Tensor  # scalar: tokens that are not padding
    masked: Tensor  # scalar: positions chosen for masking


class Output(NamedTuple):
    """The result of one forward pass."""

    loss: Tensor  # scalar
    metrics: dict[str, Tensor]  # detached scalars, to log


class Source(Protocol):
    """All that the loop knows of where batches come from: tuples of tensors, tuples among them."""

    def micro_batches(self, step: int, size: int, done: float = 1.0) -> list[Any]: ...


class Trainable(nn.Module):
    """Networks and a loss; subclasses write `count` and `forward`."""

    stage = 1  # another number where a step does something else than before

    def __init__(self) -> None:
        super().__init__()
        # What becomes of a part of the loss that shares no graph with what follows: the loop takes its gradient at
        # once, and what it kept is free before the next network runs.
        self.settle: Callable[[Tensor], Tensor] = lambda loss: loss

    def begin_step(self, step: int, done: float) -> None:
        """Called before every optimizer step, with the share of the training that is done."""

    def count(self, batch: Any) -> Any:
        """What this batch adds to the denominators of the step's losses: a tuple of scalars, `tokens` among them."""
        raise NotImplementedError

    def forward(self, batch: Any, counts: Any = None) -> Output:
        """The loss of a micro-batch; `counts` are those of the whole step, by default the batch's own."""
        raise NotImplementedError
