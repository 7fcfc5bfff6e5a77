"""Evaluate: score a model on tasks, with several seeds, beside baselines that need no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from electra.checkpoints.locate import is_finetuned, model_folder, network_kind
from electra.config import EvaluateConfig, FinetuneConfig, require, to_dict
from electra.core.hardware import provenance
from electra.core.log import logger
from electra.core.storage import read_object, require_no_file, write_atomically, write_json
from electra.finetuning.material import configured_task, named_columns, warn_of_unused_labels
from electra.finetuning.report import evaluation_html
from electra.finetuning.run import finetune
from electra.finetuning.seeds import over_seeds
from electra.inference.detector import Detector
from electra.inference.load import load
from electra.inference.task_model import TaskModel
from electra.models.kinds import Kind
from electra.tasks import GLUE, Example, Task, find_task
from electra.tasks.examples import Predictions, known
from electra.tasks.glue import Glue
from electra.training.device import choose_device
from electra.training.identity import require_same

RESAMPLES = 1000  # of the bootstrap
ASKED = ("model", "suite", "data", "task", "train", "dev")  # settings that name a report's model and data


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Score a model on a file or a suite; return the content of summary.json.

    A pre-trained model is fine-tuned first, with each seed; a fine-tuned one is scored as it is. `results` has an entry
    for each task and split: the seeds and the baselines, each with its `score` and the 95 % `interval` of 1,000
    bootstrap draws of the examples.

    Raises:
        ValueError: the model or the data does not fit, or the folder has the report of others.
        Interrupted: a signal stopped a fine-tuning; the same call continues.
    """
    require(bool(config.model), "which model? name a run, a Hugging Face directory, or a fine-tuned model")
    require(not config.part, "--part is for electra finetune; evaluate measures all seeds")
    out = Path(config.out)
    if config.check:
        require(bool(config.train), "--check reports on training data: give --train FILE")
        return finetune(finetune_config(config, out))
    require_no_file(out)
    refuse_other_report(config, out)
    out.mkdir(parents=True, exist_ok=True)
    if config.suite == "glue":
        tasks = suite_tasks(config)
        results = [r for name in tasks for r in evaluate_task(task_config(config, name, out), out / name)]
    else:
        file = config.suite or config.dev
        require(bool(file), "which data? name a file to measure on: --suite FILE, or --suite glue --data FOLDER")
        results = evaluate_task(replace(config, dev=file), out)
    about = {"resamples": RESAMPLES, "config": to_dict(config), **provenance()}
    about |= {"time": datetime.now().astimezone().isoformat(timespec="seconds")}
    summary = {"model": config.model, "results": results} | about
    write_json(out / "summary.json", summary)
    write_html(out, results, summary)
    logger.info(f"wrote {out / 'summary.json'} and {out / 'report.html'}")
    return summary


def refuse_other_report(config: EvaluateConfig, out: Path) -> None:
    """Raise ValueError if `out` holds the report of another model or other data, which would be lost."""
    path = out / "summary.json"
    if path.exists():
        before = read_object(path).get("config", {})
        require_same(out, before, {name: getattr(config, name) for name in ASKED}, set())


def suite_tasks(config: EvaluateConfig) -> list[str]:
    """Return the GLUE tasks whose folders exist; MNLI first, as others may start from its model."""
    found = [name for name in sorted(GLUE, key="mnli".__ne__) if folder_of(config, name).is_dir()]
    require(
        bool(found), f"{config.data or '.'}: no folder of a GLUE task there ({', '.join(sorted(GLUE))}): give --data"
    )
    return found


def folder_of(config: EvaluateConfig, name: str) -> Path:
    """Return the folder of a task of the suite, under its official name or ours."""
    theirs = Path(config.data) / GLUE[name].folder
    return theirs if theirs.is_dir() else Path(config.data) / name


