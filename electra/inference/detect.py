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
from electra.inference.documents import detect_parts, fix_document
from electra.inference.load import load
from electra.inference.marked_text import MarkedText, Position, marked_html
from electra.text.lines import open_lines, read_text
from electra.text.sources import document_of


def detect(config: DetectConfig) -> Iterator[Iterator[MarkedText]]:
    """Yield the parts of each file, or of standard input, with their words marked, as they are read.

    The parts of a file must be taken before the next file. `config.html` is written after the last.
    """
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
    model.progress = sys.stderr.isatty()
    read, pages = fixed if config.fix else parts_of, list[str]()
    for name in tracked(files, len(files), "files"):
        yield kept(read(model, name, config), pages) if config.html else read(model, name, config)
    if config.html:
        with write_atomically(Path(config.html), "w") as file:
            file.write(page("Words that look replaced", "".join(pages)))
        logger.info(f"wrote {config.html}")


def parts_of(model: Detector, name: str, config: DetectConfig) -> Iterator[MarkedText]:
    """Yield the parts of a file with their words, and say how far it is."""
    threshold, at = threshold_of(model, config), Position()
    with open_lines(name) as lines:
        size = sum(map(len, lines.pieces()))  # all of it can be read, which is known before anything is written
        parts = detect_parts(model, name, lines.pieces(), threshold, config.suggestions)
        for part, words in tracked(parts, size, f"characters of {name}", lambda part: len(part[0])):
            yield MarkedText(name, part, words, threshold, at=at)
            at = at.after(part)
    if not size:
        yield MarkedText(name, "", [], threshold)


def fixed(model: Detector, name: str, config: DetectConfig) -> Iterator[MarkedText]:
    """Yield the text of a file, put right, with its words; it must be plain."""
    text = read_text(name, keep_mark=True)  # as a diff is of all that the file holds
    require(
        name == "-" or document_of(Path(name)) is None,
        f"{name} is no plain text, which --fix needs for its diff; leave --fix out",
    )
    threshold = threshold_of(model, config)
    yield MarkedText(name, *fix_document(model, name, text, threshold, config.suggestions), threshold, given=text)


def threshold_of(model: Detector, config: DetectConfig) -> float:
    """Return the threshold that is asked for, or the model's own."""
    return model.threshold if config.threshold is None else config.threshold


def kept(parts: Iterator[MarkedText], pages: list[str]) -> Iterator[MarkedText]:
    """Yield the parts of a file, and append each to the pages."""
    for part in parts:
        if not part.at.offset:
            pages.append(f"<h2>{escape(part.name)}</h2>")
        pages.append(marked_html(part.text, part.words, part.threshold))
        yield part
