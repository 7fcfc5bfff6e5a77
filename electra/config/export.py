"""How models come in from elsewhere, and go out to where there is no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from electra.config.base import arg, require


@dataclass(frozen=True)
class ConvertConfig:
    """Write a run, a Hugging Face ELECTRA or a TensorFlow checkpoint as Hugging Face directories."""

    source: str = arg(
        "", "a run, a Hugging Face ELECTRA directory, or a google-research checkpoint: its prefix or folder", True
    )
    out: str = arg("", "folder to write; a generator goes into generator/ in it")
    vocab: str = arg("", "vocab.txt of a TensorFlow checkpoint; default: the one beside it")
    lowercase: bool = arg(True, "whether a TensorFlow checkpoint's tokeniser lower-cases and strips accents")
    num_attention_heads: int = arg(
        0, "heads of a TensorFlow checkpoint's discriminator, which its tensors do not tell; 0: 64 wide, as released"
    )
    max_length: int = arg(0, "tokens the model was trained to read; 0: all its positions, or what is stated")

    def __post_init__(self) -> None:
        require(self.num_attention_heads >= 0, "num_attention_heads must not be negative")
        require(self.max_length >= 0, f"max_length must not be negative, got {self.max_length}")


@dataclass(frozen=True)
class ExportConfig:
    """Write a model for runtimes without torch (ONNX, OpenVINO, int8), each file checked against torch."""

    model: str = arg("", "a run, or a Hugging Face ELECTRA directory, fine-tuned or not", True)
    out: str = arg("", "folder to write")
    to: tuple[Literal["onnx", "openvino"], ...] = arg(("onnx",), "runtimes: onnx, openvino")
    int8: bool = arg(False, "write int8 files too; each is measured, and refused where it loses too much")
    text: str = arg("", "held-out text, a line each, that int8 is calibrated on and judged by")
    task: str = arg("", "labelled held-out examples by whose score a fine-tuned model is judged")
    tolerance: float = arg(0.005, "how far the AUC or the task's score of an int8 file may fall below torch's")
    force: bool = arg(False, "keep files that lose more")

    def __post_init__(self) -> None:
        require(0 <= self.tolerance <= 1, f"tolerance is a share of 1, got {self.tolerance}")
        require(len(self.to) > 0, "to which runtime? name onnx, openvino or both")
