"""Predict with a fine-tuned model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from electra.config.base import require
from electra.core.log import tracked
from electra.inference.model import Model, run_rows
from electra.inference.sessions import Session
from electra.tasks import Example, Features, Task
from electra.text.tokenizer import Tokenizer
from electra.text.windows import require_texts

Input = str | Sequence[str]  # a text; a pair of texts; the words of a sentence


class TaskModel(Model):
    """A fine-tuned network with its task: its columns, its labels, its metric (`electra/tasks/`).

    name: the task's name in electra.tasks, or `module:Class`.
    """

    progress = True

    def __init__(
        self, session: Session, task: Task, name: str, tokenizer: Tokenizer, longest: int, format: str = "torch"
    ) -> None:
        super().__init__(session, tokenizer, longest, format)
        self.task, self.name = task, name

    def predict(self, inputs: Sequence[Input]) -> list[dict[str, Any]]:
        """Return a JSON-able prediction for each input, in order.

        An input is what the task reads: a text, a pair of texts, the words of a sentence, or (question, context). A
        prediction has an `id`, the input's number, and by task `label`, `score` and `probabilities`, or `labels`, or a
        `score` in the unit of the training data, or `tags` of words and `entities`, or an answer's `text` and place.

        Raises:
            ValueError: `inputs` is one text; or an input (WrongInput, with its number) is not what the task reads.
        """
        require(not isinstance(inputs, str), "predict takes a list of texts; put the text in brackets")
        if self.task.wanted:
            require_texts(inputs, self.task.wanted)
        return self.answer([self.task.asked(given, n, self.tokenizer) for n, given in enumerate(inputs)])

    def answer(self, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """Return a prediction for each example."""
        features = self.task.encode(self.tokenizer, examples, self.longest)
        return predict_features(self.session, self.task, features, examples, self.tokenizer.pad_id, self.progress)


def predict_features(
    session: Session,
    task: Task,
    features: Sequence[Features],
    examples: Sequence[Example],
    pad_id: int,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Run encoded examples; return a prediction for each, with `truncated` where some of it had no room.

    progress: log how far it is.
    """
    rows, types = [feature.ids for feature in features], [feature.token_type_ids for feature in features]
    collected: list[Any] = [None] * len(features)
    found = run_rows(session, rows, session.outputs, pad_id, types)
    for n, outputs in tracked(found, len(rows), "answering") if progress else found:
        collected[n] = task.collect(outputs, features[n])
    cut = {feature.example for feature in features if feature.is_cut}
    predictions = task.decode(collected, features, examples)
    return [p | {"truncated": True} if n in cut else p for n, p in enumerate(predictions)]
