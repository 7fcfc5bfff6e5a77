"""Base class of predictors: run rows of ids through a session in batches.

B rows, L slots of the longest row.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from electra.core.log import tracked
from electra.inference.sessions import Array, Session
from electra.text.tokenizer import Tokenizer

MAX_TOKENS = 4096  # of one forward pass, padding included
PADDING = 24  # tokens that take about as long as the overhead of a forward pass on a CPU
PADDING_SHARE = 0.05  # of a larger group's tokens


class Model:
    """A session and its tokeniser.

    longest: maximum tokens of a row. format: "torch", or the format of an exported folder. progress: log how far it is.
    """

    progress = False

    def __init__(self, session: Session, tokenizer: Tokenizer, longest: int, format: str = "torch") -> None:
        self.session, self.tokenizer, self.longest, self.format = session, tokenizer, longest, format

    def over(self, session: Session, format: str) -> Self:
        """Return a copy that runs another session."""
        other = copy.copy(self)
        other.session, other.format = session, format
        return other

    def row(self, ids: Sequence[int]) -> list[int]:
        """Return ids between [CLS] and [SEP]."""
        return [self.tokenizer.cls_id, *ids, self.tokenizer.sep_id]

    def pad(self, rows: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None = None) -> dict[str, Array]:
        """Return a session's inputs by name, each int64 [B, L]."""
        return pad(rows, self.tokenizer.pad_id, types)

    def run(self, rows: Sequence[Sequence[int]], name: str) -> list[Array]:
        """Return the output `name` of each row of ids, one entry per token, without padding."""
        found: list[Array] = [np.empty(0)] * len(rows)
        outputs_of = run_rows(self.session, rows, (name,), self.tokenizer.pad_id)
        for n, outputs in tracked(outputs_of, len(rows), "reading") if self.progress else outputs_of:
            found[n] = outputs[name][: len(rows[n])]
        return found


def pad(rows: Sequence[Sequence[int]], pad_id: int, types: Sequence[Sequence[int]] | None = None) -> dict[str, Array]:
    """Return ids, attention mask and token types (0 by default) of rows, each int64 [B, L]."""
    shape = len(rows), max(map(len, rows))
    ids, mask, segments = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for n, row in enumerate(rows):
        ids[n, : len(row)] = row
        mask[n, : len(row)] = 1
        if types is not None:
            segments[n, : len(row)] = types[n]
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}


def by_length(rows: Sequence[Sequence[Any]]) -> Iterator[list[int]]:
    """Yield indices of rows, grouped by similar length, the longest first.

    Padded to its longest row, a group has at most MAX_TOKENS tokens (unless one row has more), and about as much
    padding as a further forward pass would cost.
    """
    group: list[int] = []
    tokens = longest = 0
    for n in sorted(range(len(rows)), key=lambda n: -len(rows[n])):
        size, padded = len(rows[n]), longest * (len(group) + 1)
        if group and (padded > MAX_TOKENS or padded - tokens - size > max(PADDING, PADDING_SHARE * tokens)):
            yield group
            group, tokens = [], 0
        longest = longest if group else size
        group.append(n)
        tokens += size
    if group:
        yield group


def run_rows(
    session: Session,
    rows: Sequence[Sequence[int]],
    names: Sequence[str],
    pad_id: int,
    types: Sequence[Sequence[int]] | None = None,
) -> Iterator[tuple[int, Mapping[str, Array]]]:
    """Yield (index, named outputs) of each row in the order of execution; outputs include the padding."""
    for group in by_length(rows):
        inputs = pad([rows[n] for n in group], pad_id, None if types is None else [types[n] for n in group])
        found = session(inputs, names)
        for place, n in enumerate(group):
            yield n, {name: array[place] for name, array in zip(names, found, strict=True)}
