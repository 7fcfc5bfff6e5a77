"""Normalise text: lower-case it, and strip accents or keep them."""

from __future__ import annotations

import json
from typing import Any

from tokenizers import Tokenizer, normalizers


def of_bert(lowercase: bool, strip_accents: bool | None = None) -> normalizers.Normalizer:
    """Return BERT's normaliser; unless told otherwise it strips accents if it lower-cases."""
    return normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)


def of_words(lowercase: bool, strip_accents: bool) -> normalizers.Normalizer:
    """Return the normaliser of a new WordPiece vocabulary.

    Where marks are kept, they are composed with their letters first: the same word may be written either way.
    """
    bert = of_bert(lowercase, strip_accents)
    return bert if strip_accents else normalizers.Sequence([normalizers.NFC(), bert])


def of_pieces(lowercase: bool, strip_accents: bool) -> normalizers.Normalizer:
    """Return the normaliser of a new Unigram vocabulary."""
    steps: list[normalizers.Normalizer] = [normalizers.NFKC()]
    steps += [normalizers.Lowercase()] if lowercase else []
    steps += [normalizers.NFD(), normalizers.StripAccents()] if strip_accents else []
    return normalizers.Sequence(steps)


def steps_of(backend: Tokenizer) -> list[dict[str, Any]]:
    """Return the steps of a backend's normaliser as in tokenizer.json."""
    whole = json.loads(backend.normalizer.__getstate__()) if backend.normalizer else None
    if whole is None:
        return []
    steps: list[dict[str, Any]] = whole["normalizers"] if whole["type"] == "Sequence" else [whole]
    return steps


def lowercases(backend: Tokenizer) -> bool:
    """Return whether a backend lower-cases text."""
    return any(step["type"] == "Lowercase" or step.get("lowercase") for step in steps_of(backend))


def strips_accents(backend: Tokenizer) -> bool:
    """Return whether a backend removes accents and other marks from text."""
    return any(step["type"] == "StripAccents" or strips_as_bert(step) for step in steps_of(backend))


def strips_as_bert(step: dict[str, Any]) -> bool:
    """Return whether a step is a BERT normaliser that strips accents."""
    stated = step.get("strip_accents")
    return step["type"] == "BertNormalizer" and bool(step["lowercase"] if stated is None else stated)
