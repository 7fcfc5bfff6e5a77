"""Where a model lies: in a run, or in a Hugging Face directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # in one file, or in several that an index names


def stated_architecture(content: Mapping[str, Any]) -> str:
    """The class that a config.json names first; '' where it names none."""
    named = content.get("architectures")
    return named[0] if isinstance(named, list) and named and isinstance(named[0], str) else ""


def masked_lm_folder(path: Path) -> Path:
    """The folder of the masked language model of a run or a model: the generator's where there is one."""
    for folder in (path / "model" / "generator", path / "generator", path / "model", path):
        if (folder / "config.json").exists() and any((folder / name).exists() for name in WEIGHTS):
            return folder
    raise ValueError(
        f"{path} holds no model; give a finished run or a Hugging Face directory, or mlm, uniform, unigram"
    )


def model_folder(path: Path) -> Path:
    """The folder of the model: the path itself, or a run's model/."""
    for folder in (path / "model", path):
        weights = any((folder / name).is_file() for name in (*WEIGHTS, "pytorch_model.bin"))
        if weights and (folder / "config.json").is_file():  # written last
            return folder
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder; give a run or a Hugging Face ELECTRA directory")
    if (path / "checkpoints").is_dir():
        raise ValueError(f"{path}: this run has not finished; the same electra pretrain command again continues it")
    raise ValueError(f"{path} holds no model: no config.json with a model.safetensors is there, nor in model/")


def is_exported(path: str | Path) -> bool:
    """Whether a folder holds what `electra export` wrote."""
    return (Path(path) / "export.json").is_file()
