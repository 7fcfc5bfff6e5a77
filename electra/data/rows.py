"""Pack several examples of a task per row, so that little is computed for padding.

N examples, B rows, L slots per row, T tokens of the longest example. L is T, or 128 if T is smaller and there are as
many tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch

from electra.interface import ALL, Packed

MIN_ROW = 128  # slots of a row, unless all examples together have fewer tokens


class Encoded(Protocol):
    """An example as token ids, including special tokens."""

    @property
    def ids(self) -> Sequence[int]: ...
    @property
    def token_type_ids(self) -> Sequence[int]: ...


E = TypeVar("E", bound=Encoded, covariant=True)
B = TypeVar("B")


class Drawn(Protocol[E]):
    """Examples that may differ from epoch to epoch."""

    def __len__(self) -> int: ...

    def draw(self, number: int, epoch: int, seed: int) -> E:
        """Return an example of an epoch, a pure function of its arguments."""
        ...


def first_fit(lengths: Sequence[int], width: int) -> list[tuple[int, int]]:
    """Return each example's row and its start there, by first-fit decreasing."""
    used: list[int] = []
    places = [(0, 0)] * len(lengths)
    for number in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        row = next((r for r, full in enumerate(used) if full + lengths[number] <= width), len(used))
        if row == len(used):
            used.append(0)
        places[number] = (row, used[row])
        used[row] += lengths[number]
    return places


def lay_out(examples: Sequence[Encoded], pad_id: int) -> Packed:
    """Pack examples into rows; positions restart with each example, which has its own number."""
    lengths = [len(example.ids) for example in examples]
    longest, total = max(lengths), sum(lengths)
    width = max(longest, min(MIN_ROW, total))
    places = first_fit(lengths, width)
    shape = (1 + max(row for row, _ in places), width)
    ids = np.full(shape, pad_id, np.int64)
    numbers, segments, positions = (np.zeros(shape, np.int64) for _ in range(3))
    tokens = np.full((len(examples), longest), -1, np.int64)
    count = np.arange(longest)
    for n, (example, length, (row, start)) in enumerate(zip(examples, lengths, places, strict=True)):
        place = slice(start, start + length)
        ids[row, place] = example.ids
        segments[row, place] = example.token_type_ids
        numbers[row, place] = n + 1
        positions[row, place] = count[:length]
        tokens[n, :length] = row * width + start + count[:length]
    return Packed(*(torch.from_numpy(a) for a in (ids, numbers, segments, positions, tokens)))


class ExampleLoader(Generic[E, B]):
    """Build batches with `collate`; those of a step are a pure function of (seed, step)."""

    def __init__(self, examples: Drawn[E], batch_size: int, seed: int, collate: Callable[[list[E]], B]) -> None:
        self.examples, self.batch_size, self.seed, self.collate = examples, batch_size, seed, collate
        self.orders: dict[int, np.ndarray] = {}

    def micro_batches(self, step: int, size: int, done: float = 1.0, share: slice = ALL) -> list[B]:
        """Return micro-batches of an optimizer step, `size` examples each; they do not depend on `done`."""
        numbers = range(step * self.batch_size, (step + 1) * self.batch_size)
        chosen = [numbers[i : i + size] for i in range(0, self.batch_size, size)[share]]
        return [self.collate([self.example(number) for number in of_batch]) for of_batch in chosen]

    def example(self, number: int) -> E:
        """Return the `number`th example of training, counted from the start of the first epoch."""
        epoch, place = divmod(number, len(self.examples))
        if epoch not in self.orders:
            self.orders = {n: order for n, order in self.orders.items() if n == epoch - 1}
            self.orders[epoch] = np.random.default_rng([self.seed, epoch]).permutation(len(self.examples))
        return self.examples.draw(int(self.orders[epoch][place]), epoch, self.seed)
