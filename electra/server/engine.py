"""A loaded model as the server's engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from electra.inference.detector import Detector, Query, detect_texts
from electra.inference.embedder import Embedder
from electra.inference.model import Model
from electra.inference.task_model import TaskModel

CLASSES: dict[str, type[Model]] = {"detect": Detector, "predict": TaskModel, "embed": Embedder}  # by kind of request


class ModelEngine:
    """A loaded model as the server's engine."""

    def __init__(self, model: Detector | TaskModel | Embedder, name: str) -> None:
        self.model, self.name = model, name
        self.kinds = tuple(kind for kind, owner in CLASSES.items() if isinstance(model, owner))
        self.threshold = model.threshold if isinstance(model, Detector) else 0.5

    def tokens(self, kind: str, item: Any) -> int:
        """Return how many tokens the model processes for an item; overlapping windows double a long text."""
        text = item[0] if kind == "detect" else item if isinstance(item, str) else " ".join(item)
        count = len(self.model.tokenizer.encode(text).ids) + 2
        return count if count <= self.model.longest or kind != "detect" else 2 * count

    def answer(self, kind: str, items: list[Any]) -> list[Any]:
        """Return one answer per item: words, a prediction, or a vector with its number of tokens."""
        if isinstance(self.model, TaskModel):
            return self.model.predict(items)
        if kind == "detect":
            assert isinstance(self.model, Detector)
            return detect(self.model, [Query(*item) for item in items])
        counts = [min(self.tokens(kind, text), self.model.longest) for text in items]
        return list(zip(self.model.encode(items), counts, strict=True))


def detect(model: Detector, queries: Sequence[Query]) -> list[list[dict[str, Any]]]:
    """Return the scored words of each text."""
    return [
        [
            {**word._asdict(), "replaced": round(word.replaced, 4), "marked": word.is_marked(query.threshold)}
            for word in words
        ]
        for query, words in zip(queries, detect_texts(model, queries), strict=True)
    ]
