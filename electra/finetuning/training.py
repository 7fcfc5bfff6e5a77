"""The training of a seed: its learner, its training loop, and its evaluation on the dev file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from electra.checkpoints.huggingface import load_encoder, load_network
from electra.checkpoints.locate import network_kind
from electra.config import FinetuneConfig
from electra.core.runs import read_metrics
from electra.core.storage import read_object, write_tensors
from electra.data.rows import ExampleLoader, lay_out
from electra.finetuning.layerwise_decay import layerwise
from electra.finetuning.learner import Learner, TaskBatch
from electra.finetuning.material import Material, warn_if_collapsed, warn_of_unused_labels
from electra.inference.task_model import predict_features
from electra.inference.torch_session import TorchSession
from electra.models.encoder import compute_in
from electra.models.heads import Network
from electra.models.registry import architecture_of, backbone_of
from electra.training.device import choose_device, choose_dtype
from electra.training.optimizer import build_optimizer
from electra.training.seed import seed_all
from electra.training.trainer import Trainer


def build_training(config: FinetuneConfig, material: Material, folder: Path) -> tuple[Learner, Trainer]:
    """Build the learner of a seed and its training loop, on the configured device and threads."""
    if config.threads:
        torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    learner = build_learner(config, material).to(device)
    compute_in(learner, choose_dtype(config))
    return learner, build_trainer(config, material, learner, folder, device)


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


# -- evaluation --------------------------------------------------------------------------------------------------------


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


def has_lost_patience(scores: Sequence[float], patience: int) -> bool:
    """Return whether the last `patience` scores are no better than one before them."""
    return len(scores) > patience and max(scores[-patience:]) <= max(scores[:-patience])


def dev_scores(folder: Path, metric: str) -> list[float]:
    """Return the scores in a run's metrics, in order."""
    if not (folder / "metrics.jsonl").exists():
        return []
    return [x[metric] for x in read_metrics(folder) if x["kind"] == "eval"]
