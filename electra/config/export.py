"""How checkpoints are converted, and models exported to runtimes without torch."""

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
    lowercase: bool = arg(True, "whether the tokeniser of a TensorFlow checkpoint lower-cases and strips accents")
    num_attention_heads: int = arg(
        0, "heads of a TensorFlow checkpoint's discriminator, unknown from its tensors; 0: heads of 64, as released"
    )
    max_length: int = arg(0, "tokens the model was trained on; 0: as stated in the source, or all its positions")

    def __post_init__(self) -> None:
        require(self.num_attention_heads >= 0, "num_attention_heads must not be negative")
        require(self.max_length >= 0, f"max_length must not be negative, got {self.max_length}")


@dataclass(frozen=True)
class ExportConfig:
    """Write a model for runtimes without torch (ONNX, OpenVINO, int8), each file checked against torch."""

    model: str = arg("", "a run, or a Hugging Face ELECTRA directory, fine-tuned or not", True)
    out: str = arg("", "folder to write")
    to: tuple[Literal["onnx", "openvino"], ...] = arg(("onnx",), "runtimes: onnx, openvino")
    int8: bool = arg(False, "write int8 files too; each is measured, and refused if it loses too much")
    text: str = arg("", "held-out text, one per line, to calibrate and evaluate int8 on")
    task: str = arg("", "labelled held-out examples to evaluate a fine-tuned model on")
    tolerance: float = arg(0.005, "maximum loss of an int8 file against torch, in AUC or the task's score")
    force: bool = arg(False, "keep files that lose more")

    def __post_init__(self) -> None:
        require(0 <= self.tolerance <= 1, f"tolerance is a share of 1, got {self.tolerance}")
        require(len(self.to) > 0, "to which runtime? name onnx, openvino or both")
