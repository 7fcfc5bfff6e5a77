"""Configuration of `electra detect`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from electra.config.base import arg, require, require_threshold


@dataclass(frozen=True)
class DetectConfig:
    """Mark the words of a text that look wrong."""

    model: str = arg(
        "",
        "a run, a Hugging Face ELECTRA directory, or an exported folder; left out: the model in the box, English",
        True,
    )
    files: tuple[str, ...] = arg((), "text files; - or none: standard input", True)
    threshold: float | None = arg(None, "mark words at or above this probability; default: the model's own")
    suggestions: int = arg(3, "words suggested for each marked one")
    format: Literal["text", "plain", "json", "marked-json", "github", "lsp"] = arg(
        "text",
        "text: the text with its marks; plain: file:line:column; json: an object per file; marked-json: its marked "
        "words alone; github: annotations of a workflow; lsp: diagnostics for an editor",
    )
    fix: bool = arg(
        False, "print the corrections it is sure of as a diff for patch or git apply, and list its other marks"
    )
    fail: bool = arg(False, "end with exit code 1 if a word is marked, as a check before a commit does")
    html: str = arg("", "write a page with the marked texts to this file")
    calibrate: str = arg("", "a text without errors: store the threshold that marks few of its words with the model")
    marks_per_100: float = arg(1.0, "words in 100 that the threshold stored by --calibrate may mark")

    def __post_init__(self) -> None:
        require(0 < self.marks_per_100 <= 100, f"marks_per_100 must be in (0, 100], got {self.marks_per_100}")
        require(not self.fix or self.format == "text", "--fix prints a diff; leave --format out")
        require(not self.fix or self.suggestions > 0, "--fix needs suggestions; leave --suggestions 0 out")
        require_threshold(self.threshold)
