"""Parse the tasks of a comparison: `FOLDER` with a train and a dev file, or `KIND=FOLDER`, as in `mnli=glue/MNLI`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from electra.config import FinetuneConfig, PretrainConfig, require
from electra.core.storage import sha256
from electra.finetuning.material import require_as_many_texts
from electra.finetuning.run import finetune
from electra.tasks import GLUE, find_task
from electra.tasks.recognition import recognise


class RaceTask(NamedTuple):
    """A task and its files."""

    written: str
    name: str  # in the table
    kind: str  # a name in electra.tasks; auto: recognised from the train file
    train: str
    dev: str
    fingerprint: str  # hash of the files, so changed files are scored again


def fingerprint_of(files: Sequence[Path]) -> str:
    """Hash the content of files."""
    return hashlib.sha256(" ".join(map(sha256, files)).encode()).hexdigest()[:12]


def read_tasks(written: tuple[str, ...]) -> list[RaceTask]:
    """Return the tasks, after reading the data of each.

    Raises:
        ValueError: a task has missing or unusable data, or two tasks have the same name.
    """
    tasks = [read_task(each) for each in written]
    names = [task.name for task in tasks]
    for task in tasks:
        require(names.count(task.name) == 1, f"two tasks are called {task.name}: rename a folder")
        require_learnable(task)
    return tasks


def read_task(written: str) -> RaceTask:
    """Parse one task."""
    kind, _, folder = written.rpartition("=")
    if kind:
        find_task(kind)
    if kind in GLUE:  # the folder of the official data
        require(Path(folder).is_dir(), f"{written}: no such folder {folder}")
        files = sorted(path for path in Path(folder).iterdir() if path.is_file())
        return RaceTask(written, kind, kind, folder, folder, fingerprint_of(files))
    found = [list(Path(folder).glob(f"{split}.*")) for split in ("train", "dev")]
    for split, files in zip(("train", "dev"), found, strict=True):
        require(
            len(files) == 1,
            f"{folder} must hold one file {split}.* (jsonl, tsv ...); an official GLUE folder is named as mnli=FOLDER",
        )
    (train,), (dev,) = found
    return RaceTask(written, Path(folder).name, kind or "auto", str(train), str(dev), fingerprint_of((train, dev)))


def require_learnable(task: RaceTask) -> None:
    """Raise ValueError if fine-tuning cannot use the files; call it before pre-training."""
    reader = find_task(recognise(task.train, {}) if task.kind == "auto" else task.kind)(columns={})
    train, dev = reader.read(task.train, "train"), reader.read(task.dev, "dev")
    require_as_many_texts(reader, train, dev)
    reader.learn(train)


def fine_tune(point: Path, task: RaceTask, run: PretrainConfig) -> dict[str, float]:
    """Fine-tune a saved point on a task, on the device and with the seed of the run; return the dev score.

    All contestants have the paper's settings, whatever suits each: a race compares what they learned before.
    """
    found = finetune(
        FinetuneConfig(
            model=str(point), task=task.kind, train=task.train, dev=task.dev, seed=run.seed, device=run.device,
            threads=run.threads, precision=run.precision, out=str(point / "tasks" / f"{task.name}-{task.fingerprint}"),
            preset="paper", dropout=0.1,
        )
    )  # fmt: skip
    metric = found["main_metric"]
    return {f"{task.name} {metric}": float(found["scores"][metric]["kept"])}
