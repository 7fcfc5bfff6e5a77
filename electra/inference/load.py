"""load(): any run, Hugging Face directory or exported folder as a Python object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from electra.checkpoints.locate import is_exported, is_finetuned, model_folder
from electra.config.base import require
from electra.inference import runtime
from electra.inference.sessions import installed


def load(path: str | Path, device: str = "cpu", threads: int = 0) -> Any:
    """Load a run, a Hugging Face directory or an exported folder: what detects, or what answers its task.

    A discriminator's generator comes along where there is one. What is exported runs on the CPU, in the fastest format
    that was kept and can run here, and needs no torch. `threads` 0: as many as the library takes.

    Raises:
        ValueError: there is no model at `path`, it is not an ELECTRA, or the library that runs it is missing.
    """
    if is_exported(path):
        require(device == "cpu", f"{path} is exported and runs on the CPU; leave the device {device!r} out")
        return runtime.load(path, threads=threads)
    folder = model_folder(Path(path))
    require(installed("torch"), f"{path} needs torch: pip install 'electra[train]'; an exported folder does not")
    import torch

    from electra.inference.pretrained import load_pretrained
    from electra.inference.task_model import load_task_model

    if threads:
        torch.set_num_threads(threads)
    return (load_task_model if is_finetuned(folder) else load_pretrained)(folder, device)
