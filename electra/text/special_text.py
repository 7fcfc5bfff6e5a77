"""Read a literal "<s>" or "[MASK]" in a text as its characters, also where the model has an entry of that spelling.

The cut is part of the pre-tokeniser, so `tokenizer.json` carries it to every other runtime.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from electra.text.steps import with_step, without_step

START, END = r"(?<![\s\S])", r"(?![\s\S])"  # of a word; JavaScript has no \A and \z


def cut_special_text(backend: Tokenizer, tokens: Sequence[str]) -> None:
    """Let a backend cut the spelling of each special token that its model would otherwise find in text.

    The backend must read special tokens as text (`encode_special_tokens`).
    """
    found = [pattern(backend, token, place_of_cut(backend, token)) for token in tokens if is_found(backend, token)]
    if found:
        cut = pre_tokenizers.Split(Regex("|".join(found)), "merged_with_previous")
        backend.pre_tokenizer = with_step(backend.pre_tokenizer, cut)


def without_special_cut(backend: Tokenizer, tokens: Sequence[str]) -> pre_tokenizers.PreTokenizer | None:
    """Return the pre-tokeniser of a backend as it was before `cut_special_text`."""
    return without_step(backend.pre_tokenizer, lambda step: is_cut(step, backend, tokens))


def is_cut(step: dict[str, Any], backend: Tokenizer, tokens: Sequence[str]) -> bool:
    """Return whether a step of a pre-tokeniser is a cut of special tokens."""
    patterns = [pattern(backend, token, place) for token in tokens for place in range(1, len(token))]
    one = "|".join(map(re.escape, patterns))
    if step["type"] != "Split" or step["behavior"] != "MergedWithPrevious":
        return False
    return re.fullmatch(rf"({one})(\|({one}))*", step["pattern"].get("Regex", "")) is not None


def is_found(backend: Tokenizer, token: str) -> bool:
    """Return whether the model reads a token's spelling, alone or in a text, as one token with its id."""
    number = backend.token_to_id(token)
    encodings = [
        (text, backend.encode(text, add_special_tokens=False)) for text in (token, f"a {token} a", f"a{token}a")
    ]
    return is_found_whole(backend, token) or any(
        found == number and text[start:end].strip() == token
        for text, encoding in encodings
        for found, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
    )


def is_found_whole(backend: Tokenizer, token: str) -> bool:
    """Return whether the model reads a word of a token's spelling as the token, and the steps before may leave it one.

    A text does not show it where only a piece of the user's, beside which words are cut, makes it a word.
    """
    normalised = backend.normalizer.normalize_str(token) if backend.normalizer else token
    before = backend.pre_tokenizer
    words = [word for word, _ in before.pre_tokenize_str(normalised)] if before else [normalised]
    is_left = any(token in word for word in words)
    return is_left and [piece.id for piece in backend.model.tokenize(token)] == [backend.token_to_id(token)]


def place_of_cut(backend: Tokenizer, token: str) -> int:
    """Return where to cut a spelling: beside a character that the vocabulary lacks, as no other piece spans it."""
    is_known = [backend.model.token_to_id(character) is not None for character in token]
    return next((place for place, (a, b) in enumerate(pairwise(is_known), 1) if a != b), 1)


def pattern(backend: Tokenizer, token: str, place: int) -> str:
    """Return the expression of a cut, where the model finds entries.

    Unigram finds them anywhere in a word, WordPiece at its start; others take a whole word.
    """
    start = "" if type(backend.model) is models.Unigram else START
    end = "" if type(backend.model) in (models.Unigram, models.WordPiece) else END
    return f"{start}{re.escape(token[:place])}(?={re.escape(token[place:])}{end})"
