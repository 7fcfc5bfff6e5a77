"""Extend a vocabulary by words and pieces that it splits in a new text; its own entries keep their ids.

Merges are learned over the vocabulary's own pieces, as byte-pair encoding learns them over characters, so a new entry
is a run of pieces that the text had in its place.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from electra.text.pieces import SPACE_MARKS
from electra.text.sentence_pieces import NEVER_READ
from electra.text.tokenizer import Tokenizer

PIECE = 0x10000  # in training, the character PIECE + n stands for id n; none of these is white space
MOST_ENTRIES = 0x110000 - PIECE
FEWEST = 5  # occurrences of an entry; a rarer one would hardly be trained
SURPLUS = 3  # entries learned for each one kept, where entries can be left out
ROUNDS = 4  # in which those are left out that save the fewest pieces
PORTION = 1 << 20  # pieces in a string of training text, at most

Pieces = tuple[int, ...]
Cuts = Mapping[str, Pieces]  # the pieces of each word


class Merge(NamedTuple):
    """Two neighbours that become one entry, each a piece or an earlier merge."""

    left: Pieces
    right: Pieces

    @property
    def pieces(self) -> Pieces:
        """The run of pieces that the entry replaces."""
        return self.left + self.right


class Split(NamedTuple):
    """How a vocabulary splits the words of a text, each counted as often as it occurs."""

    pieces_per_word: float
    share_split: float  # of the words, those with more than one piece


class Extension(NamedTuple):
    """A tokeniser with new entries, and how the words of their text are split without and with them."""

    tokenizer: Tokenizer
    entries: list[str]
    before: Split
    after: Split


def extend(tokenizer: Tokenizer, lines: Iterable[str], count: int) -> Extension:
    """Learn at most `count` entries from lines of text, and add them behind those of a tokeniser.

    Raises:
        ValueError: the tokeniser cannot be extended, or splits no word often enough.
    """
    kind = require_extensible(tokenizer)
    words = count_words(tokenizer, lines)
    before = cuts(tokenizer, words)
    merges = learn(tokenizer, words, before, count if kind is models.BPE else SURPLUS * count)
    if kind is not models.BPE:  # whose merges need those that they are made of
        merges = most_useful(tokenizer, words, before, merges, count)
    if not merges:
        raise ValueError(
            f"the vocabulary splits no word that occurs {FEWEST} times or more; leave out --extend, or give more text"
        )
    extended = with_merges(tokenizer, merges, words, before)
    added = extended.backend.get_vocab().keys() - tokenizer.backend.get_vocab(with_added_tokens=True).keys()
    entries = [
        entry for entry in dict.fromkeys(spelling(tokenizer, merge.pieces) for merge in merges) if entry in added
    ]
    return Extension(extended, entries, measure(words, before), measure(words, cuts(extended, words)))


def require_extensible(tokenizer: Tokenizer) -> type:
    """Return the class of the tokeniser's model; ValueError if it cannot be extended."""
    kind = type(tokenizer.backend.model)
    if kind not in WRITERS:
        raise ValueError(
            f"a {kind.__name__} vocabulary cannot be extended, only WordPiece, BPE and Unigram; leave out --extend"
        )
    if tokenizer.vocab_size > MOST_ENTRIES:
        raise ValueError(f"a vocabulary of {tokenizer.vocab_size:,} entries is too large to be extended")
    return kind


# -- words -------------------------------------------------------------------------------------------------------------


def count_words(tokenizer: Tokenizer, lines: Iterable[str]) -> Counter[str]:
    """Count the words that have letters, as the tokeniser's model reads them: normalised, after a space."""
    written = Counter(word for line in lines for word in line.split())
    normalizer, pre_tokenizer = tokenizer.backend.normalizer, tokenizer.backend.pre_tokenizer
    words: Counter[str] = Counter()
    for word, times in written.items():
        text = normalizer.normalize_str(" " + word) if normalizer else " " + word
        parts = [part for part, _ in pre_tokenizer.pre_tokenize_str(text)] if pre_tokenizer else [text]
        for part in parts:
            if any(character.isalpha() for character in part.lstrip("".join(SPACE_MARKS))):
                words[part] += times
    return words


def cuts(tokenizer: Tokenizer, words: Iterable[str]) -> dict[str, Pieces]:
    """Return the pieces of each word."""
    model = tokenizer.backend.model
    return {word: tuple(token.id for token in model.tokenize(word)) for word in words}


def measure(words: Mapping[str, int], pieces: Cuts) -> Split:
    """Measure how words are split."""
    total = max(1, sum(words.values()))
    several = sum(times for word, times in words.items() if len(pieces[word]) > 1)
    return Split(sum(times * len(pieces[word]) for word, times in words.items()) / total, several / total)


# -- learning ----------------------------------------------------------------------------------------------------------


def learn(tokenizer: Tokenizer, words: Mapping[str, int], pieces: Cuts, count: int) -> list[Merge]:
    """Return at most `count` merges, in the order in which byte-pair encoding makes them."""
    text = {
        "".join(chr(PIECE + n) for n in pieces[word]): times
        for word, times in words.items()
        if len(pieces[word]) > 1 and tokenizer.unk_id not in pieces[word]
    }
    alphabet = sorted(set().union(*text))
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + count, initial_alphabet=alphabet, min_frequency=FEWEST, show_progress=False
    )
    backend.train_from_iterator(repeated(text), trainer)
    merges = json.loads(backend.to_str())["model"]["merges"]
    return [Merge(*(tuple(ord(c) - PIECE for c in part) for part in merge)) for merge in merges]


