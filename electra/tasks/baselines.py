"""Baselines of tasks that need no network: TF-IDF for labels, word overlap for questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from electra.tasks.examples import Example, Predictions
from electra.tasks.squad_metric import CJK, CJK_CHARACTERS

PIECE = re.compile(rf"[{CJK_CHARACTERS}]|[^\s{CJK_CHARACTERS}]+")


def tfidf_predictions(train: Sequence[Example], examples: Sequence[Example]) -> Predictions:
    """Predict labels by logistic regression on words and word pairs of each text, and words that two texts share."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(analyzer=grams, sublinear_tf=True, min_df=1),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    model.fit([e.texts for e in train], [e.label for e in train])
    guesses = model.predict([e.texts for e in examples])
    return [{"id": e.id, "label": str(label)} for e, label in zip(examples, guesses, strict=True)]


def grams(texts: tuple[str, ...]) -> list[str]:
    """Return the words and word pairs of each text, under the text's number, and the words that both texts have."""
    words = [words_in(text) for text in texts]
    found = [f"{n}:{gram}" for n, w in enumerate(words) for gram in (*w, *(f"{a} {b}" for a, b in pairwise(w)))]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    return [*found, *(f"both:{word}" for word in sorted(shared))]


def no_answer(example: Example) -> dict[str, Any]:
    """Predict that a question has no answer."""
    return {"id": example.id, "answer": "", "start": None, "end": None, "best_answer": "", "null_score": 1.0}


def word_overlap(example: Example) -> dict[str, Any]:
    """Answer with the longest run of words not in the question, from the sentence that shares most words with it."""
    question, context = example.texts
    query = set(words_in(question))
    sentences = list(re.finditer(r"[^.!?。！？]+[.!?。！？]*", context)) or list(re.finditer(r"(?s).+", context))
    best = max(sentences, key=lambda sentence: len(query.intersection(words_in(sentence[0]))))
    held: list[re.Match[str]] = []
    longest: list[re.Match[str]] = []
    for word in PIECE.finditer(context, *best.span()):
        held = [] if query.intersection(words_in(word[0])) else [*held, word]
        longest = max(longest, held, key=len)
    start, end = (longest[0].start(), longest[-1].end()) if longest else best.span()
    answer = context[start:end].strip(" ,.;:!?，。；：！？、")
    return {"id": example.id, "answer": answer, "start": start, "end": end, "best_answer": answer, "null_score": 0.0}


def words_in(text: str) -> list[str]:
    """Return the words in lower case; each Chinese, Japanese or Korean character is a word."""
    return re.findall(r"\w+", CJK.sub(r" \1 ", text.lower()))
