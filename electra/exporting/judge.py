"""How good an exported file is, beside torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from electra.config.base import require
from electra.evaluation.planted import Planted, plant_errors
from electra.inference.detector import Query, detect_texts
from electra.inference.runtime import DetectorRunner, EncoderRunner, Runner
from electra.inference.sessions import Session

CALIBRATION = 128  # lines that set the ranges of int8
LOSSY = ("openvino-int8", "openvino-bf16", "onnx-int8")
SHAPES = ((1, 3), (1, 32), (2, 17), (5, 64), (8, 24), (3, 128))  # rows and tokens of the longest
PARITY = 1e-4  # the most that a file of full precision may differ from torch
PLANTED = 150  # texts with wrong words, of each kind
MIN_TEXTS = 30
SAID = ("label", "labels", "tags", "answer")  # of a prediction, beside probabilities
WORDS = ("ElectraForTokenClassification",)
TOO_LITTLE = f"too little held-out text: {MIN_TEXTS} texts of 30 words are the least; name more with --text"


class Judge:
    """Scores a model on held-out text: its task's score, how well it finds planted errors, or how often it agrees."""

    def __init__(self, reference: Runner, lines: list[str], task: str) -> None:
        self.reference, self.lines = reference, lines[CALIBRATION:] if len(lines) > 2 * CALIBRATION else lines
        self.score: Callable[[Any], float]
        if task:
            self.measure, self.score = task_score(reference, task)
        elif isinstance(reference, DetectorRunner):
            planted = [p for kind in ("random", "misspelling") for p in plant_errors(self.lines, kind, PLANTED, 0)]
            require(not lines or len(planted) >= MIN_TEXTS, TOO_LITTLE)
            self.measure, self.score = "AUC of planted errors", lambda model: found_errors(model, planted)
        else:
            require(not lines or len(self.lines) >= MIN_TEXTS, TOO_LITTLE)
            self.measure, self.score = "agreement with torch", lambda model: agreement(reference, model, self.lines)
        self.expected = self.score(reference) if lines else 1.0


def task_score(reference: Runner, path: str) -> tuple[str, Callable[[Any], float]]:
    """The name of the main metric of a fine-tuned model's task, and what measures it on examples of a file."""
    from electra.tasks import TASKS

    name = reference.config.get("task", "")
    require(name in TASKS, "--task is for models that electra finetune wrote; name --text")
    task = TASKS[name](**reference.config.get("task_settings", {}))
    examples = task.read(path, "dev")
    texts = [e.texts if len(e.texts) > 1 or reference.architecture in WORDS else e.texts[0] for e in examples]
    return task.main_metric, lambda model: task.score(model.predict(texts), examples)[task.main_metric]


def found_errors(model: DetectorRunner, texts: list[Planted]) -> float:
    """The AUC of telling planted wrong words from the others."""
    from sklearn.metrics import roc_auc_score

    scores, is_wrong = [], []
    for text, words in zip(texts, detect_texts(model, [Query(t.text, 2.0, 0) for t in texts]), strict=True):
        starts = np.cumsum([0, *(len(word) + 1 for word in text.words)])
        wrong = {int(s) for s, yes in zip(starts, text.is_wrong, strict=False) if yes}
        scores += [word.replaced for word in words]
        is_wrong += [word.start in wrong for word in words]
    return float(roc_auc_score(is_wrong, scores))


def agreement(reference: Any, model: Any, lines: list[str]) -> float:
    """The share of texts of which both say the same: labels or answers; hidden states by their cosine."""
    if isinstance(reference, EncoderRunner) and isinstance(model, EncoderRunner):
        pairs = zip(reference.encode(lines), model.encode(lines), strict=True)
        return float(np.mean([a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in pairs]))
    inputs = [as_input(reference.architecture, line) for line in lines]
    told = [[{k: v for k, v in each.items() if k in SAID} for each in m.predict(inputs)]
            for m in (reference, model)]  # fmt: skip
    return float(np.mean([a == b for a, b in zip(*told, strict=True)]))


def as_input(architecture: str, line: str) -> Any:
    """What `predict` takes, from a line: words where each is tagged, two texts where a tab stands between them."""
    if architecture in WORDS:
        return line.split()
    parts = tuple(line.split("\t"))
    return line if len(parts) == 1 else parts


def difference(reference: Runner, session: Session, outputs: Sequence[str]) -> float:
    """The largest difference from torch at tokens, over shapes with padding."""
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
