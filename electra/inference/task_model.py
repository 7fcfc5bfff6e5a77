"""A fine-tuned model with its task and tokeniser, ready to answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from electra.checkpoints.huggingface import Network, load_network, save_network
from electra.checkpoints.locate import stated_architecture
from electra.config import require
from electra.core.log import logger
from electra.core.storage import read_object
from electra.data.rows import by_length, lay_out
from electra.tasks import TASKS, Example, Features, Task
from electra.text.tokenizer import Tokenizer, load_tokenizer, require_room, stated_length
from electra.text.windows import require_texts

TOKENS = 4096  # of one forward pass
PROBLEM_TYPES = {
    "classification": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}

UNNAMED = {"0": "LABEL_0", "1": "LABEL_1"}  # what a config.json of Hugging Face means that names no labels

Input = str | Sequence[str]  # a text; a pair of texts; the words of a sentence


class TaskModel:
    """Answers a task for texts, pairs of texts or lists of words."""

    def __init__(self, network: Network, task: Task, name: str, tokenizer: Tokenizer, longest: int) -> None:
        self.network, self.task, self.name = network, task, name
        self.tokenizer, self.longest = tokenizer, longest

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def predict(self, inputs: Sequence[Input]) -> list[dict[str, Any]]:
        """A JSON-able prediction for each input: a text, a pair of texts, or the words of a sentence for a tagger."""
        require(not isinstance(inputs, str), "predict takes a list of texts; put the text in brackets")
        if self.task.wanted:
            require_texts(inputs, self.task.wanted)
        return self.answer([Example(str(n), as_texts(given, self.name), None) for n, given in enumerate(inputs)])

    def answer(self, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """A prediction for each example."""
        if not examples:
            return []
        features = self.task.encode(self.tokenizer, examples, self.longest)
        return answers(self.network, self.task, features, examples, self.tokenizer.pad_id)

    def save(self, folder: Path) -> None:
        """Write a Hugging Face directory that says in config.json what it answers."""
        task, network = self.task.in_own_units(self.network)
        extra: dict[str, Any] = {"task": self.name, "task_settings": task.settings()}
        if self.task.labels:
            extra["id2label"] = {str(number): label for number, label in enumerate(self.task.labels)}
            extra["label2id"] = {label: number for number, label in enumerate(self.task.labels)}
        elif problem_type(self.name) == "regression":
            extra["id2label"] = {"0": "LABEL_0"}
        if task.symmetric:
            logger.info(
                f"{folder}: both orders of a pair are averaged here; a pipeline of transformers reads one of them"
            )
        if problem_type(self.name):
            extra["problem_type"] = problem_type(self.name)
        save_network(folder, network, self.tokenizer, self.longest, **extra)


def load_task_model(folder: Path, device: str = "cpu") -> TaskModel:
    """Read a directory that `electra finetune` wrote."""
    content = read_object(folder / "config.json")
    name = content.get("task") or guess_task(content)
    require(name in TASKS, f"{folder}: unknown task {name!r}; there are {', '.join(TASKS)}")
    settings = content.get("task_settings") or {"labels": list((content.get("id2label") or UNNAMED).values())}
    tokenizer = load_tokenizer(folder)
    network = load_network(folder).to(device)
    require_room(tokenizer, network.encoder.config.vocab_size, folder)
    longest = min(network.encoder.config.max_position_embeddings, stated_length(folder))
    return TaskModel(network, TASKS[name](**settings), name, tokenizer, longest)


def guess_task(content: dict[str, Any]) -> str:
    """The task of a directory that others wrote, from its architecture."""
    architecture = stated_architecture(content)
    if architecture == "ElectraForTokenClassification":
        return "tagging"
    if architecture == "ElectraForQuestionAnswering":
        return "qa"
    kinds = {kind: name for name, kind in PROBLEM_TYPES.items()}
    return kinds.get(content.get("problem_type") or "", "classification")


def problem_type(name: str) -> str | None:
    """What Hugging Face calls a task; None for tags and answers."""
    return next((PROBLEM_TYPES[k] for k in PROBLEM_TYPES if k in TASKS and issubclass(TASKS[name], TASKS[k])), None)


def as_texts(given: Input, name: str) -> tuple[str, ...]:
    """An input as an example's texts."""
    if not isinstance(given, str):
        return tuple(given)
    is_tagging = "tagging" in TASKS and issubclass(TASKS[name], TASKS["tagging"])
    return tuple(given.split()) if is_tagging else (given,)


@torch.inference_mode()
def answers(
    network: nn.Module, task: Task, features: Sequence[Features], examples: Sequence[Example], pad_id: int
) -> list[dict[str, Any]]:
    """Run the network over features, those of a length together, and decode what it says."""
    network.eval()
    device = next(network.parameters()).device
    collected: list[Any] = [None] * len(features)
    for group in by_length(features, TOKENS):
        chosen = [features[number] for number in group]
        packed = lay_out(chosen, pad_id)
        outputs = task.run(network, type(packed)(*(t.to(device) for t in packed)))
        for number, thing in zip(group, task.collect(outputs, chosen), strict=True):
            collected[number] = thing
    return task.decode(collected, features, examples)
