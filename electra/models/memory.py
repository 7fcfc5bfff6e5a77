"""A memory of word pairs: hashed n-gram embeddings, added to the word vectors (docs/explanation/memory.md).

Each token looks up its pairs with its neighbours: (left, this), (this, right) and (left, right), the last of which
serves masked positions. A look-up costs no multiplication, so a large memory takes a small network little time.
After Huang et al., 2025 (Over-Tokenized Transformer), who look to the left only.

B rows, L slots, V vocabulary, E embedding size.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from electra.config import EncoderConfig
from electra.config.model import PAIRS
from electra.models.layers import DeltaTable, Linear, SparseTable

NONE = (
    -1
)  # the id of a missing neighbour; its code is the first, so that a larger vocabulary leaves all others as they are
MEMORY_STD = 0.02  # of first values where word vectors come from counts


class PairMemory(nn.Module):
    """The ids of the left neighbours, the tokens and the right neighbours, [B, L] each -> vectors [B, L, E].

    Args:
        config: `memory` is the number of buckets of each kind of pair, `memory_size` the numbers of a bucket.
        base: a memory that this one stores a difference to, without training it.
    """

    def __init__(self, config: EncoderConfig, base: PairMemory | None = None) -> None:
        super().__init__()
        self.buckets = config.memory
        if base is None:
            self.table: SparseTable | DeltaTable = SparseTable(PAIRS * config.memory, config.memory_size)
        else:
            assert isinstance(base.table, SparseTable)
            self.table = DeltaTable(base.table)
        self.mix = Linear(PAIRS * config.memory_size, config.embedding_width, bias=False)
        self.codes: Tensor  # taken modulo the buckets: some runtimes compute whole numbers as fp32, exact up to 2^24
        self.register_buffer("codes", torch.from_numpy(codes(config.vocab_size + 1) % config.memory), persistent=False)

    def forward(self, left: Tensor, this: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
        pairs = torch.stack([self.hash(left, this), self.hash(this, right), self.hash(left, right)], -1)
        pairs = pairs + self.buckets * torch.arange(PAIRS, device=pairs.device)
        mixed: Tensor = self.mix(self.table(pairs).flatten(-2).to(dtype))
        return mixed

    def hash(self, first: Tensor, second: Tensor) -> Tensor:
        """Return a bucket for each pair of ids."""
        return (self.codes[0][first + 1] + self.codes[1][second + 1]) % self.buckets

    @torch.no_grad()
    def initialise(self, std: float) -> None:
        """Draw the table from a normal distribution."""
        if isinstance(self.table, SparseTable):
            nn.init.normal_(self.table.weight, std=std)


def neighbours(ids: Tensor, example_ids: Tensor, direction: int = 0) -> tuple[Tensor, Tensor]:
    """Return the ids to the left and to the right, [B, L] each.

    It is -1 where an example begins or ends, and on the side that an encoder of a direction does not see.
    """
    apart = example_ids[:, 1:] != example_ids[:, :-1]
    left = F.pad(ids[:, :-1].masked_fill(apart, NONE), (1, 0), value=NONE)
    right = F.pad(ids[:, 1:].masked_fill(apart, NONE), (0, 1), value=NONE)
    unseen = torch.full_like(ids, NONE)
    return (unseen if direction < 0 else left), (unseen if direction > 0 else right)


def codes(count: int) -> NDArray[np.int64]:
    """Return two random codes below 2^30 for each id, [2, count]; always the same ones, as they are not saved.

    The sum of two codes is a hash of a pair (tabulation hashing), without products, which would not fit into 32 bits.
    They are drawn by SplitMix64 (Steele et al., 2014), which no library will change.
    """
    with np.errstate(over="ignore"):
        x = np.arange(1, 2 * count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(34)).astype(np.int64).reshape(count, 2).T.copy()
