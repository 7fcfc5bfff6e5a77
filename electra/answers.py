"""What a fine-tuned network's outputs mean: labels of texts, tags of words, answers in a text. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Encoding

    from electra.runtime import Runner

LONGEST_ANSWER = 30  # tokens
Array = NDArray[Any]


def labelled(model: Runner, inputs: Sequence[str | tuple[str, str]]) -> list[dict[str, Any]]:
    """The label of each text or pair, with every label's probability; for a regression the number."""
    encodings = [read(model, *((each,) if isinstance(each, str) else tuple(each))) for each in inputs]
    (logits,) = outputs(model, encodings, ["logits"])
    if model.config.get("problem_type") == "regression":
        return [{"value": float(row[0])} for row in logits]
    several = model.config.get("problem_type") == "multi_label_classification"
    scores = 1 / (1 + np.exp(-logits)) if several else softmax(logits)
    names = label_names(model)
    found = []
    for row in scores:
        by_label = {name: float(p) for name, p in zip(names, row, strict=True)}
        best = max(by_label, key=lambda name: by_label[name])
        chosen = {"labels": [n for n, p in by_label.items() if p >= 0.5]} if several else {"label": best}
        found.append(chosen | {"score": by_label[best], "scores": by_label})
    return found


def tagged(model: Runner, inputs: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """A tag for each word, that of its first piece; words beyond the model's length get none."""
    backend, names = model.tokenizer.backend, label_names(model)
    encodings = [backend.encode(list(words), is_pretokenized=True) for words in inputs]
    for encoding in encodings:
        encoding.truncate(model.longest)
    (logits,) = outputs(model, encodings, ["logits"])
    found = []
    for words, encoding, row in zip(inputs, encodings, logits, strict=True):
        tags: list[str | None] = [None] * len(words)
        for slot, word in enumerate(encoding.word_ids):
            if word is not None and tags[word] is None:
                tags[word] = names[int(row[slot].argmax())]
        found.append({"tags": tags})
    return found


def answer_at(model: Runner, inputs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The likeliest answer to each (question, context), '' where none is likelier; contexts are cut, not windowed."""
    encodings = [read(model, *each) for each in inputs]
    start, end = outputs(model, encodings, ["start_logits", "end_logits"])
    return [span(c, e, s, t) for (_, c), e, s, t in zip(inputs, encodings, start, end, strict=True)]


def span(context: str, encoding: Encoding, start: Array, end: Array) -> dict[str, Any]:
    """The best start and end in the context, not further apart than an answer is long."""
    where = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    if not where:
        return {"answer": "", "score": 0.0, "start": 0, "end": 0}
    first = where[0]
    sums = start[where][:, None] + end[where][None]
    sums = np.where(np.tril(np.triu(np.ones_like(sums)), LONGEST_ANSWER - 1) > 0, sums, -np.inf)
    i, j = np.unravel_index(int(sums.argmax()), sums.shape)
    probability = float(softmax(start)[first + i] * softmax(end)[first + j])
    if start[0] + end[0] > sums[i, j]:
        return {"answer": "", "score": float(softmax(start)[0] * softmax(end)[0]), "start": 0, "end": 0}
    a, b = encoding.offsets[first + int(i)][0], encoding.offsets[first + int(j)][1]
    return {"answer": context[a:b], "score": probability, "start": a, "end": b}


def read(model: Runner, text: str, second: str | None = None) -> Encoding:
    """The tokens of a text or a pair with special tokens, cut at the model's length."""
    model.tokenizer.backend.encode_special_tokens = True
    encoding = model.tokenizer.backend.encode(text, second)
    encoding.truncate(model.longest)
    return encoding


def outputs(model: Runner, encodings: Sequence[Encoding], names: Sequence[str]) -> list[Array]:
    """Run encoded examples, one a row."""
    inputs = model.pad([e.ids for e in encodings], [e.type_ids for e in encodings])
    found = model.session(inputs, names)
    if len(names) == 2:  # padding is no place for an answer
        found = [np.where(inputs["attention_mask"] > 0, each, -1e4) for each in found]
    return found


def label_names(model: Runner) -> list[str]:
    """The labels in the order of the logits."""
    names = model.config.get("id2label") or {str(i): f"LABEL_{i}" for i in range(2)}
    return [names[str(i)] for i in range(len(names))]


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))
