"""Types shared by data, models and the training loop.

B rows, L slots per row. A row holds one or more examples in sequence, numbered by `example_ids`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

ALL = slice(None)  # of the micro-batches of a step


class Batch(NamedTuple):
    """Rows of token ids, each tensor [B, L]."""

    input_ids: Tensor
    example_ids: Tensor  # n at tokens of the row's nth example, 0 at padding; attention joins equal numbers only
    token_type_ids: Tensor  # 0 in an example's first segment, 1 in its second
    position_ids: Tensor  # counted from 0 in each example
    maskable: Tensor  # bool, False at special tokens and padding


class Packed(NamedTuple):
    """Rows of whole examples for a fine-tuned network: tensors [B, L], and the positions of the N examples in them."""

    input_ids: Tensor
    example_ids: Tensor  # as in Batch
    token_type_ids: Tensor
    position_ids: Tensor
    tokens: Tensor  # [N, T] flat index (row * L + slot) of each example's tokens, padded with -1


class Counts(NamedTuple):
    """Denominators of the losses of one optimizer step, over all micro-batches and processes."""

    tokens: Tensor  # scalar: tokens without padding
    masked: Tensor  # scalar: positions chosen for masking


class Output(NamedTuple):
    """The result of one forward pass."""

    loss: Tensor  # scalar
    metrics: dict[str, Tensor]  # detached scalars, to log


class Source(Protocol):
    """A source of batches: nested tuples of tensors."""

    def micro_batches(self, step: int, size: int, done: float = 1.0, share: slice = ALL) -> list[Any]:
        """Return micro-batches of a step, `size` rows or examples each, when a share `done` of the training is over."""
        ...


class Trainable(nn.Module):
    """Networks and a loss; subclasses implement `count` and `forward`."""

    stage = 1  # changes when steps start to compute something else

    def __init__(self) -> None:
        super().__init__()
        # Hook for a loss term independent of the rest of forward; the trainer backpropagates it early to free
        # activations before the next network runs.
        self.backpropagate_early: Callable[[Tensor], Tensor] = lambda loss: loss

    def begin_step(self, step: int, done: float) -> None:
        """Prepare for an optimizer step; `done` is the share of the training that is over."""

    def count(self, batch: Any) -> Any:
        """Return this batch's contribution to the denominators: a tuple of scalars, one of them named `tokens`."""
        raise NotImplementedError

    def forward(self, batch: Any, counts: Any = None) -> Output:
        """Return the loss of a micro-batch; `counts` are those of the whole step, by default the batch's own."""
        raise NotImplementedError
