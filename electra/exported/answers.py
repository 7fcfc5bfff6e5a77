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
MOST_LABELS = 10  # of how many labels a prediction says the probability
Array = NDArray[Any]


def labelled(model: Runner, inputs: Sequence[str | tuple[str, str]]) -> list[dict[str, Any]]:
    """The label of each text or pair with probabilities, or all labels that fit; for a regression the number."""
    encodings = [read(model, *((each,) if isinstance(each, str) else tuple(each))) for each in inputs]
    (logits,) = outputs(model, encodings, ["logits"])
    kind = model.config.get("problem_type")
    if kind == "regression":
        low, high = (model.config.get("task_settings", {}).get(name) for name in ("low", "high"))
        low, width = (low, (high - low) or 1.0) if low is not None and high is not None else (0.0, 1.0)
        return [{"score": low + width * float(row[0])} for row in logits]
    if kind == "multi_label_classification":
        return [several_labels(named(model, row)) for row in 1 / (1 + np.exp(-logits))]
    return [one_label(named(model, row)) for row in softmax(logits)]


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


def tagged(model: Runner, inputs: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """A tag for each word, that of its first piece; words beyond the model's length get the first label."""
    backend, names = model.tokenizer.backend, label_names(model)
    encodings = [backend.encode(list(words), is_pretokenized=True) for words in inputs]
    for encoding in encodings:
        encoding.truncate(model.longest)
    (logits,) = outputs(model, encodings, ["logits"])
    found = []
    for words, encoding, row in zip(inputs, encodings, logits, strict=True):
        tags, before = [names[0]] * len(words), None
        for slot, word in enumerate(encoding.word_ids):
            if word is not None and word != before:
                tags[word] = names[int(row[slot].argmax())]
            before = word
        found.append({"tokens": list(words), "tags": tags})
    return found


def answer_at(model: Runner, inputs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The likeliest answer to each (question, context), '' where none is likelier; contexts are cut, not windowed."""
    encodings = [read(model, *each) for each in inputs]
    start, end = outputs(model, encodings, ["start_logits", "end_logits"])
    settings = model.config.get("task_settings", {})
    limit = settings.get("null_threshold", 0.0) if settings.get("may_be_unanswerable") else np.inf
    return [span(c, e, s, t, limit) for (_, c), e, s, t in zip(inputs, encodings, start, end, strict=True)]


def span(context: str, encoding: Encoding, start: Array, end: Array, limit: float) -> dict[str, Any]:
    """The best start and end in the context, not further apart than an answer is long; none where that is likelier."""
    where = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
    if not where:
        return {"answer": "", "start": None, "end": None, "score": 0.0, "best_answer": "", "null_score": 0.0}
    first = where[0]
    sums = start[where][:, None] + end[where][None]
    sums = np.where(np.tril(np.triu(np.ones_like(sums)), LONGEST_ANSWER - 1) > 0, sums, -np.inf)
    i, j = (first + int(place) for place in np.unravel_index(int(sums.argmax()), sums.shape))
    a, b = encoding.offsets[i][0], encoding.offsets[j][1]
    none = float(start[0] + end[0] - sums.max())  # above 0 it is likelier that there is no answer
    more = {"score": float(softmax(start)[i] * softmax(end)[j]), "best_answer": context[a:b], "null_score": none}
    return ({"answer": "", "start": None, "end": None} if none > limit else
            {"answer": context[a:b], "start": a, "end": b}) | more  # fmt: skip


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
