"""Cut runs of text without a blank into pieces that a WordPiece model reads; it gives up on a longer word.

The cut is part of the pre-tokeniser, so `tokenizer.json` carries it to every other runtime. Offsets stay exact.
"""

from __future__ import annotations

import json

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

MARKS = 16  # characters before the limit within which the cut avoids a combining mark


def without_cut(backend: Tokenizer) -> pre_tokenizers.PreTokenizer | None:
    """Return the pre-tokeniser of a backend as it was before `cut_long_runs`."""
    now = backend.pre_tokenizer
    if type(backend.model) is not models.WordPiece or now is None:
        return now
    written, cut = json.loads(now.__getstate__()), json.loads(cut_of(backend).__getstate__())
    if written == cut:
        return None
    is_cut = written["type"] == "Sequence" and len(written["pretokenizers"]) == 2 and written["pretokenizers"][1] == cut
    return now[0] if is_cut else now


def cut_long_runs(backend: Tokenizer) -> None:
    """Let a WordPiece backend cut words above its limit, max_input_chars_per_word, instead of losing them as [UNK]."""
    if type(backend.model) is models.WordPiece:
        before, cut = without_cut(backend), cut_of(backend)
        backend.pre_tokenizer = cut if before is None else pre_tokenizers.Sequence([before, cut])


def cut_of(backend: Tokenizer) -> pre_tokenizers.Split:
    """Return the pre-tokeniser that isolates pieces of the limit's length, and keeps a mark with its letter."""
    longest = backend.model.max_input_chars_per_word
    fewest = max(1, longest - MARKS)
    return pre_tokenizers.Split(Regex(rf"[\s\S]{{{fewest},{longest}}}(?!\p{{M}})|[\s\S]{{{longest}}}"), "isolated")
