"""A loaded model as the server's engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

KINDS = {"detect": "detect", "predict": "predict", "embed": "encode"}  # question -> the model's method


class ModelEngine:
    """A loaded model as the server's engine."""

    def __init__(self, model: Any, name: str) -> None:
        self.model, self.name = model, name
        self.kinds = tuple(kind for kind, method in KINDS.items() if hasattr(model, method))
        self.threshold: float = getattr(model, "threshold", 0.5)

    def tokens(self, kind: str, item: Any) -> int:
        """What the model reads for an item; a long text is read twice, in windows that overlap by half."""
        text = item[0] if kind == "detect" else item if isinstance(item, str) else " ".join(item)
        count = len(self.model.tokenizer.encode(text).ids) + 2
        return count if count <= self.model.longest or kind != "detect" else 2 * count

    def answer(self, kind: str, items: list[Any]) -> list[Any]:
        """One answer an item: words, a prediction, or a vector with its number of tokens."""
        if kind == "detect":
            return self.detect(items)
        if kind == "predict":
            return list(self.model.predict(items))
        counts = [min(self.tokens(kind, text), self.model.longest) for text in items]
        return list(zip(self.model.encode(items), counts, strict=True))

    def detect(self, items: Sequence[tuple[str, float, int]]) -> list[list[dict[str, Any]]]:
        """The words of each text."""
        from electra.inference.detector import Query, detect_texts

        queries = [Query(*item) for item in items]
        return [
            [
                {**word._asdict(), "replaced": round(word.replaced, 4), "marked": word.is_marked(query.threshold)}
                for word in words
            ]
            for query, words in zip(queries, detect_texts(self.model, queries), strict=True)
        ]
