"""Build the optimizer of pre-training, in which the generator may have its own learning rate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from electra.config import PretrainConfig, TrainConfig
from electra.models.registry import architecture_of
from electra.training import optimizer
from electra.training.muon import build_muon
from electra.training.optimizer import Scale

Build = Callable[[nn.Module, TrainConfig, Scale, Callable[[str], int]], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Build] = {
    "adamw": lambda module, config, lr_scale, _: optimizer.build_optimizer(module, config, lr_scale),
    "muon": build_muon,
}


def build_optimizer(objective: nn.Module, config: PretrainConfig) -> torch.optim.Optimizer:
    """Build the configured optimizer; `generator_lr_scale` applies to weights of the generator alone."""

    def lr_scale(name: str) -> float:
        return config.generator_lr_scale if name.startswith("generator.") else 1.0

    matrices_in = architecture_of(config.model).matrices_in
    return OPTIMIZERS[config.optimizer](objective, config, lr_scale, matrices_in)
