"""Assign examples to rows by their lengths.

A row is made as often as its lengths allow, so the layout of any number of examples is a few hundred runs of rows that
look alike. A slot is the number of an example sorted by length, a place its number in the rows laid end to end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Run(NamedTuple):
    """Rows in succession that hold the same lengths, ascending."""

    lengths: tuple[int, ...]
    times: int


class Layout:
    """The rows of examples, given how many there are of each length."""

    def __init__(self, counts: Ints, runs: Iterable[Run]) -> None:
        runs = list(runs)
        times, sizes = (
            np.array(column, np.int64) for column in ([r.times for r in runs], [len(r.lengths) for r in runs])
        )
        self.num_rows = int(times.sum())
        self.sizes = sizes  # examples in a row of each run
        self.first_rows = np.cumsum(times) - times  # of each run
        self.first_places = np.cumsum(times * sizes) - times * sizes
        self.first_slots, self.slots_run, self.slots_place = slots_of(counts, runs)

    def places(self, slots: Ints) -> Ints:
        """Return the place of each slot."""
        stretch = np.searchsorted(self.first_slots, slots, side="right") - 1
        run = self.slots_run[stretch]
        into = slots - self.first_slots[stretch]
        places: Ints = self.first_places[run] + self.slots_place[stretch] + into * self.sizes[run]
        return places

    def starts(self, rows: Ints) -> Ints:
        """Return the first place of each row; that of the row after the last is the number of examples."""
        run = np.searchsorted(self.first_rows, rows, side="right") - 1
        starts: Ints = self.first_places[run] + (rows - self.first_rows[run]) * self.sizes[run]
        return starts


def slots_of(counts: Ints, runs: list[Run]) -> tuple[Ints, Ints, Ints]:
    """Return stretches of slots, in order: their first slots, their runs, and their places in a row.

    An example of each row of a run comes from a stretch: examples of one length that follow one another.
    """
    following = np.cumsum(counts) - counts  # the first slot of each length that has no row yet
    stretches = []
    for number, run in enumerate(runs):
        for place, length in enumerate(run.lengths):
            stretches.append((int(following[length]), number, place))
            following[length] += run.times
    first, run_of, places = np.array(sorted(stretches), np.int64).reshape(-1, 3).T.copy()
    return first, run_of, places


def one_a_row(counts: Ints) -> Layout:
    """Return the layout with one example a row."""
    return Layout(counts, [Run((length,), int(counts[length])) for length in np.flatnonzero(counts).tolist()])


def several_a_row(counts: Ints, seq_length: int) -> Layout:
    """Return the layout with several examples a row of `seq_length` tokens.

    Best fit by counting: a row starts with the longest example left and takes the longest that still fits until none
    does. Rows with the same lengths are made at once, so the cost barely grows with the number of examples.
    """
    left, runs = counts.copy(), []
    for longest in range(len(left) - 1, 0, -1):
        while left[longest]:
            lengths = best_fit(left, longest, seq_length)
            times = int(min(left[n] // lengths.count(n) for n in set(lengths)))
            for n in lengths:
                left[n] -= times
            runs.append(Run(tuple(reversed(lengths)), times))
    return Layout(counts, runs)


def best_fit(left: Ints, longest: int, seq_length: int) -> list[int]:
    """Return the lengths in one row: `longest`, then repeatedly the longest remaining one that fits."""
    pattern, space = [longest], seq_length - longest
    for n in range(min(longest, space), 0, -1):
        while n <= space and left[n] > pattern.count(n):
            pattern.append(n)
            space -= n
    return pattern
