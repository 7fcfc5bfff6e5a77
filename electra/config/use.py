"""How errors are detected, costs counted and the demo run."""

from __future__ import annotations

from dataclasses import dataclass

from electra.config.base import arg, require, require_probability


@dataclass(frozen=True)
class DetectConfig:
    """Mark the words of a text that look wrong."""

    model: str = arg("", "a run, a Hugging Face ELECTRA directory, or an exported folder", True)
    files: tuple[str, ...] = arg(("-",), "text files; - is standard input", True)
    threshold: float | None = arg(None, "mark words at or above this probability; default: the model's own")
    suggestions: int = arg(3, "words suggested for each marked one")
    json: bool = arg(False, "print one JSON object per file instead of coloured text")
    html: str = arg("", "write a page with the marked texts to this file")
    calibrate: str = arg("", "a text without errors: store the threshold that marks few of its words with the model")
    marks_per_100: float = arg(1.0, "words in 100 that the threshold stored by --calibrate may mark")

    def __post_init__(self) -> None:
        require(0 < self.marks_per_100 <= 100, f"marks_per_100 must be in (0, 100], got {self.marks_per_100}")
        require_probability("threshold", self.threshold)


@dataclass(frozen=True)
class DemoConfig:
    """Prepare some text, pre-train a tiny ELECTRA on it, and show the errors it finds: all in minutes."""

    out: str = arg("runs/demo", "folder of the demo")
    source: str = arg("python-docs", "training text: python-docs, or anything that electra prepare reads")
    minutes: float = arg(6.0, "minutes of training")

    def __post_init__(self) -> None:
        require(self.minutes > 0, f"minutes must be above 0, got {self.minutes}")


@dataclass(frozen=True)
class FlopsConfig:
    """Print the cost of pre-training (compute, parameters, memory, time) beside the paper's table."""

    preset: str = arg("small", "tiny, small, small++, base or large")
    architecture: str = arg("electra", "electra, or modernbert: tiny, small or base")
    seq_length: int = arg(0, "tokens per example; 0: the preset's")
    measure: bool = arg(True, "time a few training steps to estimate how long pre-training takes on this machine")
