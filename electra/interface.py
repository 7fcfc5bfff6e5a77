"""What data yields, models return and the training loop needs.

B rows, L slots a row. A row holds one example or several, one after the other: `attention_mask` counts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class WrongInput(ValueError):
    """An input that a model does not answer. The message repeats nothing of it, so a server may send it."""

    def __init__(self, number: int, needed: str) -> None:
        super().__init__(f"input {number}: give {needed}")
        self.number, self.needed = number, needed


class Batch(NamedTuple):
    """Rows of token ids, each tensor [B, L]."""

    input_ids: Tensor
    attention_mask: (
        Tensor  # n at the tokens of a row's nth example (1, 2, ...), 0 at padding: equal numbers see each other
    )
    token_type_ids: Tensor  # 0 in an example's first segment, 1 in its second
    position_ids: Tensor  # counted from 0 in each example
    maskable: Tensor  # bool, False at special tokens and padding


class Packed(NamedTuple):
    """Rows of whole examples for a fine-tuned network: tensors [B, L], and where the N examples lie in them."""

    input_ids: Tensor
    attention_mask: Tensor  # as in Batch
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
