"""From examples on disk to the batches of a step, as a pure function of (seed, step), and of its stage.

No iterator has a history: step 1,000,000 is made as fast as step 0, and a resumed run reads what the uninterrupted
one would have read, on any number of processes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from electra.data.shards import Examples
from electra.interface import Batch

Ints = NDArray[np.int64]


class Rows(NamedTuple):
    """An epoch's rows: row r holds examples[starts[r] : starts[r + 1]]."""

    examples: Ints
    starts: Ints
    order: Ints


class Loader:
    """Rows of `seq_length` slots, `batch_size` a step.

    packed: fill a row with several examples where they fit (no example is cut); else one example a row.
    short_stage: share of the training, at its start, in which rows are cut into pieces of `short_length` slots.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        seed: int,
        sep_id: int,
        pad_id: int,
        special_ids: Collection[int],
        packed: bool = True,
        short_stage: float = 0.0,
        short_length: int = 0,
    ) -> None:
        self.examples, self.batch_size, self.seed = examples, batch_size, seed
        self.sep_id, self.pad_id, self.special_ids = sep_id, pad_id, sorted(special_ids)
        self.seq_length = examples.seq_length
        self.short_stage, self.short_length = short_stage, min(short_length, examples.seq_length)
        self.row_of_slot = pack(examples.lengths, self.seq_length) if packed else np.arange(len(examples))
        self.num_rows = int(self.row_of_slot.max()) + 1
        self.by_row = np.argsort(self.row_of_slot, kind="stable")
        self.starts = np.searchsorted(self.row_of_slot[self.by_row], np.arange(self.num_rows + 1))
        self.lengths = examples.lengths.astype(np.min_scalar_type(self.seq_length))  # small numbers sort in linear time
        self.epochs: dict[int, Rows] = {}

    def micro_batches(self, step: int, size: int, done: float = 1.0) -> list[Batch]:
        """The batches of one optimizer step, `size` rows each, when a share `done` of the training is over."""
        first = step * self.batch_size
        rows = [self.row(number) for number in range(first, first + self.batch_size)]
        batches = [self.batch(rows[i : i + size]) for i in range(0, self.batch_size, size)]
        return (
            [pieces(batch, self.short_length, self.pad_id) for batch in batches] if done < self.short_stage else batches
        )

    def row(self, number: int) -> list[NDArray[np.integer]]:
        """The examples of the `number`th row ever read."""
        epoch, place = divmod(number, self.num_rows)
        rows = self.epoch(epoch)
        row = rows.order[place]
        return [self.examples[int(i)] for i in rows.examples[rows.starts[row] : rows.starts[row + 1]]]

    def epoch(self, number: int) -> Rows:
        """Shuffle one epoch: examples of a length change places, then rows do. The last two epochs are kept."""
        if number not in self.epochs:
            rng = np.random.default_rng([self.seed, number])
            shuffled = rng.permutation(len(self.examples))
            by_length = shuffled[np.argsort(self.lengths[shuffled], kind="stable")]
            self.epochs = {n: rows for n, rows in self.epochs.items() if n == number - 1}
            self.epochs[number] = Rows(by_length[self.by_row], self.starts, rng.permutation(self.num_rows))
        return self.epochs[number]

    def batch(self, rows: list[list[NDArray[np.integer]]]) -> Batch:
        """Lay out rows of examples as tensors [B, L]."""
        shape = (len(rows), self.seq_length)
        ids = np.full(shape, self.pad_id, np.int64)
        numbers, segments, positions = (np.zeros(shape, np.int64) for _ in range(3))
        for r, row in enumerate(rows):
            start = 0
            for number, example in enumerate(row, 1):
                place = slice(start, start := start + len(example))
                ids[r, place] = example
                numbers[r, place] = number
                positions[r, place] = np.arange(len(example))
                segments[r, place] = np.minimum(np.cumsum(example == self.sep_id) - (example == self.sep_id), 1)
        maskable = (numbers > 0) & ~np.isin(ids, self.special_ids)
        return Batch(*(torch.from_numpy(a) for a in (ids, numbers, segments, positions, maskable)))


def pieces(batch: Batch, length: int, pad_id: int = 0) -> Batch:
    """Cut rows into pieces, blind to one another, which attention passes over faster: [B, L] -> [B L / length, length].

    Tokens keep their positions, so those of a whole row are all learned. A last piece that is shorter is padded.
    """
    missing = -batch.input_ids.shape[1] % length
    ids = F.pad(batch.input_ids, (0, missing), value=pad_id)
    return Batch(*(tensor.reshape(-1, length) for tensor in (ids, *(F.pad(rest, (0, missing)) for rest in batch[1:]))))


def pack(lengths: Ints, seq_length: int) -> Ints:
    """Assign every example, in order of length, to a row: [examples] -> row of each.

    Best fit by counting: the longest example left opens a row, the longest that still fits closes it in. Rows of one
    pattern are made at once, so millions of examples take no longer than thousands.
    """
    left = np.bincount(lengths, minlength=seq_length + 1)
    rows_by_length: list[list[Ints]] = [[] for _ in left]
    row = 0
    for longest in range(len(left) - 1, 0, -1):
        while left[longest]:
            pattern = fill(left, longest, seq_length)
            times = int(min(left[n] // pattern.count(n) for n in set(pattern)))
            rows = np.arange(row, row + times)
            for n in pattern:
                left[n] -= times
                rows_by_length[n].append(rows)
            row += times
    return np.concatenate([rows for of_length in rows_by_length for rows in of_length])


def fill(left: Ints, longest: int, seq_length: int) -> list[int]:
    """The lengths of one row: `longest`, then each time the longest of what is left that fits."""
    pattern, space = [longest], seq_length - longest
    for n in range(min(longest, space), 0, -1):
        while n <= space and left[n] > pattern.count(n):
            pattern.append(n)
            space -= n
    return pattern
