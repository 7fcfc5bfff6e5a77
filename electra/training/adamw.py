"""Adam as in the released code: no bias correction, decoupled weight decay, none on LayerNorm and biases."""

from __future__ import annotations

import torch
from torch import nn

from electra.config import TrainConfig
from electra.training.schedule import Scale, initial_rate


def build_adamw(parameters: dict[str, nn.Parameter], config: TrainConfig, lr_scale: Scale) -> torch.optim.AdamW:
    """Build AdamW for parameters by name.

    Its step count is infinite from the start, so that the bias corrections are exactly 1.
    """
    on_gpu = any(p.is_cuda for p in parameters.values())
    weight_decay = config.weight_decay or 0.0
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, p in parameters.items():
        groups.setdefault((lr_scale(name), weight_decay if takes_decay(name) else 0.0), []).append(p)
    optimizer = torch.optim.AdamW(
        [
            {"params": ps, "weight_decay": decay, "lr_scale": scale, "lr": initial_rate(config, ps)}
            for (scale, decay), ps in groups.items()
        ],
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_epsilon,
        fused=True,
        capturable=on_gpu,
    )
    for p in parameters.values():
        optimizer.state[p] = {
            "step": torch.tensor(float("inf"), device=p.device),
            "exp_avg": torch.zeros_like(p),
            "exp_avg_sq": torch.zeros_like(p),
        }
    return optimizer


def takes_decay(name: str) -> bool:
    """Return whether weight decay applies: like the released code, exclude LayerNorms and biases by name."""
    return not name.endswith("bias") and "norm." not in name
