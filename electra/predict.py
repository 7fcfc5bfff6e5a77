"""load(): any run, Hugging Face ELECTRA directory or exported folder as a Python object; and what it predicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from electra import runtime
from electra.config import PredictConfig, require
from electra.detect import read_text
from electra.exported.sessions import installed
from electra.finetuning.zero_shot import zero_shot
from electra.interface import WrongInput
from electra.storage import WEIGHTS


def predict(config: PredictConfig) -> None:
    """Answer for each line of the input with a line of JSON."""
    lines = [line.rstrip("\r") for line in read_text(config.input).split("\n")]
    questions = [parse(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    inputs = [question.input for question in questions]
    model = load(config.model, config.device)
    if config.zero_shot:
        require(hasattr(model, "replaced"), f"{config.model} is no discriminator; --zero-shot asks a pre-trained one")
        words = [word.strip() for word in config.labels.split(",") if word.strip()]
        found = zero_shot(model, [t if isinstance(t, str) else " ".join(t) for t in inputs], config.zero_shot, words)
    else:
        require(
            hasattr(model, "predict"),
            f"{config.model} is not fine-tuned: run electra finetune first, or ask with --zero-shot TEMPLATE LABELS",
        )
        try:
            found = model.predict(inputs)
        except WrongInput as error:
            raise ValueError(f"line {questions[error.number - 1].line}: give {error.needed}") from None
    for question, prediction in zip(questions, found, strict=True):
        print(json.dumps({"id": question.id, **{k: v for k, v in prediction.items() if k != "id"}}, ensure_ascii=False))


class Question(NamedTuple):
    """What a line asks."""

    input: str | list[str]
    id: str  # the object's own, else the number of the line
    line: int


def parse(line: str, number: int) -> Question:
    """A line of text; or as JSON a list of texts, or an object with `text` (and `text2`), `tokens`, or `question`."""
    plain = Question(line, str(number), number)
    if not line.startswith(("{", "[")):
        return plain
    try:
        content = json.loads(line)
    except json.JSONDecodeError:
        return plain  # a text that begins with a bracket
    if isinstance(content, list) and content and all(isinstance(part, str) for part in content):
        return plain._replace(input=content)
    if isinstance(content, dict):
        for names in (("tokens",), ("question", "context"), ("text", "text2"), ("text",)):
            if all(name in content for name in names):
                values = [content[name] for name in names]
                return Question(values[0] if len(values) == 1 else values, str(content.get("id", number)), number)
    raise ValueError(f"line {number}: give a text, a list of texts, or an object with text (and text2), or tokens")


def load(path: str | Path, device: str = "cpu", threads: int = 0) -> Any:
    """Load a run, a Hugging Face directory or an exported folder: what detects, or what answers its task.

    A discriminator's generator comes along where there is one. What is exported runs on the CPU, in the fastest format
    that was kept and can run here, and needs no torch. `threads` 0: as many as the library takes.

    Raises:
        ValueError: there is no model at `path`, it is not an ELECTRA, or the library that runs it is missing.
    """
    if runtime.is_exported(path):
        require(device == "cpu", f"{path} is exported and runs on the CPU; leave the device {device!r} out")
        return runtime.load(path, threads=threads)
    folder = model_folder(Path(path))
    require(installed("torch"), f"{path} needs torch: pip install 'electra[train]'; an exported folder does not")
    import torch

    from electra.convert import is_finetuned
    from electra.detection.pretrained import load_pretrained
    from electra.finetuning.task_model import load_task_model

    if threads:
        torch.set_num_threads(threads)
    return (load_task_model if is_finetuned(folder) else load_pretrained)(folder, device)


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
