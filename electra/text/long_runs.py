"""Cut runs of text without a blank into pieces that a WordPiece model reads; it gives up on a longer word.

The cut is part of the pre-tokeniser, so `tokenizer.json` carries it to every other runtime. Offsets stay exact.
"""

from __future__ import annotations

import json

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from electra.text.steps import with_step, without_step

MARKS = 16  # characters before the limit within which the cut avoids a combining mark


def without_cut(backend: Tokenizer) -> pre_tokenizers.PreTokenizer | None:
    """Return the pre-tokeniser of a backend as it was before `cut_long_runs`."""
    if type(backend.model) is not models.WordPiece:
        return backend.pre_tokenizer
    cut = json.loads(cut_of(backend).__getstate__())
    return without_step(backend.pre_tokenizer, lambda step: step == cut)


def cut_long_runs(backend: Tokenizer) -> None:
    """Let a WordPiece backend cut words above its limit, max_input_chars_per_word, instead of losing them as [UNK]."""
    if type(backend.model) is models.WordPiece:
        backend.pre_tokenizer = with_step(without_cut(backend), cut_of(backend))


def cut_of(backend: Tokenizer) -> pre_tokenizers.Split:
    """Return the pre-tokeniser that isolates pieces of the limit's length, and keeps a mark with its letter."""
    longest = backend.model.max_input_chars_per_word
    fewest = max(1, longest - MARKS)
    return pre_tokenizers.Split(Regex(rf"[\s\S]{{{fewest},{longest}}}(?!\p{{M}})|[\s\S]{{{longest}}}"), "isolated")
