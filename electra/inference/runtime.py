"""Runtime: exported models without torch, by ONNX Runtime or OpenVINO, with the methods of a loaded model.

B rows, L slots, K asked positions, V vocabulary, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from electra.checkpoints.locate import is_exported, stated_architecture
from electra.config import require
from electra.core.storage import read_json, read_object
from electra.inference.answers import answer_at, labelled, tagged
from electra.inference.detector import Word, detect_words
from electra.inference.sessions import FORMATS, Array, Session, fastest_first, installed, open_session
from electra.text.tokenizer import Tokenizer, load_tokenizer, stated_length
from electra.text.windows import ROWS, batched


def load(path: str | Path, format: str = "auto", threads: int = 0) -> Any:
    """Load an exported folder, by default in the fastest format that is there and whose library is installed.

    Raises:
        ValueError: nothing exported is there, or not in that format, or its library is missing.
    """
    folder = Path(path)
    if not is_exported(folder):
        raise ValueError(f"{folder} holds no exported model; electra export writes one")
    chosen = choose_format(folder) if format == "auto" else format
    session = open_session(folder, chosen, threads)
    generator = folder / "generator"
    plain = "openvino" if FORMATS[chosen].library == "openvino" else "onnx"
    usable = [f for f in dict.fromkeys((plain, "openvino", "onnx")) if (generator / FORMATS[f].file).exists()]
    usable = [f for f in usable if installed(FORMATS[f].library)]
    fill = open_session(generator, usable[0], threads) if usable else None
    config = read_object(folder / "config.json")
    name = stated_architecture(config)
    require(name in RUNNERS, f"{folder}: config.json names no architecture that is exported here, but {name!r}")
    kind = RUNNERS[name]
    return kind(session, fill, load_tokenizer(folder), config, stated_length(folder), chosen)


def choose_format(folder: Path) -> str:
    """The fastest format that export kept and this machine can run."""
    try:
        kept = [f["format"] for f in read_json(folder / "export.json")["formats"] if f["kept"]]
    except (KeyError, TypeError):
        raise ValueError(f"{folder / 'export.json'} is not what electra export writes; it was altered") from None
    usable = [name for name in fastest_first() if name in kept and installed(FORMATS[name].library)]
    if not usable:
        raise ValueError(f"{folder} holds {', '.join(kept) or 'no format'}; install onnxruntime or openvino to run it")
    return usable[0]


class Runner:
    """A model ready for use; subclasses say for what."""

    def __init__(
        self,
        session: Session,
        generator: Session | None,
        tokenizer: Tokenizer,
        config: dict[str, Any],
        longest: int,
        format: str,
    ) -> None:
        self.session, self.generator, self.tokenizer, self.format = session, generator, tokenizer, format
        self.config = config  # the content of config.json
        self.architecture: str = config["architectures"][0]
        self.threshold: float = config.get("detection_threshold", 0.5)
        self.longest = min(longest, int(config["max_position_embeddings"]))

    def run(self, rows: list[list[int]], names: Sequence[str]) -> list[Array]:
        """The outputs `names` for rows of ids."""
        return self.session(self.pad(rows), names)

    def row(self, ids: list[int]) -> list[int]:
        """Ids between [CLS] and [SEP]."""
        return [self.tokenizer.cls_id, *ids, self.tokenizer.sep_id]

    def pad(self, rows: list[list[int]], types: list[list[int]] | None = None) -> dict[str, Array]:
        """Inputs by name, each [rows, longest row]."""
        shape = len(rows), max(map(len, rows))
        inputs = {name: np.zeros(shape, np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
        inputs["input_ids"][:] = self.tokenizer.pad_id
        for i, row in enumerate(rows):
            inputs["input_ids"][i, : len(row)] = row
            inputs["attention_mask"][i, : len(row)] = 1
            if types:
                inputs["token_type_ids"][i, : len(row)] = types[i]
        return inputs


class EncoderRunner(Runner):
    """Texts as vectors."""

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """The mean of the hidden states of each text, cut at the model's length: [texts, D]."""
        vectors = np.zeros((len(texts), self.config["hidden_size"]), np.float32)
        rows = [self.row(self.tokenizer.encode(text).ids[: self.longest - 2]) for text in texts]
        for number, group in enumerate(batched(rows)):
            (hidden,) = self.run(group, ["last_hidden_state"])
            mask = self.pad(group)["attention_mask"][..., None]
            vectors[ROWS * number : ROWS * number + len(group)] = (hidden * mask).sum(1) / mask.sum(1)
        return vectors


class DetectorRunner(EncoderRunner):
    """Which words look replaced, and what would fit."""

    def detect(self, text: str, threshold: float | None = None, suggestions: int = 3) -> list[Word]:
        """For every word of `text`: how likely it was replaced, where it stands, and what would fit better."""
        return detect_words(self, text, self.threshold if threshold is None else threshold, suggestions)

    def replaced(self, rows: list[list[int]]) -> list[Array]:
        """The probability that each token was replaced, for rows of ids that include the special tokens."""
        return [
            1 / (1 + np.exp(-logits[: len(row)]))
            for group in batched(rows)
            for row, logits in zip(group, self.run(group, ["logits"])[0], strict=True)
        ]

    def fill(self, rows: list[list[int]], positions: list[int], count: int) -> Array:
        """The `count` ids the generator finds likeliest at one position of each row, best first: [rows, count]."""
        assert self.generator is not None
        best = []
        for start in range(0, len(rows), ROWS):
            inputs = self.pad(rows[start : start + ROWS])
            inputs["positions"] = np.array(positions[start : start + ROWS], np.int64)[:, None]
            (logits,) = self.generator(inputs, ["logits"])
            best.append(np.argsort(-logits, axis=-1)[:, :count])
        return np.concatenate(best)


class TaskRunner(Runner):
    """What a fine-tuned model says."""

    def predict(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """A prediction for each text, pair of texts, list of words, or (question, context)."""
        require(not isinstance(inputs, str), "predict takes a list of texts; put the text in brackets")
        found = ANSWERS[self.architecture](self, inputs) if inputs else []
        return [{"id": str(number), **each} for number, each in enumerate(found)]


ANSWERS = {
    "ElectraForSequenceClassification": labelled,
    "ElectraLinearClassifier": labelled,
    "ElectraForTokenClassification": tagged,
    "ElectraForQuestionAnswering": answer_at,
}
RUNNERS: dict[str, type[Runner]] = {
    "ElectraForPreTraining": DetectorRunner,
    "ElectraModel": EncoderRunner,
    **dict.fromkeys(ANSWERS, TaskRunner),
}
