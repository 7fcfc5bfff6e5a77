"""Append a step to a pre-tokeniser, and take it off again; the library writes a sequence of sequences as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tokenizers import pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer


def with_step(before: PreTokenizer | None, step: PreTokenizer) -> PreTokenizer:
    """Return a pre-tokeniser that ends with a step."""
    return step if before is None else pre_tokenizers.Sequence([before, step])


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
    return rest[0] if len(rest) == 1 else pre_tokenizers.Sequence(rest)
