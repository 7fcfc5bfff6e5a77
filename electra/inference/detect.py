"""Detect: mark the words of texts that look replaced, and suggest others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from electra.config import DetectConfig, require
from electra.core.html import page
from electra.core.log import logger, tracked
from electra.core.storage import require_place, write_atomically
from electra.inference.box import is_box, model_and_texts
from electra.inference.calibration import calibrate
from electra.inference.detector import Detector
from electra.inference.documents import detect_document
from electra.inference.fixing import fix
from electra.inference.load import load
from electra.inference.marked_text import MarkedText, marked_html
from electra.inference.words import Word
from electra.text.sources import document_of, read_text


def detect(config: DetectConfig) -> Iterator[MarkedText]:
    """Yield each file, or standard input, with its words marked; write `config.html` after the last."""
    name, files = model_and_texts([config.model, *config.files])
    if config.html:
        require_place(Path(config.html))
    require(
        not (config.calibrate and is_box(name)),
        "--calibrate stores a threshold with a model of yours; for the one in the box use --threshold",
    )
    model = load(name)
    if not isinstance(model, Detector):
        raise ValueError(f"{name} is not a discriminator, which finds wrong words; name a pre-trained run")
    if config.calibrate:
        calibrate(config, model.detect(read_text(config.calibrate), 1.0, 0))
        return
    require(
        not config.fix or model.candidates is not None,
        f"{name} has no dictionary, so none of its suggestions is sure enough for --fix; leave it out",
    )
    threshold = model.threshold if config.threshold is None else config.threshold
    model.progress = sys.stderr.isatty()
    pages = []
    for name in tracked(files, len(files), "files") if model.progress else files:
        text = read_text(name, "utf-8" if config.fix else "utf-8-sig")  # a diff is of all that the file holds
        require(
            not (config.fix and name != "-" and document_of(Path(name)) is not None),
            f"{name} is no plain text, which --fix needs for its diff; leave --fix out",
        )
        marked = marked_in(model, name, text, threshold, config)
        yield marked
        pages.append(f"<h2>{escape(name)}</h2>{marked_html(marked.text, marked.words, threshold)}")
    if config.html:
        with write_atomically(Path(config.html), "w") as file:
            file.write(page("Words that look replaced", "".join(pages)))
        logger.info(f"wrote {config.html}")


def marked_in(model: Detector, name: str, text: str, threshold: float, config: DetectConfig) -> MarkedText:
    """Return the text of a file with its words marked, after it has been fixed if so configured."""

    def words_of(text: str) -> list[Word]:
        return detect_document(model, name, text, threshold, config.suggestions)

    if not config.fix or model.candidates is None:
        return MarkedText(name, text, words_of(text), threshold)
    fixed, words = fix(text, words_of, threshold, model.candidates.language.twice)
    return MarkedText(name, fixed, words, threshold, given=text)
