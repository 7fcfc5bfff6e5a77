"""What needs no network: answers to compare a model's with, so that a score says something."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from electra.finetuning.material import is_a
from electra.tasks import Example
from electra.tasks.base import require_labels
from electra.tasks.squad_metric import CJK, CJK_CHARACTERS

Predictions = list[dict[str, Any]]

PIECE = re.compile(rf"[{CJK_CHARACTERS}]|[^\s{CJK_CHARACTERS}]+")


def baseline_answers(
    name: str, train: Sequence[Example], examples: Sequence[Example], learned: bool = True
) -> list[tuple[str, Predictions]]:
    """What needs no network: the commonest answer, and for one label a text what can be `learned` from its words."""
    if not train:
        return []
    require_labels(train)
    if is_a(name, "qa"):
        silent = [("no answer", [no_answer(e) for e in examples])] if any(not e.label for e in train) else []
        return [*silent, ("word overlap", [overlapping(e) for e in examples])]
    found = [("majority", constant_answers(name, train, examples))]
    if learned and is_a(name, "classification") and len({e.label for e in train}) > 1:
        found.append(("tf-idf + logistic regression", tfidf_answers(train, examples)))
    return found


def constant_answers(name: str, train: Sequence[Example], examples: Sequence[Example]) -> Predictions:
    """The answer that needs no reading: the commonest label, the mean, each word's commonest tag."""
    if is_a(name, "regression"):
        mean = float(np.mean([e.label for e in train]))
        return [{"id": e.id, "score": mean} for e in examples]
    if is_a(name, "tagging"):
        by_word: dict[str, Counter[str]] = {}
        for e in train:
            for word, tag in zip(e.texts, e.label, strict=True):
                by_word.setdefault(word, Counter())[tag] += 1
        common = Counter(tag for e in train for tag in e.label).most_common(1)[0][0]
        best = {word: tags.most_common(1)[0][0] for word, tags in by_word.items()}
        return [{"id": e.id, "tags": [best.get(word, common) for word in e.texts]} for e in examples]
    if is_a(name, "multi_label"):
        labels = Counter(label for e in train for label in e.label)
        kept = [label for label, n in labels.items() if n > len(train) / 2]
        return [{"id": e.id, "labels": kept} for e in examples]
    label = Counter(e.label for e in train).most_common(1)[0][0]
    return [{"id": e.id, "label": label} for e in examples]


def tfidf_answers(train: Sequence[Example], examples: Sequence[Example]) -> Predictions:
    """Logistic regression on words and pairs of words; those of a second text are others, and shared ones a third."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(analyzer=grams, sublinear_tf=True, min_df=1),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    model.fit([e.texts for e in train], [e.label for e in train])
    return [
        {"id": e.id, "label": str(label)}
        for e, label in zip(examples, model.predict([e.texts for e in examples]), strict=True)
    ]


def grams(texts: tuple[str, ...]) -> list[str]:
    """Words and pairs of words of each text under the text's number, and the words both texts have."""
    words = [words_of(text) for text in texts]
    found = [f"{n}:{gram}" for n, w in enumerate(words) for gram in (*w, *(f"{a} {b}" for a, b in pairwise(w)))]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    return [*found, *(f"both:{word}" for word in sorted(shared))]


def no_answer(example: Example) -> dict[str, Any]:
    """The question left alone: right where the text does not say."""
    return {"id": example.id, "answer": "", "start": None, "end": None, "best_answer": "", "null_score": 1.0}


def overlapping(example: Example) -> dict[str, Any]:
    """The longest run of words that the question does not hold, in the sentence that shares most words with it."""
    question, context = example.texts
    asked = set(words_of(question))
    sentences = list(re.finditer(r"[^.!?。！？]+[.!?。！？]*", context)) or list(re.finditer(r"(?s).+", context))
    best = max(sentences, key=lambda sentence: len(asked.intersection(words_of(sentence[0]))))
    held: list[re.Match[str]] = []
    longest: list[re.Match[str]] = []
    for word in PIECE.finditer(context, *best.span()):
        held = [] if asked.intersection(words_of(word[0])) else [*held, word]
        longest = max(longest, held, key=len)
    start, end = (longest[0].start(), longest[-1].end()) if longest else best.span()
    answer = context[start:end].strip(" ,.;:!?，。；：！？、")
    return {"id": example.id, "answer": answer, "start": start, "end": end, "best_answer": answer, "null_score": 0.0}


def words_of(text: str) -> list[str]:
    """Words in lower case; a Chinese, Japanese or Korean character is one, as there are no blanks to go by."""
    return re.findall(r"\w+", CJK.sub(r" \1 ", text.lower()))
