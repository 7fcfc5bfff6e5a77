"""Fine-tune: a pre-trained model and labelled data in, a Hugging Face directory out (paper, Table 7)."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from electra.checkpoints.huggingface import load_encoder, load_network
from electra.checkpoints.locate import network_kind
from electra.config import FinetuneConfig, require, to_dict
from electra.config.base import part_of
from electra.core.log import logger
from electra.core.runs import read_metrics
from electra.core.storage import only_writer, read_json, read_object, write_json, write_tensors
from electra.data.rows import ExampleLoader, lay_out
from electra.finetuning.estimate import estimated_time
from electra.finetuning.layerwise_decay import layerwise
from electra.finetuning.learner import Learner, TaskBatch
from electra.finetuning.material import Material, read_material, warn_if_collapsed, warn_of_unused_labels
from electra.finetuning.processes import side_by_side
from electra.finetuning.save import save_finetuned
from electra.finetuning.seeds import kept_of, main_scores, over_seeds, told
from electra.finetuning.sweep import choose_rate
from electra.inference.task_model import predict_features
from electra.inference.torch_session import TorchSession
from electra.models.encoder import Encoder, compute_in
from electra.models.heads import Network
from electra.models.registry import architecture_of, backbone_of
from electra.tasks.training_set import FixedSet
from electra.training.device import choose_device, choose_dtype
from electra.training.identity import require_same
from electra.training.memory import keep_freed_memory
from electra.training.optimizer import build_optimizer
from electra.training.seed import seed_all
from electra.training.trainer import Trainer

# The paths of model and data may change too: their content identifies a run.
FREE_TO_CHANGE = {"out", "device", "threads", "log_steps", "save_steps", "save_total_limit", "seeds", "parallel",
                  "part", "model", "train", "dev", "report_to"}  # fmt: skip
OLDER = {"optimizer": "adamw", "freeze_layers": 0, "patience": 0}  # of runs that began before there was a choice
PARTS_WAIT = 10.0  # seconds in which another part has written the settings of all


class Evaluation:
    """Score a task on the dev file; write the best weights so far to `best`, if that is a path."""

    def __init__(self, material: Material, best: Path | None) -> None:
        self.material, self.best = material, best
        self.kept: list[dict[str, Any]] = []  # predictions with the weights that are kept so far

    def __call__(self, trainer: Trainer) -> dict[str, float]:
        """Return the scores by name; none without a dev file."""
        m = self.material
        if not m.dev:
            return {}
        assert isinstance(trainer.module, Learner)
        network = trainer.module.network
        dtype = network.encoder.compute_dtype
        compute_in(network, torch.float32)  # as in the saved model
        predictions = predict_features(TorchSession(network), m.task, m.dev, m.dev_examples, m.tokenizer.pad_id)
        compute_in(network, dtype)
        scores = m.task.score(predictions, m.dev_examples)
        metric = m.task.main_metric
        is_best = scores[metric] > max(dev_scores(trainer.folder, metric), default=float("-inf"))
        if self.best and is_best:
            write_tensors(self.best, {n: p.detach() for n, p in network.state_dict().items()})
        if is_best or not self.best:
            self.kept = predictions
        return scores

    def warn(self) -> None:
        """Warn of what the predictions with the kept weights lack."""
        if self.kept:
            warn_if_collapsed(self.kept, self.material.dev_examples)
            warn_of_unused_labels(self.material.task, self.kept, self.material.dev_examples, "the dev file")


def finetune(config: FinetuneConfig) -> dict[str, Any]:
    """Train with each seed and write the model of the median one to `out`; return the content of summary.json.

    A part (`part`) trains its seeds and returns nothing.

    The same configuration again continues, bit for bit as if it had never stopped, unless `max_minutes` ends it. The
    defaults are the paper's (appendix B, Table 7). Scores are shares between 0 and 1, but those of question answering,
    which are percent as SQuAD's.

    Raises:
        ValueError: the data, the model or the folder does not fit; nothing has been written.
        Interrupted: a signal asked to stop; the state is saved.
        FloatingPointError: a loss was not finite; lower the learning rate.
    """
    require(bool(config.model), "which model? name a run, or a Hugging Face ELECTRA or BERT directory")
    require(bool(config.train), "which data? give --train FILE")
    needs = {"--select best": config.select == "best", "--patience": config.patience > 0,
             "several --learning-rate": isinstance(config.learning_rate, tuple)}  # fmt: skip
    for name in (name for name, is_asked in needs.items() if is_asked):
        require(bool(config.dev), f"{name} needs a dev file to choose by: give --dev FILE")
    config = replace(config, select="best") if config.patience else config
    material = read_material(config)
    out = Path(config.out)
    encoder = load_encoder(material.folder)
    count = len(material.train)
    config = config.resolved(encoder.config.hidden_size, count, material.task.epochs)
    layers = encoder.config.num_hidden_layers
    require(
        config.freeze_layers <= layers,
        f"--freeze-layers {config.freeze_layers}: the model has {layers} layers; give fewer",
    )
    if config.select == "best" and not config.eval_steps:
        config = replace(config, eval_steps=max(1, count // config.train_batch_size))
    if config.check:
        report_time(config, material)
        return {}
    content = json.loads(json.dumps(to_dict(config))) | {
        "head": material.head,
        "material": fingerprint(material, encoder),
    }
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
    if config.threads:
        torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    learner = build_learner(config, material).to(device)
    compute_in(learner, choose_dtype(config))
    trainer = build_trainer(config, material, learner, folder, device)
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
    if config.threads:
        torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    learner = build_learner(config, material).to(device)
    compute_in(learner, choose_dtype(config))
    source = build_trainer(config, material, learner, Path(config.out), device).source
    logger.info(f"time       about {estimated_time(config, material, learner, learner.network, source)}")


def build_learner(config: FinetuneConfig, material: Material) -> Learner:
    """Build the pre-trained encoder with a new head, initialised from the seed, or the pre-trained one."""
    pretrained = load_encoder(material.folder)
    shape = pretrained.config.with_dropout(config.dropout or 0.0)
    seed_all(config.seed)
    backbone = backbone_of(shape)
    network = material.task.build(backbone.encoder(shape), material.head)
    network.encoder.load_state_dict(pretrained.state_dict())
    backbone.initialise_randomly(network.head, shape.initializer_range)
    for name, p in network.head.named_parameters():
        if name.endswith("out_proj.weight"):
            nn.init.xavier_uniform_(p)  # as released
    if material.task.keeps_head and network_kind(read_object(material.folder / "config.json")) is network.kind:
        network.load_state_dict(load_network(material.folder).state_dict())
    freeze(network, config.freeze_layers)
    return Learner(network, material.task, config.reduction)


def freeze(network: Network, layers: int) -> None:
    """Exclude the embeddings and the lowest layers from training; 0 excludes nothing."""
    shape = network.encoder.config
    architecture = architecture_of(shape)
    for name, p in network.named_parameters():
        if layers and architecture.depth(name, shape.num_hidden_layers) <= layers:
            p.requires_grad_(False)


def build_trainer(
    config: FinetuneConfig, material: Material, learner: Learner, folder: Path, device: torch.device
) -> Trainer:
    """Build the training loop with its data and layer-wise learning rates."""
    pad_id, task = material.tokenizer.pad_id, material.task
    loader = ExampleLoader(
        material.train,
        config.train_batch_size,
        config.seed,
        lambda chosen: TaskBatch(lay_out(chosen, pad_id), task.targets(chosen)),
    )
    shape = learner.network.encoder.config
    rates = layerwise(config.layerwise_lr_decay, shape, config.faithful == "on")
    matrices_in = architecture_of(shape).matrices_in if config.optimizer == "muon" else None
    optimizer = build_optimizer(learner, config, rates, matrices_in)
    evaluation = Evaluation(material, folder / "best.safetensors" if config.select == "best" else None)

    def is_over() -> bool:
        return config.patience > 0 and has_lost_patience(dev_scores(folder, task.main_metric), config.patience)

    return Trainer(
        learner, optimizer, loader, config, folder, device, config.micro_batch_size, evaluation, is_over=is_over
    )


def has_lost_patience(scores: Sequence[float], patience: int) -> bool:
    """Return whether the last `patience` scores are no better than one before them."""
    return len(scores) > patience and max(scores[-patience:]) <= max(scores[:-patience])


def dev_scores(folder: Path, metric: str) -> list[float]:
    """Return the scores in a run's metrics, in order."""
    if not (folder / "metrics.jsonl").exists():
        return []
    return [x[metric] for x in read_metrics(folder) if x["kind"] == "eval"]


def write_summary(config: FinetuneConfig, material: Material, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Copy the kept seed's model to `out`, and write summary.json."""
    out, metric = Path(config.out), material.task.main_metric
    seeds = [result["seed"] for result in results]
    kept = kept_of([result.get(metric, 0.0) for result in results])
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
        logger.info(told([result[metric] for result in results], kept, seeds, material.task.shown))
    return summary
