"""A loaded model as the server's engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from electra.inference.detector import Detector, Query, detect_texts
from electra.inference.embedder import Embedder
from electra.inference.model import Model
from electra.inference.task_model import TaskModel
from electra.server.embedding import embed
from electra.text.tokenizer import Tokenizer

CLASSES: dict[str, type[Model]] = {  # by kind of request
    "detect": Detector, "predict": TaskModel, "embed": Embedder, "tokenize": Model,
}  # fmt: skip

MARKING_ALL = 10  # times the work where most words are marked and get suggestions, in small batches


class TokenizeItem(NamedTuple):
    """A text to tokenise, with or without special tokens."""

    text: str
    special: bool


class ModelEngine:
    """A loaded model as the server's engine."""

    def __init__(self, model: Detector | TaskModel | Embedder, name: str, is_box: bool = False) -> None:
        self.model, self.name, self.is_box = model, name, is_box
        self.kinds = tuple(kind for kind, owner in CLASSES.items() if isinstance(model, owner))
        self.threshold = model.threshold if isinstance(model, Detector) else 0.5

    def tokens(self, kind: str, item: Any) -> int:
        """Return how many tokens the model processes for an item; overlapping windows double a long text."""
        if kind == "tokenize":
            return 1
        if kind == "predict":
            return self.count(item if isinstance(item, str) else " ".join(item))
        count = self.count(item[0]) if isinstance(item[0], str) else len(item[0]) + 2
        if kind == "embed":
            return min(count, self.model.longest)
        windows = 1 if count <= self.model.longest else 2
        _, threshold, suggestions, *_ = item
        return count * windows * (MARKING_ALL if suggestions and threshold < self.threshold / 2 else 1)

    def count(self, text: str) -> int:
        """Return the tokens of a text, special ones included."""
        return len(self.model.tokenizer.encode(text).ids) + 2

    def answer(self, kind: str, items: list[Any]) -> list[Any]:
        """Return one answer per item: words, a prediction, a vector or tokens; or an exception."""
        if kind == "tokenize":
            return [tokenize(self.model.tokenizer, *item) for item in items]
        if isinstance(self.model, TaskModel):
            return self.model.predict(items)
        if kind == "embed":
            return embed(self.model, items)
        assert isinstance(self.model, Detector)
        return detect(self.model, [Query(*item) for item in items])


def detect(model: Detector, queries: Sequence[Query]) -> list[list[dict[str, Any]]]:
    """Return the scored words of each text."""
    return [
        [word.as_record(query.threshold) for word in words]
        for query, words in zip(queries, detect_texts(model, queries), strict=True)
    ]


def tokenize(tokenizer: Tokenizer, text: str, special: bool) -> list[dict[str, Any]]:
    """Return the tokens of a text as Text Embeddings Inference does; offsets are code points."""
    found = tokenizer.encode(text)
    tokens: list[dict[str, Any]] = [
        {"id": i, "text": text[start:stop], "special": False, "start": start, "stop": stop}
        for i, (start, stop) in zip(found.ids, found.offsets, strict=True)
    ]
    before, after = (
        {"id": i, "text": tokenizer.backend.id_to_token(i), "special": True, "start": None, "stop": None}
        for i in (tokenizer.cls_id, tokenizer.sep_id)
    )
    return [before, *tokens, after] if special else tokens
