"""Text to time a step on: random rows, or the first part of each step of a loader."""

from __future__ import annotations

import torch

from electra.config import PretrainConfig
from electra.data.loader import pieces
from electra.interface import ALL, Batch, Source

FIRST_WORD = 1000  # id in BERT's vocabulary
DIFFERENT_BATCHES = 8


class InTurn:
    """Cycle through a few batches, in place of the loader: `count` a step, cut into pieces at first as the loader does.

    short_stage: share of the training, at its start, with pieces of `short_length` slots.
    """

    def __init__(self, batches: list[Batch], count: int = 1, short_stage: float = 0.0, short_length: int = 0) -> None:
        self.batches, self.count, self.seq_length = batches, count, batches[0].input_ids.shape[1]
        self.short_stage, self.short_length = short_stage, min(short_length, self.seq_length)

    def micro_batches(self, step: int, size: int, done: float = 1.0, share: slice = ALL) -> list[Batch]:
        """Return the next batches."""
        numbers = range(step * self.count, (step + 1) * self.count)[share]
        found = [self.batches[number % len(self.batches)] for number in numbers]
        return [pieces(batch, self.short_length) for batch in found] if done < self.short_stage else found


class FirstOf:
    """The first `count` micro-batches of each step of a source."""

    def __init__(self, source: Source, count: int) -> None:
        self.source, self.count = source, count

    def micro_batches(self, step: int, size: int, done: float = 1.0, share: slice = ALL) -> list[Batch]:
        """Return the first micro-batches of a step."""
        return self.source.micro_batches(step, size, done, slice(self.count))


def random_source(config: PretrainConfig, length: int, rows: int) -> InTurn:
    """Return random text in the place of a run's loader, in micro-batches of `rows`."""
    batches = random_rows(config.model.vocab_size, rows, length)
    return InTurn(batches, config.train_batch_size // rows, config.short_stage, config.short_length)


def random_rows(vocab_size: int, rows: int, length: int) -> list[Batch]:
    """Draw batches of random words, without padding, as frequent as by Zipf's law."""
    generator = torch.Generator().manual_seed(0)
    first = min(FIRST_WORD, vocab_size // 2)
    ranks = [(vocab_size - first) ** torch.rand(rows, length, generator=generator) for _ in range(DIFFERENT_BATCHES)]
    return [full_rows(first - 1 + of_batch.long().clamp_max(vocab_size - first)) for of_batch in ranks]


def full_rows(input_ids: torch.Tensor) -> Batch:
    """Return a batch without padding, in which all tokens except the first and the last may be masked."""
    positions = torch.arange(input_ids.shape[1]).expand_as(input_ids)
    maskable = (positions > 0) & (positions < input_ids.shape[1] - 1)
    return Batch(input_ids, torch.ones_like(input_ids), torch.zeros_like(input_ids), positions, maskable)
