"""Pack the lines of a document into examples `[CLS] first [SEP] second [SEP]`, as build_pretraining_dataset.py does."""

from __future__ import annotations

import random
from collections.abc import Iterator

Ids = list[int]
UNBOUNDED = 100_000  # no limit for the first segment, as in the released code


class Packer:
    """Cut documents into examples; the target length carries over from one document to the next, as released."""

    def __init__(self, seq_length: int, cls_id: int, sep_id: int, rng: random.Random, carry: bool) -> None:
        self.seq_length = seq_length
        self.cls_id = cls_id
        self.sep_id = sep_id
        self.rng = rng
        self.carry = carry
        self.target_length = seq_length

    def pack(self, lines: list[Ids]) -> list[Ids]:
        """Return the examples of one document; with `carry` they contain all its tokens in order."""
        examples: list[Ids] = []
        sentences: list[Ids] = []
        size = 0
        for line in self.pieces(lines) if self.carry else lines:
            sentences.append(line)
            size += len(line)
            while size >= self.target_length:
                sentences, size = self.emit(sentences, examples)
        while size:
            sentences, size = self.emit(sentences, examples)
        return examples

    def pieces(self, lines: list[Ids]) -> Iterator[Ids]:
        """Yield lines cut to the length of an example, so that the carried rest stays short."""
        longest = self.seq_length - 2
        for line in lines:
            if len(line) <= longest:
                yield line
            else:
                yield from (line[start : start + longest] for start in range(0, len(line), longest))

    def emit(self, sentences: list[Ids], examples: list[Ids]) -> tuple[list[Ids], int]:
        """Append an example; return the tokens that did not fit, by segment, and their count."""
        first, second = self.divide(sentences)
        kept_first = first[: self.seq_length - 2]
        kept_second = second[: max(0, self.seq_length - len(first) - 3)]
        example = [self.cls_id, *kept_first, self.sep_id]
        examples.append([*example, *kept_second, self.sep_id] if kept_second else example)
        short = self.rng.random() < 0.05
        self.target_length = self.rng.randint(5, self.seq_length) if short else self.seq_length
        if not self.carry:
            return [], 0
        left = [part for part in (first[len(kept_first) :], second[len(kept_second) :]) if part]
        return left, sum(map(len, left))

    def divide(self, sentences: list[Ids]) -> tuple[Ids, Ids]:
        """Split sentences between two segments; in one of ten examples, put all of them in the first."""
        target = UNBOUNDED if self.rng.random() < 0.1 else (self.target_length - 3) // 2
        first: Ids = []
        second: Ids = []
        for sentence in sentences:
            # The released code may put a later, shorter sentence in the first segment. With `carry` the text
            # stays in order.
            closed = self.carry and bool(second)
            fits = not first or len(first) + len(sentence) < target
            if not closed and (fits or (not second and len(first) < target and self.rng.random() < 0.5)):
                first += sentence
            else:
                second += sentence
        return first, second
