"""Embed texts as vectors. D hidden size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from electra.inference.model import Model, run_rows


class Embedder(Model):
    """An encoder whose hidden states describe texts.

    longest: tokens of a text that it reads, [CLS] and [SEP] included.
    """

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean of each text's last hidden states, special tokens included: float32 [texts, D].

        Texts are truncated to the `longest` tokens that the model reads. The vectors are not scaled to unit length.
        """
        return self.encode_rows([self.row(self.tokenizer.encode(text).ids[: self.longest - 2]) for text in texts])

    def encode_rows(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the mean hidden state of each row of ids, special ones included: [rows, D]."""
        if not rows:
            return self.encode([""])[:0]
        found = run_rows(self.session, rows, ("last_hidden_state",), self.tokenizer.pad_id)
        means = {n: outputs["last_hidden_state"][: len(rows[n])].mean(0) for n, outputs in found}
        return np.stack([means[n] for n in range(len(rows))])
