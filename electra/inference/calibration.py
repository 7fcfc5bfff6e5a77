"""Calibrate the detection threshold on error-free text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from electra.config import DetectConfig, require
from electra.core.log import logger
from electra.core.storage import read_json, write_json
from electra.inference.words import Word

MIN_MARKS = 5  # fewest marked words that determine a threshold


def calibrate(config: DetectConfig, words: Sequence[Word]) -> None:
    """Store the threshold that marks the wanted share of `words`, which come from error-free text."""
    threshold = threshold_for(words, config.marks_per_100)
    folder = Path(config.model)
    path = (folder / "model" if (folder / "model" / "config.json").exists() else folder) / "config.json"
    write_json(path, read_json(path) | {"detection_threshold": threshold})
    marked = sum(word.is_marked(threshold) for word in words)
    count = f"{marked} of {sum(map(is_counted, words)):,} words in {config.calibrate}"
    logger.info(f"{config.model}: threshold {threshold:.4f} marks {count}")


def threshold_for(words: Sequence[Word], marks_per_100: float) -> float:
    """Return the lowest threshold that marks at most `marks_per_100` of 100 clean words, not counting punctuation."""
    scores = sorted((word.replaced for word in words if not word.exempt), reverse=True)
    allowed = int(sum(map(is_counted, words)) * marks_per_100 / 100)
    require(
        allowed >= MIN_MARKS,
        f"too little text: {marks_per_100:g} marks in 100 words take {MIN_MARKS * 100 / marks_per_100:,.0f} words; "
        "give a longer one, or raise --marks-per-100",
    )
    return min(1.0, math.nextafter(scores[allowed], 2.0)) if allowed < len(scores) else 0.0


def is_counted(word: Word) -> bool:
    """Return whether a word is one of the 100: no punctuation."""
    return any(c.isalnum() for c in word.text)