def repeated(text: Mapping[str, int]) -> Iterator[str]:
    """Yield each word as often as it occurs: the trainer does its own counting."""
    for word, times in text.items():
        most = max(1, PORTION // len(word))
        for done in range(0, times, most):
            yield " ".join([word] * min(most, times - done))


def most_useful(
    tokenizer: Tokenizer, words: Mapping[str, int], pieces: Cuts, merges: list[Merge], count: int
) -> list[Merge]:
    """Keep the merges that save the most pieces: many of them only lead to longer ones."""
    step = max(1, (len(merges) - count) // ROUNDS)
    split_words = {word: times for word, times in words.items() if len(pieces[word]) > 1}
    while len(merges) > count:
        extended = with_merges(tokenizer, merges, words, pieces)
        used: Counter[int] = Counter()
        for word, after in cuts(extended, split_words).items():
            used.update(dict.fromkeys(after, words[word]))
        vocabulary = extended.backend.get_vocab()
        ids = [vocabulary[spelling(tokenizer, merge.pieces)] for merge in merges]
        saved = [used[n] * (len(merge.pieces) - 1) for n, merge in zip(ids, merges, strict=True)]
        best = sorted(range(len(merges)), key=lambda n: -saved[n])[: max(count, len(merges) - step)]
        merges = [merges[n] for n in sorted(best)]
    return merges


# -- the extended tokeniser --------------------------------------------------------------------------------------------


def with_merges(tokenizer: Tokenizer, merges: Sequence[Merge], words: Mapping[str, int], pieces: Cuts) -> Tokenizer:
    """Return the tokeniser with an entry for each merge; ValueError if an old entry cannot keep its id."""
    content = json.loads(tokenizer.backend.to_str())
    write = WRITERS[type(tokenizer.backend.model)]
    write(content["model"], tokenizer, merges, frequencies(merges, words, pieces))
    extended = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(content)), tokenizer.roles)
    before, after = (each.backend.get_vocab(with_added_tokens=True) for each in (tokenizer, extended))
    moved = sorted(token for token, number in before.items() if after.get(token) != number)
    if moved:
        raise ValueError(f"this vocabulary cannot be extended: {moved[0]!r} would get another id; leave out --extend")
    return extended


def spelling(tokenizer: Tokenizer, pieces: Pieces) -> str:
    """Return the spelling of neighbouring pieces together: pla, ##ce, ##bo -> placebo."""
    prefix = getattr(tokenizer.backend.model, "continuing_subword_prefix", None) or ""
    first, *rest = (str(tokenizer.backend.id_to_token(n)) for n in pieces)
    return first + "".join(piece.removeprefix(prefix) for piece in rest)


def frequencies(merges: Sequence[Merge], words: Mapping[str, int], pieces: Cuts) -> dict[Pieces, float]:
    """Return how often the run of pieces of each merge occurs, as a share of all pieces."""
    counts: Counter[Pieces] = Counter(dict.fromkeys((merge.pieces for merge in merges), 1))
    longest = max((len(run) for run in counts), default=0)
    for word, times in words.items():
        of_word = pieces[word]
        for start in range(len(of_word)):
            for end in range(start + 2, min(len(of_word), start + longest) + 1):
                if of_word[start:end] in counts:
                    counts[of_word[start:end]] += times
    total = sum(times * len(pieces[word]) for word, times in words.items())
    return {run: times / total for run, times in counts.items()}


def write_wordpiece(model: dict[str, Any], tokenizer: Tokenizer, merges: Sequence[Merge], _: Any) -> None:
    """Add entries to a vocabulary; tokens that had been added to it before keep their ids as a part of it."""
    vocabulary = model["vocab"] = tokenizer.backend.get_vocab(with_added_tokens=True)
    following = tokenizer.vocab_size
    for merge in merges:
        entry = spelling(tokenizer, merge.pieces)
        if entry not in vocabulary:
            vocabulary[entry] = following
            following += 1


def write_bpe(model: dict[str, Any], tokenizer: Tokenizer, merges: Sequence[Merge], shares: Any) -> None:
    """Add entries, and their merges behind the old ones, so that a word is cut as before and its pieces then joined."""
    write_wordpiece(model, tokenizer, merges, shares)
    model["merges"] += [[spelling(tokenizer, merge.left), spelling(tokenizer, merge.right)] for merge in merges]


def write_unigram(
    model: dict[str, Any], tokenizer: Tokenizer, merges: Sequence[Merge], shares: Mapping[Pieces, float]
) -> None:
    """Add entries with the logarithm of their share, as those that a Unigram model is trained with have."""
    known = {entry for entry, _ in model["vocab"]}
    added = sorted((number, token) for token, number in tokenizer.backend.get_vocab().items() if token not in known)
    model["vocab"] += [[token, NEVER_READ] for _, token in added]  # with their ids, before the new entries
    scores = {spelling(tokenizer, merge.pieces): round(math.log(shares[merge.pieces]), 6) for merge in merges}
    model["vocab"] += [[entry, score] for entry, score in scores.items() if entry not in known]


WRITERS = {models.WordPiece: write_wordpiece, models.BPE: write_bpe, models.Unigram: write_unigram}
