"""Adam as the released code has it: no bias correction, decoupled weight decay, none on LayerNorm and biases."""

from __future__ import annotations

import torch
from torch import nn

from electra.config import PretrainConfig


def build_optimizer(module: nn.Module, config: PretrainConfig) -> torch.optim.AdamW:
    """AdamW whose step count is infinite from the start: its bias corrections are then exactly 1."""
    parameters = dict(module.named_parameters())  # a shared tensor comes once
    decayed = [p for name, p in parameters.items() if takes_decay(name)]
    kept = [p for name, p in parameters.items() if not takes_decay(name)]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": kept, "weight_decay": 0.0}],
        lr=config.learning_rate,
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_epsilon,
        fused=True,
    )
    for p in parameters.values():
        optimizer.state[p] = {
            "step": torch.tensor(float("inf"), device=p.device),
            "exp_avg": torch.zeros_like(p),
            "exp_avg_sq": torch.zeros_like(p),
        }
    return optimizer


def takes_decay(name: str) -> bool:
    """The released code excludes what its names call LayerNorm or bias."""
    return not name.endswith("bias") and "norm." not in name
