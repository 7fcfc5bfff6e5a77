"""A pre-trained pair in torch: a discriminator that marks words, its generator that proposes others.

D hidden size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from electra.checkpoints.huggingface import load_network
from electra.core.storage import read_json
from electra.inference.detector import Word, detect_words
from electra.models.heads import Discriminator, MaskedLM
from electra.text.tokenizer import Tokenizer, load_tokenizer, require_room, stated_length
from electra.text.windows import ROWS, batched


def load_pretrained(folder: Path, device: str = "cpu") -> Model:
    """Read a Hugging Face directory that holds a discriminator; the generator in it comes along where there is one."""
    network = load_network(folder)
    if not isinstance(network, Discriminator):
        raise ValueError(
            f"{folder} holds no discriminator (ElectraForPreTraining) but a masked language model; "
            "what marks words is a discriminator"
        )
    tokenizer = load_tokenizer(folder)
    require_room(tokenizer, network.encoder.config.vocab_size, folder)
    generator = load_network(folder / "generator") if (folder / "generator" / "config.json").exists() else None
    assert generator is None or isinstance(generator, MaskedLM)
    threshold = read_json(folder / "config.json").get("detection_threshold", 0.5)
    if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ValueError(f"{folder}: detection_threshold in config.json must be a number from 0 to 1")
    longest = min(network.encoder.config.max_position_embeddings, stated_length(folder))
    return Model(network.to(device), generator.to(device) if generator else None, tokenizer, threshold, longest)


class Model:
    """A discriminator ready for use, with its tokeniser and, where there is one, its generator."""

    def __init__(
        self,
        discriminator: Discriminator,
        generator: MaskedLM | None,
        tokenizer: Tokenizer,
        threshold: float,
        longest: int,
    ) -> None:
        self.discriminator, self.generator, self.tokenizer = discriminator, generator, tokenizer
        self.threshold, self.longest = threshold, longest

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.discriminator.parameters()).device

    def detect(self, text: str, threshold: float | None = None, suggestions: int = 3) -> list[Word]:
        """For every word of `text`: how likely it was replaced, where it stands, and what would fit better.

        Words at or above `threshold` (default: the model's own) get suggestions, if the model has a generator.
        """
        return detect_words(self, text, self.threshold if threshold is None else threshold, suggestions)

    @torch.inference_mode()
    def replaced(self, rows: list[list[int]]) -> list[Tensor]:
        """The probability that each token was replaced, for rows of ids that include the special tokens."""
        return [
            probabilities[: len(row)]
            for group in batched(rows)
            for row, probabilities in zip(group, self.discriminator(*self.pad(group)).sigmoid().cpu(), strict=True)
        ]

    @torch.inference_mode()
    def fill(self, rows: list[list[int]], positions: list[int], count: int) -> Tensor:
        """The `count` ids the generator finds likeliest at one position of each row, best first: [rows, count]."""
        assert self.generator is not None
        best = []
        for start in range(0, len(rows), ROWS):
            where = torch.tensor(positions[start : start + ROWS], device=self.device)[:, None]
            best.append(self.generator(where, *self.pad(rows[start : start + ROWS])).topk(count).indices.cpu())
        return torch.cat(best)

    @torch.inference_mode()
    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """The mean of the hidden states of each text, cut at the model's length: [texts, D]."""
        rows = [self.row(self.tokenizer.encode(text).ids[: self.longest - 2]) for text in texts]
        vectors = []
        for group in batched(rows):
            ids, mask = self.pad(group)
            hidden = self.discriminator.encoder(ids, mask)
            vectors.append(((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).cpu())
        return (
            torch.cat(vectors).numpy()
            if vectors
            else np.zeros((0, self.discriminator.encoder.config.hidden_size), np.float32)
        )

    def row(self, ids: list[int]) -> list[int]:
        """Ids between [CLS] and [SEP]."""
        return [self.tokenizer.cls_id, *ids, self.tokenizer.sep_id]

    def pad(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Ids and attention mask, both [rows, longest row]."""
        length = max(map(len, rows))
        ids = [row + [self.tokenizer.pad_id] * (length - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (length - len(row)) for row in rows]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)