def task_config(config: EvaluateConfig, name: str, out: Path) -> EvaluateConfig:
    """Return the configuration of one task of the suite; with --from-mnli, some start from its MNLI model."""
    folder, mnli = str(folder_of(config, name)), out / "mnli" / "finetuned"
    goes_on = config.from_mnli and GLUE[name].starts_from_mnli
    require(
        not goes_on or folder_of(config, "mnli").is_dir(),
        f"--from-mnli: {config.data} has no folder MNLI; fetch it, or leave --from-mnli out",
    )
    return replace(config, task=name, train=folder, dev=folder, model=str(mnli) if goes_on else config.model)


def evaluate_task(config: EvaluateConfig, out: Path) -> list[dict[str, Any]]:
    """Return the scores on each dev split, of every seed and of the baselines; write submissions for test sets."""
    candidates = models_of(config, out)
    kept = candidates.models[candidates.kept]
    task = kept.task
    train = task.read(config.train, "train") if config.train else []
    splits = [split for split in task.dev_splits if task.holds(config.dev, split)]
    results = [measured(config, candidates, split, train, out) for split in splits]
    if isinstance(task, Glue):
        submit(kept, task, config.dev, out / "submission")
    return results


def submit(model: TaskModel, task: Glue, source: str, folder: Path) -> None:
    """Write a submission to GLUE's server for each test set of the source."""
    for split in task.test_splits:
        if task.holds(source, split):
            logger.info(f"wrote {task.write_submission(model.answer(task.read(source, split)), folder, split)}")


class Candidates(NamedTuple):
    """A model for each seed."""

    models: Sequence[TaskModel]
    kept: int = 0  # index of the one that fine-tuning has kept


def models_of(config: EvaluateConfig, out: Path) -> Candidates:
    """Return the fine-tuned model, or one for each seed; a model of another task is fine-tuned again for this one.

    A discriminator may be measured as it is by a task that asks what it was trained for.
    """
    folder = model_folder(Path(config.model))
    if not is_finetuned(folder) and not is_detector_to_measure(config, folder):
        return finetuned_models(config, out)
    model = load_task_model(folder, config)
    if config.task not in ("auto", model.name):
        require(bool(config.train), f"{config.model} is fine-tuned for {model.name}, not {config.task}: give --train")
        return finetuned_models(config, out)
    model.task.columns |= named_columns(config)
    return Candidates([model])


def measured(
    config: EvaluateConfig, candidates: Candidates, split: str, train: Sequence[Example], out: Path
) -> dict[str, Any]:
    """Return the scores of every seed and of the baselines on one split; the predictions go into `out`."""
    models, kept = candidates
    name, task = models[0].name, models[0].task
    examples = task.read(config.dev, split)
    answered = [model.answer(examples) for model in models]
    warn_of_unused_labels(task, answered[kept], examples, config.dev)
    if cut := sum("truncated" in prediction for prediction in answered[kept]):
        logger.warning(f"{config.dev}: {cut} of {len(examples)} texts are longer than {models[kept].longest} tokens "
                       "and were cut")  # fmt: skip
    rows = [row_of(f"seed {config.seed + n}", task, p, examples) for n, p in enumerate(answered)]
    baselines = task.baselines(train, examples, config.baseline)
    stem = "predictions" if split == "dev" else f"predictions-{split.removeprefix('dev_')}"
    for number, predictions in enumerate(answered):
        write_predictions(out / f"{stem}-{number}.jsonl", predictions, examples)
    return {
        "task": name,
        "split": split,
        "file": config.dev,
        "examples": sum(example.label is not None for example in examples),
        "main_metric": task.main_metric,
        **over_seeds([row["score"] for row in rows], kept),
        "interval": rows[kept]["interval"],
        "kept_seed": kept,
        "predictions": str(out / f"{stem}-{kept}.jsonl"),
        "seeds": rows,
        "baselines": [row_of(baseline, task, p, examples) for baseline, p in baselines],
    }


