"""Write a fine-tuned network as a Hugging Face directory that records its task."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from electra.checkpoints.huggingface import save_network
from electra.core.log import logger
from electra.finetuning.material import Material
from electra.text.dictionary import copy_dictionary

if TYPE_CHECKING:
    from electra.models.heads import Network


def save_finetuned(folder: Path, network: Network, material: Material, scores: Mapping[str, float]) -> None:
    """Write weights, tokeniser and config.json, whose `task` and `task_settings` rebuild the task.

    A task that keeps the discriminator's head keeps its generator and its dictionary too, which propose other words.
    """
    task, network = material.task.in_own_units(network)
    extra = {"task": material.name, "task_settings": task.settings(), **task.config_entries(scores)}
    if task.symmetric:
        logger.info(f"{folder}: both orders of a pair are averaged here; a transformers pipeline uses only one")
    if task.keeps_head and (material.folder / "generator").is_dir():
        shutil.copytree(material.folder / "generator", folder / "generator", dirs_exist_ok=True)
        copy_dictionary(material.folder, folder)
    save_network(folder, network, material.tokenizer, material.max_length, **extra)
