"""Configuration of `electra predict`."""

from __future__ import annotations

from dataclasses import dataclass

from electra.config.base import arg, require


@dataclass(frozen=True)
class PredictConfig:
    """Answer lines of text or JSON with a fine-tuned model, in JSON."""

    model: str = arg(
        "", "a fine-tuned model, exported or not; with --zero-shot a run or any ELECTRA discriminator", True
    )
    file_or_labels: str = arg(
        "", "the file to read, as --input; with --zero-shot instead the label words, separated by commas", True
    )
    input: str = arg("-", "file to read; - is standard input, read to its end before the first answer")
    zero_shot: str = arg("", "a template such as 'It was {}.', in which the label word that looks least replaced wins")
    device: str = arg("cpu", "cpu, cuda, cuda:1 ...")

    def __post_init__(self) -> None:
        require(bool(self.model), "which model? name a fine-tuned directory, or with --zero-shot a run")
        require(not self.zero_shot or "{}" in self.zero_shot, "the template needs a place for the label word: {}")
        require(
            bool(self.zero_shot) or not self.file_or_labels or self.input == "-",
            f"two files to read, {self.file_or_labels} and {self.input}: give one (label words need --zero-shot)",
        )
        require(not self.zero_shot or "," in self.file_or_labels, "--zero-shot needs label words: great,terrible")

    @property
    def source(self) -> str:
        """The file to read."""
        return self.file_or_labels if self.file_or_labels and not self.zero_shot else self.input
