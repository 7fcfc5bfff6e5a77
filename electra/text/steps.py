"""Append a step to a pre-tokeniser, and take it off again; the library writes a sequence of sequences as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tokenizers import Regex, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer

NOWHERE = "(?!)"  # a step that cuts nothing, behind the only step of a sequence: it comes off as a sequence again


def with_step(before: PreTokenizer | None, step: PreTokenizer) -> PreTokenizer:
    """Return a pre-tokeniser that ends with a step."""
    if before is None:
        return step
    alone = [pre_tokenizers.Split(Regex(NOWHERE), "isolated")] if is_sequence_of_one(before) else []
    return pre_tokenizers.Sequence([before, *alone, step])


def without_step(now: PreTokenizer | None, is_step: Callable[[dict[str, Any]], bool]) -> PreTokenizer | None:
    """Return a pre-tokeniser without its last step, if that, as tokenizer.json has it, is the one."""
    if now is None:
        return None
    written = json.loads(now.__getstate__())
    if not isinstance(now, pre_tokenizers.Sequence):
        return None if is_step(written) else now
    steps = written["pretokenizers"]
    if not steps or not is_step(steps[-1]):
        return now
    rest = [now[n] for n in range(len(steps) - 1)]
    if len(rest) == 2 and steps[1].get("pattern") == {"Regex": NOWHERE}:
        return pre_tokenizers.Sequence(rest[:1])
    return rest[0] if len(rest) == 1 else pre_tokenizers.Sequence(rest)


def is_sequence_of_one(steps: PreTokenizer) -> bool:
    """Return whether a pre-tokeniser is a sequence of a single step, as DeBERTa's is."""
    return isinstance(steps, pre_tokenizers.Sequence) and len(json.loads(steps.__getstate__())["pretokenizers"]) == 1
