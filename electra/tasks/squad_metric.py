"""The official exact match and F1 of SQuAD 1.1 and 2.0, with the threshold for "no answer" searched.

Texts with Chinese, Japanese or Korean characters are compared character by character, as CMRC 2018 does: SQuAD's own
rule knows only words between blanks.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

PUNCTUATION = frozenset(string.punctuation)
CJK_CHARACTERS = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
CJK = re.compile(f"([{CJK_CHARACTERS}])")
CJK_PUNCTUATION = frozenset("，。：？！；、“”‘’（）《》「」『』【】〈〉…—～·")


class QuestionScore(NamedTuple):
    """The score of a guess at one question against all reference answers."""

    exact: float
    f1: float
    answerable: bool
    null_score: float  # the higher, the likelier there is no answer
    is_empty: bool


def normalize(text: str) -> str:
    """Return lower case without punctuation, articles and extra blanks (the official `normalize_answer`)."""
    has_cjk = CJK.search(text) is not None
    ignored = PUNCTUATION | CJK_PUNCTUATION if has_cjk else PUNCTUATION
    text = "".join(character for character in text.lower() if character not in ignored)
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join((CJK.sub(r" \1 ", text) if has_cjk else text).split())


def exact_match(guess: str, answer: str) -> float:
    """Return 1 if the normalised texts are equal, otherwise 0."""
    return float(normalize(guess) == normalize(answer))


def f1(guess: str, answer: str) -> float:
    """Return the harmonic mean of word precision and recall; if one side is empty, 1 if both are."""
    guessed, gold = normalize(guess).split(), normalize(answer).split()
    if not guessed or not gold:
        return float(guessed == gold)
    same = sum((Counter(guessed) & Counter(gold)).values())
    return 2 * same / (len(guessed) + len(gold)) if same else 0.0


def best(metric: Callable[[str, str], float], guess: str, answers: Sequence[str]) -> float:
    """Return the best match with any reference; references that normalise to nothing count as an empty answer."""
    answers = [answer for answer in answers if normalize(answer)] or [""]
    return max(metric(guess, answer) for answer in answers)


def score_question(
    guess: str, best_text: str, answers: Sequence[str], null_score: float
) -> tuple[QuestionScore, QuestionScore]:
    """Return the score of the guess, and the score that the best text would have got as the answer."""
    return tuple(
        QuestionScore(best(exact_match, text, answers), best(f1, text, answers), bool(answers), null_score, not text)
        for text in (guess, best_text)
    )  # type: ignore[return-value]


def squad_scores(given: Sequence[QuestionScore], forced: Sequence[QuestionScore]) -> dict[str, float]:
    """Return exact and f1 in percent; if some questions have no answer, also by kind and at the best thresholds."""
    scores = averages(given, "")
    if all(one.answerable for one in given):
        return scores
    scores |= averages([one for one in given if one.answerable], "has_answer_")
    scores |= averages([one for one in given if not one.answerable], "no_answer_")
    for name in ("exact", "f1"):
        value, threshold = best_threshold([(one.null_score, gain(one, name), one.answerable) for one in forced])
        scores |= {f"best_{name}": value, f"best_{name}_threshold": threshold}
    return scores


def averages(scored: Sequence[QuestionScore], prefix: str) -> dict[str, float]:
    """Return exact and f1 in percent."""
    count = max(1, len(scored))
    return {
        f"{prefix}exact": 100 * sum(one.exact for one in scored) / count,
        f"{prefix}f1": 100 * sum(one.f1 for one in scored) / count,
    }


def gain(one: QuestionScore, metric: str) -> float:
    """Return how much more the best text scores than no answer."""
    earned: float = getattr(one, metric)
    return earned if one.answerable else float(one.is_empty) - 1.0


def best_threshold(answers: Sequence[tuple[float, float, bool]]) -> tuple[float, float]:
    """Return the best score in percent and the null score above which to give no answer (`find_best_thresh`)."""
    current = highest = float(sum(not answerable for *_, answerable in answers))
    threshold = 0.0
    for null_score, earned, _ in sorted(answers, key=lambda answer: answer[0]):
        current += earned
        if current > highest:
            highest, threshold = current, null_score
    return 100 * highest / len(answers), threshold
