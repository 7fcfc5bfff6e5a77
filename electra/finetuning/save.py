"""Write a fine-tuned network as a Hugging Face directory that records its task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from electra.checkpoints.huggingface import save_network
from electra.core.log import logger
from electra.finetuning.material import Material

if TYPE_CHECKING:
    from electra.tasks.base import Network


def save_finetuned(folder: Path, network: Network, material: Material) -> None:
    """Write weights, tokeniser and config.json, whose `task` and `task_settings` rebuild the task."""
    task, network = material.task.in_own_units(network)
    extra: dict[str, Any] = {"task": material.name, "task_settings": task.settings()}
    if task.labels:
        extra["id2label"] = {str(number): label for number, label in enumerate(task.labels)}
        extra["label2id"] = {label: number for number, label in enumerate(task.labels)}
    elif task.problem_type:  # one unnamed output, by which regression is recognised
        extra["id2label"] = {"0": "LABEL_0"}
    if task.problem_type:
        extra["problem_type"] = task.problem_type
    if task.symmetric:
        logger.info(f"{folder}: both orders of a pair are averaged here; a transformers pipeline uses only one")
    save_network(folder, network, material.tokenizer, material.max_length, **extra)
