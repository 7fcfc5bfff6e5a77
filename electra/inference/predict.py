"""Predict labels, tags or answers for lines of text."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from electra.config import PredictConfig
from electra.core.errors import WrongInput
from electra.core.log import logger
from electra.inference.detector import Detector
from electra.inference.load import load
from electra.inference.task_model import TaskModel
from electra.inference.zero_shot import zero_shot
from electra.text.sources import read_text


def predict(config: PredictConfig) -> list[dict[str, Any]]:
    """Return a prediction for each line of the input, under the line's `id`."""
    lines = [line.rstrip("\r") for line in read_text(config.source).split("\n")]
    questions = [parse(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    inputs = [question.input for question in questions]
    model = load(config.model, config.device)
    if config.zero_shot:
        if not isinstance(model, Detector):
            raise ValueError(f"{config.model} is not a discriminator, which --zero-shot needs; name a pre-trained run")
        words = [word.strip() for word in config.file_or_labels.split(",") if word.strip()]
        found = zero_shot(model, [t if isinstance(t, str) else " ".join(t) for t in inputs], config.zero_shot, words)
    elif not isinstance(model, TaskModel):
        raise ValueError(
            f"{config.model} is not fine-tuned: run electra finetune first, or use --zero-shot TEMPLATE LABELS"
        )
    else:
        try:
            found = model.predict(inputs)
        except WrongInput as error:
            raise ValueError(f"line {questions[error.number - 1].line}: give {error.needed}") from None
    if cut := sum("truncated" in prediction for prediction in found):
        logger.warning(
            f"{cut} of {len(found)} texts are longer than the {model.longest} tokens that the model reads, and were "
            'cut ("truncated": true); split them, or fine-tune with --windows mean'
        )
    return [
        {"id": q.id, **{k: v for k, v in prediction.items() if k != "id"}}
        for q, prediction in zip(questions, found, strict=True)
    ]


class Question(NamedTuple):
    """One line of input."""

    input: str | list[str]
    id: str  # from the JSON object, or the line number
    line: int


def parse(line: str, number: int) -> Question:
    """Read a line: a text, a JSON list of texts, or an object with `text` (and `text2`), `tokens`, or `question`."""
    plain = Question(line, str(number), number)
    if not line.startswith(("{", "[")):
        return plain
    try:
        content = json.loads(line)
    except json.JSONDecodeError:
        return plain  # a text that begins with a bracket
    if isinstance(content, list) and content and all(isinstance(part, str) for part in content):
        return plain._replace(input=content)
    if isinstance(content, dict):
        for names in (("tokens",), ("question", "context"), ("text", "text2"), ("text",)):
            if all(name in content for name in names):
                values = [content[name] for name in names]
                return Question(values[0] if len(values) == 1 else values, str(content.get("id", number)), number)
    raise ValueError(f"line {number}: give a text, a list of texts, or an object with text (and text2), or tokens")
