"""Configuration of `electra push`."""

from __future__ import annotations

from dataclasses import dataclass

from electra.config.base import arg, require


@dataclass(frozen=True)
class PushConfig:
    """Upload a model to the Hugging Face Hub."""

    model: str = arg("", "a run, a fine-tuned or exported model, or a Hugging Face directory", True)
    to: str = arg("", "the repository, OWNER/NAME; created if it does not exist")
    public: bool = arg(False, "let everybody see the repository if it is created; default: only its owner")
    message: str = arg("Upload a model", "message of the commit")

    def __post_init__(self) -> None:
        require(bool(self.model), "which model? name a run or a model's folder")
        require(self.to.count("/") == 1 and all(self.to.split("/")), f"where to? --to OWNER/NAME, got {self.to!r}")
