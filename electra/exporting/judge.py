"""Compare an exported file with torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from electra.config.base import require
from electra.inference.detector import Detector, Query, detect_texts
from electra.inference.embedder import Embedder
from electra.inference.model import Model
from electra.inference.sessions import Session
from electra.inference.task_model import Input, TaskModel
from electra.tasks import Task
from electra.text.errors.probes import Planted, plant_errors

CALIBRATION = 128  # lines that set the ranges of int8
LOSSY = ("openvino-int8", "openvino-bf16", "onnx-int8")
SHAPES = ((1, 3), (1, 32), (2, 17), (5, 64), (8, 24), (3, 128))  # rows and tokens of the longest
PARITY = 1e-4  # maximum difference of a full-precision file from torch
PLANTED = 150  # texts with wrong words, of each kind
MIN_TEXTS = 30
DECISIONS = ("label", "labels", "tags", "answer")  # fields of a prediction without its probabilities
TOO_LITTLE = f"too little held-out text: at least {MIN_TEXTS} texts of 30 words are needed; name more with --text"


class Judge:
    """Score a model on held-out text by its task's metric, the AUC of planted errors, or agreement with torch."""

    def __init__(self, reference: Detector | TaskModel | Embedder, lines: list[str], task: str) -> None:
        self.reference, self.lines = reference, lines[CALIBRATION:] if len(lines) > 2 * CALIBRATION else lines
        self.measure, self.score = self.scorer(task, bool(lines))
        self.expected = self.score(reference) if lines else 1.0

    def scorer(self, task: str, is_needed: bool) -> tuple[str, Callable[[Any], float]]:
        """Return the name of the measure, and a function that scores a model by it."""
        if task:
            return task_score(self.reference, task)
        if isinstance(self.reference, Detector):
            planted = [p for kind in ("random", "misspelling") for p in plant_errors(self.lines, kind, PLANTED, 0)]
            require(not is_needed or len(planted) >= MIN_TEXTS, TOO_LITTLE)
            return "AUC of planted errors", lambda model: found_errors(model, planted)
        require(not is_needed or len(self.lines) >= MIN_TEXTS, TOO_LITTLE)
        return "agreement with torch", lambda model: agreement(self.reference, model, self.lines)


def task_score(reference: Any, path: str) -> tuple[str, Callable[[Any], float]]:
    """Return the main metric of a fine-tuned model's task, and a function that measures it on examples of a file."""
    task = task_of(reference)
    examples = task.read(path, "dev")
    return task.main_metric, lambda model: task.score(model.answer(examples), examples)[task.main_metric]


def task_of(reference: Model) -> Task:
    """Return the task of a fine-tuned model; raise ValueError for any other model."""
    if not isinstance(reference, TaskModel):
        raise ValueError("--task is for models that electra finetune wrote; name --text")
    return reference.task


def found_errors(model: Detector, texts: list[Planted]) -> float:
    """Return the AUC of detecting planted errors."""
    from sklearn.metrics import roc_auc_score

    scores, is_wrong = [], []
    for text, words in zip(texts, detect_texts(model, [Query(t.text, 2.0, 0) for t in texts]), strict=True):
        wrong = text.wrong_starts
        scores += [word.replaced for word in words]
        is_wrong += [word.start in wrong for word in words]
    return float(roc_auc_score(is_wrong, scores))


def agreement(reference: Any, model: Any, lines: list[str]) -> float:
    """Return the share of texts with the same labels or answers; for embeddings, the mean cosine."""
    if isinstance(reference, Embedder):
        pairs = zip(reference.encode(lines), model.encode(lines), strict=True)
        return float(np.mean([a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in pairs]))
    inputs = [as_input(reference, line) for line in lines]
    found = [[{k: v for k, v in each.items() if k in DECISIONS} for each in m.predict(inputs)]
             for m in (reference, model)]  # fmt: skip
    return float(np.mean([a == b for a, b in zip(*found, strict=True)]))


def as_input(model: TaskModel, line: str) -> Input:
    """Return a line as an input of `predict`; a tab separates two texts."""
    return line if model.task.splits_words or "\t" not in line else tuple(line.split("\t"))


def difference(reference: Model, session: Session, outputs: Sequence[str]) -> float:
    """Return the largest difference from torch at tokens, over shapes with padding."""
    rng, worst = np.random.default_rng(0), 0.0
    for rows, length in SHAPES:
        length = min(length, reference.longest)
        lengths = [length, *rng.integers(2, length + 1, rows - 1)]
        ids = [rng.integers(0, reference.tokenizer.vocab_size, n).tolist() for n in lengths]
        inputs = reference.pad(ids, [(np.arange(n) > n // 2).astype(int).tolist() for n in lengths])
        for expected, found in zip(*(run(inputs, outputs) for run in (reference.session, session)), strict=True):
            gap = np.abs(expected - found)
            if gap.shape[:2] == inputs["input_ids"].shape:
                gap = gap[inputs["attention_mask"] > 0]
            worst = max(worst, float(gap.max()))
    return worst
