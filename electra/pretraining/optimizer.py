"""Build the optimizer of pre-training, in which the generator may have its own learning rate."""

from __future__ import annotations

import torch
from torch import nn

from electra.config import PretrainConfig
from electra.models.registry import architecture_of
from electra.training import optimizer


def build_optimizer(objective: nn.Module, config: PretrainConfig) -> torch.optim.Optimizer:
    """Build the configured optimizer; `generator_lr_scale` applies to weights of the generator alone."""

    def lr_scale(name: str) -> float:
        return config.generator_lr_scale if name.startswith("generator.") else 1.0

    matrices_in = architecture_of(config.model).matrices_in if config.optimizer == "muon" else None
    return optimizer.build_optimizer(objective, config, lr_scale, matrices_in)
