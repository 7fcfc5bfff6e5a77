"""Score the detection of planted errors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from electra.inference.detector import Detector, token_scores
from electra.text.errors.probes import Planted
from electra.text.pieces import logit, word_score, word_spans
from electra.text.tokenizer import Tokenizer

Scores = NDArray[np.float64]
KINDS = {"random": "random wrong words", "misspelling": "misspellings"}
MEASURES = {"auc": "AUC", "ap": "average precision", "false_alarms": "false alarms per 100 words"}
FOUND = KINDS | {"replaced": "replaced tokens", "generator": "generator's replacements"}
# The name of a score in summary.json, and in the tables and plots that people read.
IN_WORDS = {
    f"{name}_{kind}": f"{measure}, {found}" for name, measure in MEASURES.items() for kind, found in FOUND.items()
}
TEXTS = 400  # of each kind: 800 wrong words among 12,000


class DetectionScores(NamedTuple):
    """Metrics of error detection."""

    auc: float
    ap: float  # average precision
    false_alarms: float  # marked clean words per 100, at a recall of one half


def measure(scores: Scores, is_wrong: Scores) -> DetectionScores:
    """Return the metrics of word scores against the planted errors."""
    limit = np.median(scores[is_wrong == 1])
    false_alarms = 100 * float((scores[is_wrong == 0] >= limit).mean())
    return DetectionScores(
        float(roc_auc_score(is_wrong, scores)), float(average_precision_score(is_wrong, scores)), false_alarms
    )


def word_scores(texts: list[Planted], tokenizer: Tokenizer, score: Any) -> tuple[Scores, Scores]:
    """Return each word's score, aggregated over its pieces, and whether it is wrong; `score`: rows of ids -> scores."""
    encodings = [tokenizer.backend.encode(t.words, is_pretokenized=True, add_special_tokens=False) for t in texts]
    scores, is_wrong = [], []
    for text, encoding, pieces in zip(texts, encodings, score([e.ids for e in encodings]), strict=True):
        word_ids = encoding.word_ids
        for first, last in word_spans(word_ids):
            scores.append(word_score(pieces[first : last + 1]))
            is_wrong.append(text.is_wrong[word_ids[first] or 0])
    return np.array(scores), np.array(is_wrong, float)


def model_scores(model: Detector, rows: list[list[int]]) -> list[list[float]]:
    """Return the discriminator's log odds for each token."""
    return [[logit(p) for p in scores] for scores in token_scores(model, rows)]
