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

from electra.data.layout import Ints, Layout, one_a_row, several_a_row
from electra.data.shards import Examples
from electra.interface import ALL, Batch

PART = 1 << 20  # examples that are sorted at once


class Epoch(NamedTuple):
    """What is read in an epoch: a number for every example and every row, in four bytes each."""

    number: int
    examples: NDArray[np.integer]  # in the places of the layout
    order: NDArray[np.integer]  # in which the rows are read


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
        self.counts = count_lengths(examples.lengths, examples.seq_length)
        self.layout = several_a_row(self.counts, self.seq_length) if packed else one_a_row(self.counts)
        self.num_rows = self.layout.num_rows
        self.last_epoch: Epoch | None = None

    def micro_batches(self, step: int, size: int, done: float = 1.0, share: slice = ALL) -> list[Batch]:
        """Return micro-batches of an optimizer step, `size` rows each, at a share `done` of the training."""
        numbers = range(step * self.batch_size, (step + 1) * self.batch_size)
        chosen = [numbers[i : i + size] for i in range(0, self.batch_size, size)[share]]
        batches = [self.batch([self.row(number) for number in of_batch]) for of_batch in chosen]
        return (
            [pieces(batch, self.short_length, self.pad_id) for batch in batches] if done < self.short_stage else batches
        )

    def row(self, number: int) -> list[NDArray[np.integer]]:
        """Return the examples of the `number`th row of training, counted from the start of the first epoch."""
        number, place = divmod(number, self.num_rows)
        epoch = self.epoch(number)
        row = int(epoch.order[place])
        start, end = self.layout.starts(np.array([row, row + 1]))
        return [self.examples[int(i)] for i in epoch.examples[start:end]]

    def epoch(self, number: int) -> Epoch:
        """Shuffle an epoch: swap examples of equal length, then permute rows. The last one is cached."""
        if self.last_epoch is None or self.last_epoch.number != number:
            self.last_epoch = None  # its memory is for the next one
            rng = np.random.default_rng([self.seed, number])
            examples = in_places(
                permutation(rng, len(self.examples.lengths)), self.examples.lengths, self.counts, self.layout
            )
            self.last_epoch = Epoch(number, examples, permutation(rng, self.num_rows))
        return self.last_epoch

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


def permutation(rng: np.random.Generator, count: int) -> NDArray[np.integer]:
    """Return what `rng.permutation(count)` does, in half the memory."""
    numbers: NDArray[np.integer] = np.arange(count, dtype=np.uint32 if count <= 1 << 32 else np.uint64)
    rng.shuffle(numbers)
    return numbers


def count_lengths(lengths: NDArray[np.integer], longest: int) -> Ints:
    """Count the examples of each length up to `longest`, a part at a time: counting takes numbers of eight bytes."""
    counts = np.zeros(longest + 1, np.int64)
    for start in range(0, len(lengths), PART):
        counts += np.bincount(lengths[start : start + PART], minlength=longest + 1)
    return counts


def in_places(
    shuffled: NDArray[np.integer], lengths: NDArray[np.integer], counts: Ints, layout: Layout
) -> NDArray[np.integer]:
    """Sort shuffled examples by length, and put each in the place of its slot: [examples].

    By counting, a part at a time: sorting all would need numbers of eight bytes.
    """
    placed = np.empty_like(shuffled)
    following = np.cumsum(counts) - counts  # the next slot of each length
    for start in range(0, len(shuffled), PART):
        part = shuffled[start : start + PART]
        of_part = lengths[part]
        part = part[np.argsort(of_part, kind="stable")]  # small integers are sorted in linear time
        found = np.bincount(of_part, minlength=len(following))
        slots = np.repeat(following - (np.cumsum(found) - found), found) + np.arange(len(part))
        placed[layout.places(slots)] = part
        following += found
    return placed
