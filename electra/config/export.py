"""Configuration of `electra export`."""

from __future__ import annotations

from dataclasses import dataclass

from electra.config.base import arg, listed, require, require_local

RUNTIMES = ("onnx", "openvino")


@dataclass(frozen=True)
class ExportConfig:
    """Export a model to ONNX or OpenVINO, checked against torch."""

    model: str = arg("", "a run, or a Hugging Face ELECTRA directory, fine-tuned or not", True)
    out: str = arg("", "folder to write")
    to: tuple[str, ...] = arg(("onnx",), "runtimes: onnx, openvino")
    int8: bool = arg(False, "write int8 files too; each is measured, and refused if it loses too much")
    text: str = arg("", "held-out text, one per line, to calibrate and evaluate int8 on")
    task: str = arg("", "labelled held-out examples to evaluate a fine-tuned model on")
    tolerance: float = arg(0.005, "maximum loss of an int8 file against torch, in AUC or the task's score")
    force: bool = arg(False, "keep files that lose more")
    compact: bool = arg(
        False,
        "int8 throughout, generator and embeddings too, and no file in full precision",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", listed(self.to))
        for runtime in self.to:
            require(runtime in RUNTIMES, f"to: no runtime {runtime!r}; choose from {', '.join(RUNTIMES)}")
        require(0 <= self.tolerance <= 1, f"tolerance must be in [0, 1], got {self.tolerance}")
        require(not self.compact or (self.int8 and self.to == ("onnx",)), "--compact needs --int8 and --to onnx")
        require_local(self)
        require(len(self.to) > 0, "no runtime: set --to to onnx, openvino or both")
