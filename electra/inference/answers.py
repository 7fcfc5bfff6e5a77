"""What a fine-tuned network's outputs mean: labels of texts, tags of words, answers in a text. No torch.

T slots of a row, C labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from electra.text.spans import Guess, best_answer, best_spans
from electra.text.tags import entities, spans_are_tagged
from electra.text.windows import (
    QUESTION_AND_CONTEXT,
    ROWS,
    TEXT_OR_PAIR,
    Window,
    join,
    question_windows,
    require_texts,
    word_windows,
)

if TYPE_CHECKING:
    from electra.inference.runtime import Runner

MOST_LABELS = 10  # of how many labels a prediction says the probability
Array = NDArray[Any]


# -- labels ------------------------------------------------------------------------------------------------------------


def labelled(model: Runner, inputs: Sequence[str | Sequence[str]]) -> list[dict[str, Any]]:
    """The label of each text or pair with probabilities, or all labels that fit; for a regression the number."""
    pairs = [(each,) if isinstance(each, str) else tuple(each) for each in inputs]
    require_texts(pairs, TEXT_OR_PAIR)
    found = outputs(model, [rows_of(model, pair) for pair in pairs], ["logits"])
    logits = np.array([np.mean([row for (row,) in orders], axis=0) for orders in found])
    kind, settings = model.config.get("problem_type"), model.config.get("task_settings", {})
    if kind == "regression":
        low, high = settings.get("low"), settings.get("high")
        low, width = (low, (high - low) or 1.0) if low is not None and high is not None else (0.0, 1.0)
        return [{"score": low + width * float(row[0])} for row in logits]
    if kind == "multi_label_classification":
        return [several_labels(named(model, row)) for row in 1 / (1 + np.exp(-logits))]
    return [one_label(named(model, row)) for row in softmax(logits)]


def rows_of(model: Runner, texts: Sequence[str]) -> list[Window]:
    """The row of a text or a pair, cut at the model's length; of a pair that has no order, the rows of both."""
    ids = model.tokenizer.encode_lines(list(texts))
    second = ids[1] if len(ids) > 1 else None
    orders = [(ids[0], second)]
    if model.config.get("task_settings", {}).get("symmetric") and second is not None:
        orders.append((second, ids[0]))
    return [Window(*join(model.tokenizer, *order, model.longest), [], 0, 0) for order in orders]


def named(model: Runner, probabilities: Array) -> dict[str, float]:
    """Probabilities by label."""
    return {name: round(float(p), 6) for name, p in zip(label_names(model), probabilities, strict=True)}


def one_label(probabilities: dict[str, float]) -> dict[str, Any]:
    """The likeliest label, its probability, and those of the next."""
    ranked = sorted(probabilities.items(), key=lambda pair: -pair[1])[:MOST_LABELS]
    return {"label": ranked[0][0], "score": ranked[0][1], "probabilities": dict(ranked)}


def several_labels(probabilities: dict[str, float]) -> dict[str, Any]:
    """The labels above one half, and the probability of each."""
    return {"labels": [name for name, p in probabilities.items() if p > 0.5], "probabilities": probabilities}


# -- tags --------------------------------------------------------------------------------------------------------------


def tagged(model: Runner, inputs: Sequence[str | Sequence[str]]) -> list[dict[str, Any]]:
    """A tag for each word of a sentence of any length, that of its first piece; and the entities that tags spell."""
    sentences = [each.split() if isinstance(each, str) else list(each) for each in inputs]
    names = label_names(model)
    rows = list(word_windows(model.tokenizer, sentences, model.longest))
    found = outputs(model, rows, ["logits"])
    return [sentence_tags(words, names, w, read) for words, w, read in zip(sentences, rows, found, strict=True)]


def sentence_tags(
    words: list[str], names: Sequence[str], windows: Sequence[Window], found: Sequence[list[Array]]
) -> dict[str, Any]:
    """The tags of a sentence from the logits [T, C] of its rows."""
    tags, scores = [], []
    for window, (logits,) in zip(windows, found, strict=True):
        for slot in (slot for slot, word in enumerate(window.places) if word >= 0):
            probabilities = softmax(logits[slot])
            tags.append(names[int(probabilities.argmax())])
            scores.append(round(float(probabilities.max()), 6))
    entry: dict[str, Any] = {"tokens": words, "tags": tags, "scores": scores}
    return entry | ({"entities": entities(tags, words)} if spans_are_tagged(names) else {})


# -- answers -----------------------------------------------------------------------------------------------------------


def answer_at(model: Runner, inputs: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """The likeliest answer to each (question, context), '' if none is likelier; a long context is read in windows."""
    require_texts(inputs, QUESTION_AND_CONTEXT)
    rows = [windows for _, windows in question_windows(model.tokenizer, inputs, model.longest)]
    found = outputs(model, rows, ["start_logits", "end_logits"])
    settings = model.config.get("task_settings", {})
    limit = settings.get("null_threshold", 0.0) if settings.get("may_be_unanswerable") else math.inf
    return [
        best_answer(context, [guess(*each) for each in zip(windows, read, strict=True)], limit)
        for (_, context), windows, read in zip(inputs, rows, found, strict=True)
    ]


def guess(window: Window, found: list[Array]) -> Guess:
    """A window's best spans, from where an answer starts and where it ends, each [T]."""
    start, end = found
    return Guess(best_spans(start, end[None], None, window.places), float(start[0] + end[0]), True)


# -- running -----------------------------------------------------------------------------------------------------------


def outputs(model: Runner, inputs: Sequence[Sequence[Window]], names: Sequence[str]) -> list[list[list[Array]]]:
    """The outputs `names` of each row of each input; rows of a length run together, so that little is padding."""
    rows = [row for windows in inputs for row in windows]
    read: dict[int, list[Array]] = {}
    order = sorted(range(len(rows)), key=lambda n: len(rows[n].ids))
    for start in range(0, len(order), ROWS):
        group = order[start : start + ROWS]
        padded = model.pad([rows[n].ids for n in group], [rows[n].token_type_ids for n in group])
        arrays = model.session(padded, names)
        read |= {n: [array[place] for array in arrays] for place, n in enumerate(group)}
    in_order = (read[n] for n in range(len(rows)))
    return [[next(in_order) for _ in windows] for windows in inputs]


def label_names(model: Runner) -> list[str]:
    """The labels in the order of the logits."""
    names = model.config.get("id2label") or {str(i): f"LABEL_{i}" for i in range(2)}
    return [names[str(i)] for i in range(len(names))]


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))
