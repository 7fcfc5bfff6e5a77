"""Find the answer in a context from the scores of start and end in each window. No torch.

T slots of a window, K starts for which an end is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

N_BEST = 20
MAX_ANSWER = 30  # tokens of an answer
Floats = NDArray[np.floating[Any]]


class Guess(NamedTuple):
    """The best spans of a window and its score for "no answer"."""

    spans: list[tuple[float, int, int]]  # score, first and last + 1 character
    null: float
    is_difference: bool  # the threshold applies to `null` minus the best span's score


def best_spans(
    start: Floats, end: Floats, row_of_start: dict[int, int] | None, places: Sequence[Any]
) -> list[tuple[float, int, int]]:
    """Return the best spans of a window as (score, first character, last + 1): start [T], end [K, T]."""
    own = [s for s, place in enumerate(places) if place is not None and place[2]]
    likely = sorted((s for s in own if row_of_start is None or s in row_of_start), key=lambda s: -float(start[s]))
    found = []
    for s in likely[:N_BEST]:
        scores = end[0 if row_of_start is None else row_of_start[s], s : min(s + MAX_ANSWER, len(places) - 1)]
        for e in np.argsort(-scores, kind="stable")[:N_BEST]:
            found.append((float(start[s]) + float(scores[e]), places[s][0], places[s + e][1]))
    return sorted(found, reverse=True)[:N_BEST]


def best_answer(context: str, guesses: Sequence[Guess], limit: float) -> dict[str, Any]:
    """Return the best span of all windows and the n best; no answer if the null score is above `limit`."""
    best = sorted((span for guess in guesses for span in guess.spans), reverse=True)[:N_BEST]
    null = min(guess.null for guess in guesses)
    if guesses[0].is_difference and best:
        null -= best[0][0]
    spans = [(score, *trimmed(context, start, end)) for score, start, end in best]
    ranked = [{"text": context[s:e], "start": s, "end": e, "score": round(score, 6)} for score, s, e in spans]
    top = ranked[0] if ranked else {"text": "", "start": 0, "end": 0, "score": 0.0}
    answer = {"answer": top["text"], "start": top["start"], "end": top["end"]}
    if null > limit:
        answer = {"answer": "", "start": None, "end": None}
    more = {"score": top["score"], "best_answer": top["text"], "null_score": round(null, 6), "n_best": ranked}
    return answer | more


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Strip white space from a span, which tokens of some vocabularies include."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))