def finetuned_models(config: EvaluateConfig, out: Path) -> Candidates:
    """Fine-tune with each seed, unless that has been done."""
    require(bool(config.train), f"{config.model} is not fine-tuned; give --train FILE to fine-tune it first")
    learning = finetune_config(config, out)
    summary = finetune(learning)
    seeds = [result["seed"] for result in summary["seeds"]]
    folders = [Path(learning.out) / "runs" / f"seed-{seed}" / "model" for seed in seeds]
    return Candidates([load_task_model(folder, config) for folder in folders], seeds.index(summary["kept"]))


def load_task_model(folder: Path, config: EvaluateConfig) -> TaskModel:
    """Load a fine-tuned model, or a detector as the model of its task, on the configured device."""
    model = load(folder, str(choose_device(config.device)), config.threads)
    if isinstance(model, Detector):
        name = stated_task(config, folder)
        task = configured_task(name, config, threshold=model.threshold, evidence=model.evidence)
        return TaskModel(model.session, task, name, model.tokenizer, model.longest, model.format)
    assert isinstance(model, TaskModel)
    return model


def stated_task(config: EvaluateConfig, folder: Path) -> str:
    """Return the task that the user names, or the one in the model's config.json; '' if there is none."""
    return config.task if config.task != "auto" else str(read_object(folder / "config.json").get("task", ""))


def is_detector_to_measure(config: EvaluateConfig, folder: Path) -> bool:
    """Return whether a discriminator is measured as it is: fine-tuned for the task, or without training data."""
    name, content = stated_task(config, folder), read_object(folder / "config.json")
    kind = network_kind(content)
    performs = bool(name) and kind is Kind.DISCRIMINATOR and kind in find_task(name).heads.values()
    return performs and (content.get("task") == name or not config.train)


def finetune_config(config: EvaluateConfig, out: Path) -> FinetuneConfig:
    """Return the configuration of the fine-tuning, which writes to its own folder."""
    given = {f.name: getattr(config, f.name) for f in fields(FinetuneConfig)}
    return FinetuneConfig(**given | {"out": str(out / "finetuned")})


def row_of(name: str, task: Task, predictions: Predictions, examples: Sequence[Example]) -> dict[str, Any]:
    """Return all scores of one set of predictions, and the bootstrap interval of the main one."""
    scores = task.score(predictions, examples)
    intervals = bootstrap(task, predictions, examples)
    main = task.main_metric
    return {"name": name, "score": scores[main], "interval": intervals[main], "scores": scores, "intervals": intervals}


def bootstrap(task: Task, predictions: Predictions, examples: Sequence[Example]) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of metrics over examples drawn with replacement."""
    pairs = known(predictions, examples)
    draws = np.random.default_rng(0).integers(len(pairs), size=(RESAMPLES, len(pairs)), dtype=np.int32)
    found = task.resampled_scores([p for p, _ in pairs], [e for _, e in pairs], draws)
    return {name: tuple(np.quantile(values, [0.025, 0.975]).tolist()) for name, values in found.items()}


def write_predictions(path: Path, predictions: Predictions, examples: Sequence[Example]) -> None:
    """Write a line for each example: its texts, the right label and the prediction."""
    with write_atomically(path, "w") as file:
        for prediction, e in zip(predictions, examples, strict=True):
            line = {"id": e.id, "texts": e.texts, "gold": e.label, **prediction}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_html(out: Path, results: Sequence[dict[str, Any]], about: Mapping[str, Any]) -> None:
    """Write report.html: what was measured, the table of scores, and the errors of the kept seed for each task."""
    parts = []
    for r in results:
        lines = Path(r["predictions"]).read_text(encoding="utf-8").splitlines()
        parts.append((r, [json.loads(line) for line in lines]))
    with write_atomically(out / "report.html", "w") as file:
        file.write(evaluation_html(parts, about))
