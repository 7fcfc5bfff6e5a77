"""Adam as in the released code: no bias correction, decoupled weight decay, none on LayerNorm and biases.

The learning rate of a parameter group is the schedule's times the group's `lr_scale`. Fine-tuning scales it down from
layer to layer, pre-training may scale that of the generator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import nn

from electra.config import TrainConfig

Scale = Callable[[str], float]  # factor on the learning rate of the parameter of that name


def same_scale(name: str) -> float:
    """Return 1 for every parameter."""
    return 1.0


def build_optimizer(
    module: nn.Module,
    config: TrainConfig,
    lr_scale: Scale = same_scale,
    leave: Collection[str] = (),
) -> torch.optim.AdamW:
    """Build AdamW for all parameters but those named in `leave`, which another optimizer updates.

    Its step count is infinite from the start, so that the bias corrections are exactly 1.
    """
    parameters = {n: p for n, p in module.named_parameters() if n not in leave}  # a shared tensor is listed once
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


def initial_rate(config: TrainConfig, parameters: list[nn.Parameter]) -> float | torch.Tensor:
    """Return a group's first learning rate: on a GPU a tensor, so that a captured step reads the current value."""
    rate = config.learning_rate
    return torch.tensor(rate, device=parameters[0].device) if parameters[0].is_cuda else rate


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set every group's learning rate to `rate` times its scale."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate * group["lr_scale"])
        else:
            group["lr"] = rate * group["lr_scale"]


def takes_decay(name: str) -> bool:
    """Return whether weight decay applies: like the released code, exclude LayerNorms and biases by name."""
    return not name.endswith("bias") and "norm." not in name
