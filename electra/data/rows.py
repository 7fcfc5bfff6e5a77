"""Examples of a task laid out in rows, several a row, for a network to read.

N examples, B rows, L slots a row, T tokens of the longest example. Rows are as long as the longest example, or 128:
short texts fill them nearly whole, so that almost nothing is computed for padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch

from electra.interface import Packed

ROW = 128  # slots of a row where no example is longer


class Encoded(Protocol):
    """An example as the network reads it, special tokens included."""

    @property
    def ids(self) -> Sequence[int]: ...
    @property
    def token_type_ids(self) -> Sequence[int]: ...


E = TypeVar("E", bound=Encoded)
B = TypeVar("B")


def first_fit(lengths: Sequence[int], width: int) -> list[tuple[int, int]]:
    """The row of each example and where it starts there: longest first, each into the first row that has room."""
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
    """Put examples into rows."""
    lengths = [len(example.ids) for example in examples]
    longest, total = max(lengths), sum(lengths)
    width = max(longest, min(ROW, total))
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
    """The batches of a step as a pure function of (seed, step); `collate` makes a batch of examples."""

    def __init__(self, examples: Sequence[E], batch_size: int, seed: int, collate: Callable[[list[E]], B]) -> None:
        self.examples, self.batch_size, self.seed, self.collate = examples, batch_size, seed, collate
        self.orders: dict[int, np.ndarray] = {}

    def micro_batches(self, step: int, size: int, done: float = 1.0) -> list[B]:
        """The batches of one optimizer step, `size` examples each, however much of the training is done."""
        first = step * self.batch_size
        chosen = [self.example(number) for number in range(first, first + self.batch_size)]
        return [self.collate(chosen[i : i + size]) for i in range(0, self.batch_size, size)]

    def example(self, number: int) -> E:
        """The `number`th example ever read."""
        epoch, place = divmod(number, len(self.examples))
        if epoch not in self.orders:
            self.orders = {n: order for n, order in self.orders.items() if n == epoch - 1}
            self.orders[epoch] = np.random.default_rng([self.seed, epoch]).permutation(len(self.examples))
        return self.examples[self.orders[epoch][place]]


def by_length(examples: Sequence[Encoded], max_tokens: int) -> Iterator[list[int]]:
    """Numbers of examples in groups of one another's length, each of at most `max_tokens` tokens in all."""
    group: list[int] = []
    size = 0
    for number in sorted(range(len(examples)), key=lambda n: -len(examples[n].ids)):
        length = len(examples[number].ids)
        if group and size + length > max_tokens:
            yield group
            group, size = [], 0
        group.append(number)
        size += length
    if group:
        yield group
