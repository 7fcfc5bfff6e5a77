"""load(): any run or Hugging Face ELECTRA directory as a Python object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from electra.config import PredictConfig, require
from electra.convert import is_finetuned, load_network
from electra.data.tokenizer import Tokenizer, load_tokenizer, stated_length
from electra.detect import Word, detect_words, read_text
from electra.finetuning.task_model import TaskModel, load_task_model
from electra.finetuning.zero_shot import zero_shot
from electra.model.heads import Discriminator, MaskedLM
from electra.storage import read_json

ROWS = 32  # rows of one forward pass


def predict(config: PredictConfig) -> None:
    """Answer for each line of the input with a line of JSON."""
    lines = [line.rstrip("\r") for line in read_text(config.input).split("\n")]
    inputs = [parse(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    model = load(config.model, config.device)
    if config.zero_shot:
        require(isinstance(model, Model), f"{config.model} is fine-tuned; --zero-shot asks a pre-trained discriminator")
        assert isinstance(model, Model)
        words = [word.strip() for word in config.labels.split(",") if word.strip()]
        found = zero_shot(model, [t if isinstance(t, str) else " ".join(t) for t in inputs], config.zero_shot, words)
    else:
        require(
            isinstance(model, TaskModel),
            f"{config.model} is not fine-tuned: run electra finetune first, or ask with --zero-shot TEMPLATE LABELS",
        )
        assert isinstance(model, TaskModel)
        found = model.predict(inputs)
    for prediction in found:
        print(json.dumps(prediction, ensure_ascii=False))


def parse(line: str, number: int) -> str | list[str]:
    """A line of text; or as JSON a list of texts, or an object with `text` (and `text2`), `tokens`, or `question`."""
    if not line.startswith(("{", "[")):
        return line
    try:
        content = json.loads(line)
    except json.JSONDecodeError:
        return line  # a text that begins with a bracket
    if isinstance(content, list) and content and all(isinstance(part, str) for part in content):
        return content
    if isinstance(content, dict):
        for names in (("tokens",), ("question", "context"), ("text", "text2"), ("text",)):
            if all(name in content for name in names):
                values = [content[name] for name in names]
                return values[0] if len(values) == 1 else values
    raise ValueError(f"line {number}: give a text, a list of texts, or an object with text (and text2), or tokens")


def load(path: str | Path, device: str = "cpu") -> Any:
    """Load a run or a Hugging Face directory: a Model that detects, or a TaskModel that answers its task.

    A discriminator's generator comes along where there is one.

    Raises:
        ValueError: there is no model at `path`, or it is not an ELECTRA.
    """
    folder = model_folder(Path(path))
    if is_finetuned(folder):
        return load_task_model(folder, device)
    network = load_network(folder)
    if not isinstance(network, Discriminator):
        raise ValueError(
            f"{folder} holds no discriminator (ElectraForPreTraining) but a masked language model; "
            "what marks words is a discriminator"
        )
    tokenizer = load_tokenizer(folder)
    if tokenizer.vocab_size > network.encoder.config.vocab_size:
        raise ValueError(
            f"{folder}: the tokeniser has {tokenizer.vocab_size} entries, the model "
            f"{network.encoder.config.vocab_size}; they do not belong together"
        )
    generator = load_network(folder / "generator") if (folder / "generator" / "config.json").exists() else None
    assert generator is None or isinstance(generator, MaskedLM)
    threshold = read_json(folder / "config.json").get("detection_threshold", 0.5)
    longest = min(network.encoder.config.max_position_embeddings, stated_length(folder))
    return Model(network.to(device), generator.to(device) if generator else None, tokenizer, threshold, longest)


def model_folder(path: Path) -> Path:
    """The folder of the model: the path itself, or a run's model/."""
    for folder in (path / "model", path):
        weights = any((folder / name).exists() for name in ("model.safetensors", "pytorch_model.bin"))
        if weights and (folder / "config.json").exists():  # written last
            return folder
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder; give a run or a Hugging Face ELECTRA directory")
    if (path / "checkpoints").is_dir():
        raise ValueError(f"{path}: this run has not finished; the same electra pretrain command again continues it")
    raise ValueError(f"{path} holds no model: no config.json with a model.safetensors is there, nor in model/")


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
        return self.discriminator.head.dense.weight.device

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


def batched(rows: list[list[int]]) -> list[list[list[int]]]:
    """Groups of at most ROWS rows."""
    return [rows[i : i + ROWS] for i in range(0, len(rows), ROWS)]
