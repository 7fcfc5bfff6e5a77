"""Detect replaced words in texts of any length, and suggest others.

V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from electra.inference.candidates import Candidates, Neighbourhood
from electra.inference.embedder import Embedder
from electra.inference.marked_text import Words
from electra.inference.model import Model, by_length
from electra.inference.reading import Paragraph, Reading, exempt_foreign, paragraphs_of
from electra.inference.sessions import Array, Session
from electra.inference.suggestions import Place, Ranking, Suggested
from electra.inference.words import Word
from electra.text.dictionary import Dictionary
from electra.text.evidence import Evidence
from electra.text.labels import sigmoid
from electra.text.pieces import SPACE_MARKS, Span, exempt_words, is_mark, spans_in_text, word_probability
from electra.text.tokenizer import Tokenizer
from electra.text.words import fit_case, likeliest_meant

SPACE = re.compile(r"\s")
CANDIDATES = 128  # tokens the generator may propose for a word, including pieces of words
KNOWN = 20_000  # places whose suggestions are remembered


class Query(NamedTuple):
    """A text to detect wrong words in."""

    text: str
    threshold: float
    suggestions: int
    most: int | None = None  # marked words that get suggestions, the most probable first; None: all


class Detector(Embedder):
    """A discriminator, which marks words that look replaced, and its generator, which proposes others.

    Section 2 of the paper has both; there the generator is thrown away after pre-training.

    generator: None if there is none. threshold: words at or above this probability are marked. dictionary: words of the
    training text, for suggestions; without it they are the generator's alone. evidence: what the dictionary adds to the
    network's odds.
    """

    def __init__(
        self,
        session: Session,
        tokenizer: Tokenizer,
        longest: int,
        generator: Session | None = None,
        threshold: float = 0.5,
        format: str = "torch",
        dictionary: Dictionary | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        super().__init__(session, tokenizer, longest, format)
        self.generator, self.threshold, self.evidence = generator, threshold, evidence
        self.candidates = Candidates(dictionary) if dictionary else None

    def detect(self, text: str, threshold: float | None = None, suggestions: int = 3) -> Words:
        """Return the words of `text`, each with its replacement probability and suggestions; `.marked`: the wrong ones.

        `text` may be of any length: long ones are read in windows that overlap by half. Words at or above `threshold`
        (a probability; default: the model's own) get at most `suggestions` other words, if the model has a generator.

        Raises:
            ValueError: the text holds half a surrogate pair, so it is no valid Unicode.
        """
        threshold = self.threshold if threshold is None else threshold
        return Words(detect_texts(self, [Query(text, threshold, suggestions)])[0], text, threshold)

    @property
    def language(self) -> str:
        """The name of the language that the model knows, as far as its lists go."""
        return "English" if self.candidates and self.candidates.language.articles else "the language of the model"

    def replaced(self, rows: Sequence[Sequence[int]]) -> list[Array]:
        """Return the probability that each token was replaced: for each row of ids, special ones too, float [L]."""
        return [sigmoid(logits) for logits in self.run(rows, "logits")]

    def propose(self, rows: Sequence[Sequence[int]], positions: Sequence[int], count: int) -> NDArray[np.int64]:
        """Return the `count` ids the generator finds likeliest at one position of each row, best first: [rows, count].

        Raises:
            ValueError: the model has no generator.
        """
        if self.generator is None:
            raise ValueError("this model has no generator, so it cannot suggest words; ask for 0 suggestions")
        best = np.empty((len(rows), count), np.int64)
        for group in by_length(rows):
            where = np.array([positions[n] for n in group], np.int64)[:, None]
            (logits,) = self.generator(self.pad([rows[n] for n in group]) | {"positions": where}, ("logits",))
            best[group] = likeliest(logits.reshape(len(group), -1), count)
        return best


def likeliest(logits: Array, count: int) -> Array:
    """Return the indices of the `count` largest logits, the largest first: [B, V] -> [B, count]."""
    best = np.argpartition(logits, -count, -1)[:, -count:]  # sorting the whole vocabulary would take far longer
    order = np.argsort(-np.take_along_axis(logits, best, -1), -1, kind="stable")
    return np.take_along_axis(best, order, -1)


# -- words -------------------------------------------------------------------------------------------------------------


def detect_texts(model: Detector, queries: Sequence[Query], reading: Reading | None = None) -> list[list[Word]]:
    """Detect words in several texts in shared batches, each text independently of the others.

    Each paragraph is judged by itself: what stands in another does not make a word wrong.

    reading: the texts belong to one document. Words between the same neighbours get the suggestions of the first.
    """
    parts = [part for number, query in enumerate(queries) for part in paragraphs_of(number, query.text)]
    encodings = [encode(model, part.text) for part in parts]
    spans = [spans_in_text(part.text, e) for part, e in zip(parts, encodings, strict=True)]
    rows = [e.ids for e in encodings]  # rebuilt on every access, so read it once
    scores = token_scores(model, rows)
    texts = [part.text for part in parts]
    found = [words_of(model, *each) for each in zip(texts, encodings, spans, scores, strict=True)]
    if model.candidates:
        exempt_foreign(parts, found, model.candidates.dictionary, reading)
    if model.generator is not None:
        wanted = wanting(queries, parts, found)
        places = [Place(parts[n].text, rows[n], spans[n], i) for n, i in wanted]
        others = suggest_once(model, places, reading.suggestions) if reading else suggest(model, places)
        for (n, i), (best, certainty) in zip(wanted, others, strict=True):
            few = tuple(best[: queries[parts[n].number].suggestions])
            found[n][i] = found[n][i]._replace(suggestions=few, certainty=certainty)
    joined: list[list[Word]] = [[] for _ in queries]
    for part, words in zip(parts, found, strict=True):
        joined[part.number] += [word.moved(part.start) for word in words]
    return joined


def encode(model: Detector, text: str) -> Encoding:
    """Return the tokens of a text."""
    # Training text has no line breaks or tabs; replacing each by one space keeps the offsets.
    return model.tokenizer.encode(SPACE.sub(" ", text))


def words_of(model: Detector, text: str, encoding: Encoding, spans: list[Span], scores: list[float]) -> list[Word]:
    """Return the words of a text with their probabilities, without suggestions."""
    free = exempt_words(text, encoding, spans, model.tokenizer.unk_id)
    words = [text[s.start : s.end] for s in spans]
    found: Sequence[float] = [word_probability(scores[s.first : s.last + 1]) for s in spans]
    if model.evidence:
        found = model.evidence.probabilities(text, [(s.start, s.end) for s in spans], found).tolist()
    return [Word(w, s.start, s.end, p, (), f) for w, s, p, f in zip(words, spans, found, free, strict=True)]


def wanting(queries: Sequence[Query], parts: Sequence[Paragraph], found: Sequence[list[Word]]) -> list[tuple[int, int]]:
    """Return which words get suggestions, each by its paragraph and its number there."""
    marked: list[list[tuple[float, int, int]]] = [[] for _ in queries]
    for n, part in enumerate(parts):
        query = queries[part.number]
        for i, word in enumerate(found[n]):
            if query.suggestions and word.is_marked(query.threshold):
                marked[part.number].append((-word.replaced, n, i))
    chosen = (sorted(there)[: query.most] for query, there in zip(queries, marked, strict=True))
    return sorted((n, i) for there in chosen for _, n, i in there)


def token_scores(model: Detector, rows: list[list[int]]) -> list[list[float]]:
    """Return each token's probability, from the window in which the token is furthest from an edge."""
    windows = [
        (number, start, window) for number, ids in enumerate(rows) for start, window in cut(ids, model.longest - 2)
    ]
    windows.sort(key=lambda each: len(each[2]))  # at equal distance the shorter window decides
    scores = [[0.0] * len(ids) for ids in rows]
    margins = [[-1] * len(ids) for ids in rows]
    found = model.replaced([model.row(window) for _, _, window in windows])
    for (number, start, window), probabilities in zip(windows, found, strict=True):
        for offset, p in enumerate(probabilities[1:-1].tolist()):
            left = len(rows[number]) if start == 0 else offset  # the start and end of the text are not edges
            right = len(rows[number]) if start + len(window) == len(rows[number]) else len(window) - 1 - offset
            if min(left, right) > margins[number][start + offset]:
                margins[number][start + offset], scores[number][start + offset] = min(left, right), p
    return scores


def cut(ids: list[int], size: int) -> list[tuple[int, list[int]]]:
    """Return windows of at most `size` ids that overlap by half, each with its start."""
    starts = range(0, len(ids) - size // 2, size // 2) if len(ids) > size else range(1)
    return [(start, ids[start : start + size]) for start in starts]


# -- suggestions -------------------------------------------------------------------------------------------------------


def suggest(model: Detector, places: Sequence[Place]) -> list[Suggested]:
    """Return other words for each place, none of them sure without a dictionary. The model must have a generator."""
    expected = expected_words(model, places)
    if model.candidates is None:
        others = (other_words(model, place.word(), words) for place, words in zip(places, expected, strict=True))
        return [Suggested(words, 0.0) for words in others]
    assert model.generator is not None
    generator = Model(model.generator, model.tokenizer, model.longest)
    return Ranking(model, generator, model.candidates).rank(places, expected)


def suggest_once(model: Detector, places: Sequence[Place], known: dict[Neighbourhood, Suggested]) -> list[Suggested]:
    """Return other words for each place, those of the first one for all with the same word and neighbours."""
    if len(known) > KNOWN:
        known.clear()
    firsts = {place.neighbourhood(): place for place in reversed(places)}
    new = {near: place for near, place in firsts.items() if near not in known}
    known.update(zip(new, suggest(model, list(new.values())), strict=True))
    return [known[place.neighbourhood()] for place in places]


def expected_words(model: Detector, places: Sequence[Place]) -> list[list[str]]:
    """Return the whole words that the generator prefers in each place, best first."""
    if not places:
        return []
    half = (model.longest - 3) // 2
    rows, positions = [], []
    for place in places:
        ids, (_, _, first, last) = place.ids, place.spans[place.number]
        left = ids[max(0, first - half) : first]
        rows.append(model.row([*left, model.tokenizer.mask_id, *ids[last + 1 : last + 1 + half]]))
        positions.append(len(left) + 1)
    best = model.propose(rows, positions, min(CANDIDATES, model.tokenizer.vocab_size))
    instead_of = [place.ids[place.spans[place.number].first] for place in places]
    return [
        [word for word in (whole_word(model, i, before) for i in row) if word]
        for row, before in zip(best.tolist(), instead_of, strict=True)
    ]


def whole_word(model: Detector, token_id: int, instead_of: int) -> str:
    """Return the token as a whole word, or '' if it is only a piece of one."""
    token, before = (model.tokenizer.backend.id_to_token(i) or "" for i in (token_id, instead_of))
    if token.startswith("##") or token.startswith(SPACE_MARKS) != before.startswith(SPACE_MARKS):
        return ""
    word: str = model.tokenizer.backend.decode([token_id]).strip()
    return word if word[:1].isalpha() and all(c.isalnum() or c in "'-" or is_mark(c) for c in word) else ""


def other_words(model: Detector, text: str, words: list[str]) -> list[str]:
    """Return the distinct `words` in the case of `text`, without those that the tokeniser cannot tell from it."""
    normalizer = model.tokenizer.backend.normalizer
    read = {(normalizer.normalize_str(text) if normalizer else text).lower(), text.lower()}
    return list(
        dict.fromkeys(fit_case(word, text) for word in likeliest_meant(words, text) if word.lower() not in read)
    )
