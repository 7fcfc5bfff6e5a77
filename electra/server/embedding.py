"""Vectors of texts as clients ask for them: cut or refused, shortened, of unit length. D dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException

from electra.core.errors import Unanswerable
from electra.inference.embedder import Embedder

Input = str | list[int]  # a text, or token ids without special ones
Cut = Literal["left", "right"] | None


class EmbedItem(NamedTuple):
    """An input, and the side on which it may be cut; None: it is refused if it is too long."""

    input: Input
    cut: Cut = None


class Vector(NamedTuple):
    """The vector of an input, [D], the tokens that were read, special ones included, and whether it was cut."""

    values: NDArray[np.float32]
    tokens: int
    is_cut: bool


def embed(model: Embedder, items: Sequence[EmbedItem]) -> list[Vector | Unanswerable]:
    """Return the vector of each item, or why it has none."""
    rows = [row_of(model, item) for item in items]
    fitting = [row for row in rows if not isinstance(row, Unanswerable)]
    vectors = iter(model.encode_rows([model.row(ids) for ids, _ in fitting]))
    return [
        row if isinstance(row, Unanswerable) else Vector(next(vectors), len(row[0]) + 2, row[1]) for row in rows
    ]  # fmt: skip


def row_of(model: Embedder, item: EmbedItem) -> tuple[list[int], bool] | Unanswerable:
    """Return the ids that the model reads of an item and whether they are cut, or why it cannot be read."""
    ids = model.tokenizer.encode(item.input).ids if isinstance(item.input, str) else item.input
    most, size = model.longest - 2, model.tokenizer.vocab_size
    if not isinstance(item.input, str) and not all(0 <= i < size for i in ids):
        return Unanswerable(
            f"token ids must be those of this model's own vocabulary, 0 to {size - 1}; a client that splits texts by "
            "another should send texts (LangChain: check_embedding_ctx_length=False)"
        )
    if len(ids) > most and item.cut is None:
        return Unanswerable(
            f'an input has {len(ids)} tokens and this model reads {most}; split it, or send "truncate": true to cut it'
        )
    return (ids[:most] if item.cut != "left" else ids[-most:]), len(ids) > most


def finish(vectors: Sequence[Vector], dimensions: int | None, normalize: bool) -> list[NDArray[np.float32]]:
    """Return vectors with their first `dimensions`, of unit length if `normalize`; raise HTTPException if too few."""
    if dimensions and dimensions > (most := len(vectors[0].values)):
        raise HTTPException(422, f"dimensions: this model's vectors have {most}; ask for as many or fewer")
    cut = [vector.values[:dimensions] for vector in vectors]
    return [each / max(float(np.linalg.norm(each)), 1e-12) for each in cut] if normalize else cut
