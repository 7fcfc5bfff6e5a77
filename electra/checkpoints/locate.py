"""Locate a model in a run or a Hugging Face directory, and identify its kind of network. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from electra.config.base import require
from electra.core.storage import read_object
from electra.models.architecture import WITH_MEMORY, Architecture
from electra.models.kinds import FINETUNED, Kind
from electra.models.registry import ARCHITECTURES

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # one file, or the index of several


# -- config.json -------------------------------------------------------------------------------------------------------


def stated_architecture(content: Mapping[str, Any]) -> str:
    """Return the first class that a config.json names, or ''."""
    named = content.get("architectures")
    return named[0] if isinstance(named, list) and named and isinstance(named[0], str) else ""


def num_labels(content: Mapping[str, Any], where: object) -> int:
    """Return the number of labels in the config.json at `where`; the default of `transformers` is two."""
    names, count = content.get("id2label"), content.get("num_labels", 2)
    count = len(names) if isinstance(names, dict) and names else count
    require(isinstance(count, int) and count > 0, f"{where}: num_labels in config.json must be a whole number above 0")
    return int(count)


def stated_backbone(content: Mapping[str, Any], where: object) -> Architecture:
    """Return the architecture of a config.json; ValueError if it is unknown."""
    found = ARCHITECTURES.get(stated_type(content))
    known = ", ".join(ARCHITECTURES)
    require(found is not None, f"{where} holds a {content.get('model_type')!r} model; known types are {known}")
    assert found is not None
    return found


def stated_type(content: Mapping[str, Any]) -> str:
    """Return the type of backbone in a config.json, without the mark of a memory; '' if there is none."""
    named = content.get("model_type")
    return named.removesuffix(WITH_MEMORY) if isinstance(named, str) else ""


def network_kind(content: Mapping[str, Any]) -> Kind | None:
    """Return the kind of network that a config.json describes, or None if its class is unknown."""
    architecture = ARCHITECTURES.get(stated_type(content))
    if architecture is None:
        return None
    names = content.get("id2label")
    labels = [str(name) for name in names.values()] if isinstance(names, dict) else []
    return architecture.kind(stated_architecture(content), labels)


def is_masked_lm(folder: Path) -> bool:
    """Return whether a directory holds a masked language model."""
    return network_kind(read_object(folder / "config.json")) is Kind.MASKED_LM


def is_finetuned(folder: Path) -> bool:
    """Return whether a directory holds a fine-tuned network."""
    return network_kind(read_object(folder / "config.json")) in FINETUNED


# -- folders -----------------------------------------------------------------------------------------------------------


def model_folder(path: Path) -> Path:
    """Return the folder of the model: the path itself, or a run's model/.

    Raises:
        ValueError: the folder has no model, or the run is not finished.
    """
    for folder in (path / "model", path, path / "0_Transformer"):  # the last by older SentenceTransformers
        weights = any((folder / name).is_file() for name in (*WEIGHTS, "pytorch_model.bin"))
        if weights and (folder / "config.json").is_file():  # written last
            return folder
    if not path.is_dir():
        problem = " is a file and no folder" if path.is_file() else ": no such folder"
        raise ValueError(f"{path}{problem}; give a run or a Hugging Face ELECTRA directory")
    verb = next(
        (v for v, f in (("finetune", "finetune.json"), ("pretrain", "config.json")) if (path / f).is_file()), ""
    )
    if verb and any((path / name).exists() for name in ("checkpoints", "runs", "metrics.jsonl")):
        raise ValueError(f"{path}: this run has not finished; repeat its electra {verb} command to continue it")
    raise ValueError(
        f"{path} holds no model: no config.json with a model.safetensors, there or in model/; "
        "give the --out of a finished run, or a Hugging Face directory"
    )


def masked_lm_folder(path: Path) -> Path:
    """Return the folder of the masked language model of a run or a model: its generator, if there is one."""
    for folder in (path / "model" / "generator", path / "generator", path / "model", path):
        if (folder / "config.json").exists() and any((folder / name).exists() for name in WEIGHTS):
            return folder
    raise ValueError(
        f"{path} holds no model; give a finished run or a Hugging Face directory, or mlm, uniform, unigram"
    )


def run_data(run: Path) -> Path | None:
    """Return the prepared data that a run names, None if it is not to be found.

    A relative name was meant from the directory that the run was started in, which is tried as one above the run.
    """
    config = run / "config.json"
    named = read_object(config).get("data") if config.is_file() else None
    if not isinstance(named, str) or not named:
        return None
    places = (Path(named), *(parent / named for parent in run.resolve().parents))
    return next((place for place in places if (place / "manifest.json").is_file()), None)


def is_exported(path: str | Path) -> bool:
    """Return whether a folder holds what `electra export` wrote."""
    return (Path(path) / "export.json").is_file()
