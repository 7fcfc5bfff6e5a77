"""Predict labels, tags or answers for lines of text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from electra.config import PredictConfig
from electra.core.errors import WrongInput
from electra.core.log import logger, tracked
from electra.inference.detector import Detector
from electra.inference.load import load
from electra.inference.task_model import TaskModel
from electra.inference.zero_shot import zero_shot
from electra.text.lines import open_lines
from electra.text.unicode import require_valid
from electra.text.windows import require_texts

# Lines answered together, at first few so that the first answers come soon; more run in rows of more equal length.
FEWEST, MOST, CHARACTERS = 32, 1024, 1 << 20
Answer = Callable[[Sequence[str | list[str]]], list[dict[str, Any]]]


def predict(config: PredictConfig) -> Iterator[dict[str, Any]]:
    """Yield a prediction for each line of the input, in its order, under the line's `id`.

    All lines are checked before the first is answered; at most MOST of them are in memory.

    Raises:
        ValueError: the model does not predict, or cannot read a line, which the message names.
    """
    model = load(config.model, config.device)
    answer = answer_of(config, model)
    with open_lines(config.source) as lines:
        count = sum(require_readable(question, model) for question in questions(lines))
        cut = 0
        for question, prediction in tracked(answered(questions(lines), answer), count, "answering"):
            cut += "truncated" in prediction
            yield {"id": question.id, **{k: v for k, v in prediction.items() if k != "id"}}
    if cut:
        logger.warning(
            f"{cut} of {count} texts are longer than the {model.longest} tokens that the model reads, and were "
            'cut ("truncated": true); split them, or fine-tune with --windows mean'
        )


def answer_of(config: PredictConfig, model: Any) -> Answer:
    """Return the function that answers inputs; ValueError if the model has none."""
    if config.zero_shot:
        if not isinstance(model, Detector):
            raise ValueError(f"{config.model} is not a discriminator, which --zero-shot needs; name a pre-trained run")
        words = [word.strip() for word in config.file_or_labels.split(",") if word.strip()]
        return partial(by_label_words, model, config.zero_shot, words)
    if not isinstance(model, TaskModel):
        raise ValueError(
            f"{config.model} is not fine-tuned: run electra finetune first, or use --zero-shot TEMPLATE LABELS"
        )
    model.progress = False  # that of all lines is shown
    return model.predict


def by_label_words(
    model: Detector, template: str, words: Sequence[str], inputs: Sequence[str | list[str]]
) -> list[dict[str, Any]]:
    """Return the likeliest label word for each input, whose parts are read as one text."""
    return zero_shot(model, [x if isinstance(x, str) else " ".join(x) for x in inputs], template, words)


def answered(asked: Iterable[Question], answer: Answer) -> Iterator[tuple[Question, dict[str, Any]]]:
    """Yield each question with its answer, after a group of them is answered."""
    for group in groups(asked):
        try:
            found = answer([question.input for question in group])
        except ValueError as error:
            first, last = group[0].line, group[-1].line
            raise ValueError(f"in lines {first:,} to {last:,}: {error}; those before are answered") from None
        yield from zip(group, found, strict=True)


def groups(asked: Iterable[Question]) -> Iterator[list[Question]]:
    """Yield questions in groups, each at most twice as large as the one before."""
    group, characters, most = list[Question](), 0, FEWEST
    for question in asked:
        group.append(question)
        characters += sum(map(len, question.texts))
        if len(group) == most or characters >= CHARACTERS:
            yield group
            group, characters, most = [], 0, min(2 * most, MOST)
    if group:
        yield group


# -- lines -------------------------------------------------------------------------------------------------------------


class Question(NamedTuple):
    """One line of input."""

    input: str | list[str]
    id: str  # from the JSON object, or the line number
    line: int

    @property
    def texts(self) -> list[str]:
        """The texts of the input."""
        return [self.input] if isinstance(self.input, str) else self.input


def questions(lines: Iterable[str]) -> Iterator[Question]:
    """Yield the question of each line that is not blank."""
    return (parse(line, number) for number, line in enumerate(lines, 1) if line.strip())


def require_readable(question: Question, model: Any) -> bool:
    """Return True; raise ValueError for a question that the model cannot read."""
    try:
        if isinstance(model, TaskModel) and model.task.wanted:
            require_texts([question.input], model.task.wanted)
        for text in question.texts:
            require_valid(text)
    except WrongInput as error:
        raise ValueError(f"line {question.line}: give {error.needed}") from None
    except ValueError as error:
        raise ValueError(f"line {question.line}: {error}") from None
    return True


def parse(line: str, number: int) -> Question:
    """Read a line: a text, a JSON list of texts, or an object with `text` (and `text2`), `tokens`, or `question`."""
    plain = Question(line, str(number), number)
    if not line.startswith(("{", "[")):
        return plain
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):  # also for a number of thousands of digits, or deep nesting
        return plain  # a text that begins with a bracket
    if is_texts(content):
        return plain._replace(input=content)
    if isinstance(content, dict):
        for names in (("tokens",), ("question", "context"), ("text", "text2"), ("text",)):
            if all(name in content for name in names):
                values = [content[name] for name in names]
                given = values[0] if len(values) == 1 else values
                if isinstance(given, str) or is_texts(given):
                    return Question(given, str(content.get("id", number)), number)
    raise ValueError(f"line {number}: give a text, a list of texts, or an object with text (and text2), or tokens")


def is_texts(content: Any) -> bool:
    """Return whether a value is a list of texts."""
    return isinstance(content, list) and bool(content) and all(isinstance(part, str) for part in content)
