"""Fine-tune: a pre-trained model and labelled data in, a Hugging Face directory out (paper, Table 7)."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from electra.checkpoints.huggingface import load_encoder
from electra.config import EncoderConfig, FinetuneConfig, require, to_dict
from electra.config.base import part_of
from electra.core.log import logger
from electra.core.runs import read_metrics
from electra.core.storage import only_writer, read_json, write_json
from electra.finetuning.estimate import estimated_time
from electra.finetuning.material import Material, read_material
from electra.finetuning.processes import side_by_side
from electra.finetuning.save import save_finetuned
from electra.finetuning.seeds import index_of_median, main_scores, over_seeds, seeds_in_words
from electra.finetuning.sweep import choose_rate
from electra.finetuning.training import Evaluation, build_training
from electra.models.encoder import Encoder, compute_in
from electra.tasks.training_set import FixedSet
from electra.training.identity import require_same
from electra.training.memory import keep_freed_memory

# The paths of model and data may change too: their content identifies a run.
FREE_TO_CHANGE = {"out", "device", "threads", "log_steps", "save_steps", "save_total_limit", "seeds", "parallel",
                  "part", "model", "train", "dev", "report_to"}  # fmt: skip
OLDER = {"optimizer": "adamw", "freeze_layers": 0, "patience": 0}  # of runs that began before there was a choice
PARTS_WAIT = 10.0  # seconds in which another part has written the settings of all


def finetune(config: FinetuneConfig) -> dict[str, Any]:
    """Train with each seed and write the model of the median one to `out`; return the content of summary.json.

    A part (`part`) trains its seeds and returns nothing.

    The same configuration again continues, bit for bit as if it had never stopped, unless `max_minutes` ends it. The
    settings follow the model and the number of steps, or the paper (`preset`). Scores are shares between 0 and 1, but
    those of question answering, which are percent as SQuAD's.

    Raises:
        ValueError: the data, the model or the folder does not fit; nothing has been written.
        Interrupted: a signal asked to stop; the state is saved.
        FloatingPointError: a loss was not finite; lower the learning rate.
    """
    require_files(config)
    material = read_material(config)
    encoder = load_encoder(material.folder)
    config = completed(config, material, encoder.config)
    if config.check:
        report_time(config, material)
        return {}
    about = {"head": material.head, "material": fingerprint(material, encoder)}
    content = json.loads(json.dumps(to_dict(config))) | about
    out = Path(config.out)
    file = out / "finetune.json"
    before = OLDER | read_json(file) if file.exists() else None
    require_same(out, before, content, FREE_TO_CHANGE)
    seeds = range(config.seed, config.seed + config.seeds)[part_of(config.part)]
    if config.part:
        with only_writer(out, PARTS_WAIT):
            write_json(file, content)
        train_seeds(config, material, seeds)
        logger.info(
            f"part {config.part}: trained {len(seeds)} of {config.seeds} seeds; without --part they are collected"
        )
        return {}
    with only_writer(out):
        write_json(file, content)
        if isinstance(config.learning_rate, tuple):
            config = choose_rate(config, material, train_seed)
        return write_summary(config, material, train_seeds(config, material, seeds))


def require_files(config: FinetuneConfig) -> None:
    """Raise ValueError unless a model, training data and, for what chooses by it, a dev file are named."""
    require(bool(config.model), "which model? name a run, or a Hugging Face ELECTRA or BERT directory")
    require(bool(config.train), "which data? give --train FILE")
    needs = {"--select best": config.select == "best", "--patience": config.patience > 0,
             "several --learning-rate": isinstance(config.learning_rate, tuple)}  # fmt: skip
    for name, is_asked in needs.items():
        require(bool(config.dev) or not is_asked, f"{name} needs a dev file to choose by: give --dev FILE")


def completed(config: FinetuneConfig, material: Material, shape: EncoderConfig) -> FinetuneConfig:
    """Return the configuration with every setting decided; ValueError if one does not fit the model."""
    count, layers = len(material.train), shape.num_hidden_layers
    config = config.resolved(shape, count, material.task.epochs)
    require(
        config.freeze_layers <= layers,
        f"--freeze-layers {config.freeze_layers}: the model has {layers} layers; give fewer",
    )
    if config.patience:
        config = replace(config, select="best")
    if config.select == "best" and not config.eval_steps:
        config = replace(config, eval_steps=max(1, count // config.train_batch_size))
    return config


def train_seeds(config: FinetuneConfig, material: Material, seeds: range) -> list[dict[str, Any]]:
    """Train the seeds that are not done, several at a time if configured; return the scores of all."""
    if config.parallel > 1:
        share = replace(config, threads=config.threads or max(1, torch.get_num_threads() // config.parallel))
        side_by_side(train_seed, [(share, material, seed) for seed in seeds], config.parallel)
    return [train_seed(config, material, seed) for seed in seeds]


def fingerprint(material: Material, encoder: Encoder) -> str:
    """Return a hash of the initial weights and the examples."""
    found = hashlib.sha256(repr([example.label for example in material.dev_examples]).encode())
    for content in chain(material.train.content(), FixedSet(material.dev).content()):
        found.update(content)
    for name, tensor in encoder.state_dict().items():
        found.update(name.encode() + tensor.numpy().tobytes())
    return found.hexdigest()[:16]


def train_seed(config: FinetuneConfig, material: Material, seed: int) -> dict[str, Any]:
    """Train one seed, unless that is done; return its scores."""
    folder = Path(config.out) / "runs" / f"seed-{seed}"
    if (folder / "scores.json").exists():
        return read_json(folder / "scores.json")
    with only_writer(folder):
        return train_in(folder, replace(config, seed=seed), material)


def train_in(folder: Path, config: FinetuneConfig, material: Material) -> dict[str, Any]:
    """Train one seed in its folder; return its scores."""
    keep_freed_memory()
    learner, trainer = build_training(config, material, folder)
    trainer.fit()
    if isinstance(trainer.evaluation, Evaluation):
        trainer.evaluation.warn()
    lines = [line for line in read_metrics(folder) if line["kind"] == "eval"]
    scores = lines[-1] if lines else {}
    if config.select == "best":
        scores = max(lines, key=lambda line: line[material.task.main_metric])
        learner.network.load_state_dict(load_file(folder / "best.safetensors"))
    compute_in(learner, torch.float32)
    save_finetuned(folder / "model", learner.network, material, scores)
    result = {"seed": config.seed, **{k: v for k, v in scores.items() if k not in ("kind", "tokens")}}
    write_json(folder / "scores.json", result)
    for left in (folder / "checkpoints", folder / "best.safetensors"):
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return result


def report_time(config: FinetuneConfig, material: Material) -> None:
    """Log how long the training would take here."""
    learner, trainer = build_training(config, material, Path(config.out))
    logger.info(f"time       about {estimated_time(config, material, learner, trainer.source)}")


def write_summary(config: FinetuneConfig, material: Material, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Copy the kept seed's model to `out`, and write summary.json."""
    out, metric = Path(config.out), material.task.main_metric
    seeds = [result["seed"] for result in results]
    kept = index_of_median([result.get(metric, 0.0) for result in results])
    shutil.copytree(out / "runs" / f"seed-{seeds[kept]}" / "model", out, dirs_exist_ok=True)
    scores = {
        name: over_seeds([result[name] for result in results], kept)
        for name in results[0]
        if name not in ("seed", "step", "seconds")
    }
    summary = {"task": material.name, "main_metric": metric, "seeds": results, "kept": seeds[kept], "scores": scores}
    write_json(out / "summary.json", summary)
    shown = f": {main_scores(results[kept], metric, material.task.shown)} on {config.dev}" if metric in scores else ""
    unmeasured = f" (not measured: give --dev FILE, or ask electra evaluate {out} --suite FILE)"
    logger.info(f"saved {out}{shown or ('' if config.dev else unmeasured)}")
    if len(results) > 1 and metric in scores:
        logger.info(seeds_in_words([result[metric] for result in results], kept, seeds, material.task.shown))
    return summary
