"""Configuration of `electra convert`."""

from __future__ import annotations

from dataclasses import dataclass

from electra.config.base import arg, require_local, require_not_negative


@dataclass(frozen=True)
class ConvertConfig:
    """Convert a run or TensorFlow checkpoint to Hugging Face directories."""

    source: str = arg(
        "", "a run, a Hugging Face ELECTRA directory, or a google-research checkpoint: its prefix or folder", True
    )
    out: str = arg("", "folder to write; a generator goes into generator/ in it")
    vocab: str = arg("", "vocab.txt of a TensorFlow checkpoint; default: the one beside it")
    lowercase: bool = arg(True, "whether the tokeniser of a TensorFlow checkpoint lower-cases and strips accents")
    num_attention_heads: int = arg(
        0, "heads of a TensorFlow checkpoint's discriminator, unknown from its tensors; 0: heads of 64, as released"
    )
    max_length: int = arg(0, "tokens the model was trained on; 0: the source's, or all its positions")

    def __post_init__(self) -> None:
        require_local(self)
        require_not_negative(self, "num_attention_heads", "max_length")
