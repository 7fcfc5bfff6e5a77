"""How a model is used, measured and shown."""

from __future__ import annotations

from dataclasses import dataclass

from electra.config.base import arg, require


@dataclass(frozen=True)
class DetectConfig:
    """Mark the words of a text that look wrong."""

    model: str = arg("", "a run, a Hugging Face ELECTRA directory, or an exported folder", True)
    files: tuple[str, ...] = arg(("-",), "text files; - is standard input", True)
    threshold: float = arg(-1.0, "mark words at or above this probability; default: the model's own")
    suggestions: int = arg(3, "words proposed for each marked one")
    json: bool = arg(False, "print one JSON object a file instead of coloured text")
    html: str = arg("", "write a page with the marked texts to this file")
    calibrate: str = arg("", "a text without errors: store with the model the threshold that marks few of its words")
    marks_per_100: float = arg(1.0, "words in 100 that --calibrate lets the threshold mark")

    def __post_init__(self) -> None:
        require(0 < self.marks_per_100 <= 100, f"marks_per_100 must be in (0, 100], got {self.marks_per_100}")
        require(self.threshold <= 1, f"threshold is a probability, got {self.threshold}")


@dataclass(frozen=True)
class DemoConfig:
    """Prepare text that is at hand, pre-train a tiny ELECTRA, show what it finds: minutes."""

    out: str = arg("runs/demo", "folder of the demo")
    source: str = arg("python-docs", "text to learn: python-docs, or anything electra prepare reads")
    minutes: float = arg(6.0, "minutes of training")

    def __post_init__(self) -> None:
        require(self.minutes > 0, f"minutes must be above 0, got {self.minutes}")


@dataclass(frozen=True)
class FlopsConfig:
    """Print what pre-training costs: compute, parameters, memory and time, beside the paper's table."""

    preset: str = arg("small", "tiny, small, small++, base or large")
    seq_length: int = arg(0, "tokens an example; 0: the preset's")
    measure: bool = arg(True, "time a few training steps, to say how long pre-training takes on this machine")
