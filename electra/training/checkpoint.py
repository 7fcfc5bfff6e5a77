"""Checkpoints: weights, optimizer state and position, in safetensors and JSON, written atomically.

A checkpoint is written to a temporary folder, synced and renamed. Its manifest holds the hash of every file, so that a
truncated or altered one is detected and skipped.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from electra.core.log import logger
from electra.core.storage import (
    explained,
    read_json,
    require_space,
    sha256,
    sync_folder,
    write_atomically,
    write_json,
    write_tensors,
)


def save_checkpoint(
    folder: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any], keep: int
) -> Path:
    """Write `folder/step-00001000` and delete all but the newest `keep` checkpoints up to it."""
    final = folder / f"step-{step:08d}"
    partial = folder / f".{final.name}.partial"
    weights = {name: p.detach() for name, p in module.named_parameters()}
    size = 3 * sum(p.numel() * p.element_size() for p in weights.values())
    for left in folder.glob(".step-*.partial"):  # left by a killed process
        shutil.rmtree(left, ignore_errors=True)
    try:
        folder.mkdir(exist_ok=True)  # but no run's folder: where a disk was unmounted there must not be another run
        partial.mkdir()
        require_space(partial, size + (1 << 20))
        write_tensors(partial / "weights.safetensors", weights)
        write_tensors(partial / "optimizer.safetensors", moments(module, optimizer))
        write_json(partial / "state.json", state)
        write_json(partial / "manifest.json", {file.name: sha256(file) for file in sorted(partial.iterdir())})
        sync_folder(partial)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(partial, final)
        sync_folder(folder)
        valid = [path for path in checkpoints(folder) if path <= final]  # later ones are damaged
        for old in valid[:-keep]:
            shutil.rmtree(old)
    except OSError as error:
        raise explained(error, final) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final


def load_checkpoint(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Restore weights and moments in place; return the state that was saved with them."""
    weights = load_file(path / "weights.safetensors")
    mine = dict(module.named_parameters())
    if weights.keys() != mine.keys():
        differing = sorted(weights.keys() ^ mine.keys())[:4]
        raise ValueError(
            f"{path} holds the weights of another model; these parameters differ: {differing}; choose another --out"
        )
    saved = load_file(path / "optimizer.safetensors")
    with torch.no_grad():
        for name, p in mine.items():
            p.copy_(weights[name])
        for name, moment in moments(module, optimizer).items():
            moment.copy_(saved[name])
    state: dict[str, Any] = read_json(path / "state.json")
    return state


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest valid checkpoint; warn of damaged ones and skip them."""
    for path in reversed(checkpoints(folder)):
        fault = fault_of(path)
        if fault is None:
            return path
        logger.warning(f"{path} is skipped: {fault}")
    return None


def checkpoints(folder: Path) -> list[Path]:
    """Return all checkpoints in a folder, oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def fault_of(path: Path) -> str | None:
    """Return a description of a checkpoint's damage, or None."""
    try:
        manifest = read_json(path / "manifest.json")
        for name in ("weights.safetensors", "optimizer.safetensors", "state.json"):
            if sha256(path / name) != manifest[name]:
                return f"{name} was cut short or altered"
    except (ValueError, KeyError, OSError, SafetensorError) as error:
        return str(error)
    return None


def moments(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's tensors by parameter name, without its step counts, which never change."""
    return {
        f"{name}/{key}": moment
        for name, p in module.named_parameters()
        for key, moment in optimizer.state[p].items()
        if key != "step"
    }


def truncate_metrics(path: Path, step: int) -> None:
    """Drop the lines of steps after `step` and a truncated last line: the continued run writes them again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            content = json.loads(line)
        except json.JSONDecodeError:
            break
        if content["step"] > step:
            break
        kept.append(line + "\n")
    with write_atomically(path, "w") as file:
        file.writelines(kept)
