"""Build the batches of a step from examples on disk, as a pure function of (seed, step, stage).

There is no iterator state: step 1,000,000 is built as fast as step 0, and a resumed run reads the same text as an
uninterrupted one.
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
    """The rows of an epoch: row r holds examples[starts[r] : starts[r + 1]]."""

    examples: Ints
    starts: Ints
    order: Ints  # in which the rows are read


class Loader:
    """Read rows of `seq_length` slots, `batch_size` per step.

    packed: fit several whole examples into a row; otherwise one example per row.
    short_stage: share of the training, at its start, with rows cut into pieces of `short_length` slots.
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
        # Small integers are sorted in linear time.
        self.lengths = examples.lengths.astype(np.min_scalar_type(self.seq_length))
        self.epochs: dict[int, Rows] = {}

    def micro_batches(self, step: int, size: int, done: float = 1.0) -> list[Batch]:
        """Return the micro-batches of an optimizer step, `size` rows each, at a share `done` of the training."""
        first = step * self.batch_size
        rows = [self.row(number) for number in range(first, first + self.batch_size)]
        batches = [self.batch(rows[i : i + size]) for i in range(0, self.batch_size, size)]
        return (
            [pieces(batch, self.short_length, self.pad_id) for batch in batches] if done < self.short_stage else batches
        )

    def row(self, number: int) -> list[NDArray[np.integer]]:
        """Return the examples of the `number`th row of training, counted from the start of the first epoch."""
        epoch, place = divmod(number, self.num_rows)
        rows = self.epoch(epoch)
        row = rows.order[place]
        return [self.examples[int(i)] for i in rows.examples[rows.starts[row] : rows.starts[row + 1]]]

    def epoch(self, number: int) -> Rows:
        """Shuffle an epoch: swap examples of equal length, then permute rows. The last two epochs are cached."""
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
    """Cut rows into pieces for faster attention, which stays within a piece: [B, L] -> [B L / length, length].

    Tokens keep their position ids, so that training covers all positions. A shorter last piece is padded.
    """
    missing = -batch.input_ids.shape[1] % length
    ids = F.pad(batch.input_ids, (0, missing), value=pad_id)
    return Batch(*(tensor.reshape(-1, length) for tensor in (ids, *(F.pad(rest, (0, missing)) for rest in batch[1:]))))


def pack(lengths: Ints, seq_length: int) -> Ints:
    """Assign examples, sorted by length, to rows: [examples] -> row of each.

    Best fit by counting: a row starts with the longest example left and takes the longest that still fits until none
    does. Rows with the same lengths are made at once, so the cost barely grows with the number of examples.
    """
    left = np.bincount(lengths, minlength=seq_length + 1)
    rows_by_length: list[list[Ints]] = [[] for _ in left]
    row = 0
    for longest in range(len(left) - 1, 0, -1):
        while left[longest]:
            pattern = best_fit(left, longest, seq_length)
            times = int(min(left[n] // pattern.count(n) for n in set(pattern)))
            rows = np.arange(row, row + times)
            for n in pattern:
                left[n] -= times
                rows_by_length[n].append(rows)
            row += times
    return np.concatenate([rows for of_length in rows_by_length for rows in of_length])


def best_fit(left: Ints, longest: int, seq_length: int) -> list[int]:
    """Return the lengths in one row: `longest`, then repeatedly the longest remaining one that fits."""
    pattern, space = [longest], seq_length - longest
    for n in range(min(longest, space), 0, -1):
        while n <= space and left[n] > pattern.count(n):
            pattern.append(n)
            space -= n
    return pattern
