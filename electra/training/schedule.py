"""Learning rates, and the end of a run, as functions of its progress.

The learning rate of a parameter group is the schedule's times the group's `lr_scale`. Fine-tuning scales it down from
layer to layer, pre-training may scale that of the generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from electra.config import TrainConfig

Scale = Callable[[str], float]  # factor on the learning rate of the parameter of that name


def same_scale(name: str) -> float:
    """Return 1 for every parameter."""
    return 1.0


def progress(config: TrainConfig, step: int, tokens: int, seconds: float) -> float:
    """Return the share of the budget that is spent, in [0, 1]: the largest of steps, tokens and time."""
    done = step / config.train_steps
    if config.max_tokens:
        done = max(done, tokens / config.max_tokens)
    if config.max_minutes:
        done = max(done, seconds / (60 * config.max_minutes))
    return min(1.0, done)


def learning_rate(config: TrainConfig, step: int, done: float) -> float:
    """Return the product of linear warm-up and linear decay; as in the released code, both may overlap."""
    return config.learning_rate * min(1.0, (1 - done) / config.cooldown) * warmup(config, step, done)


def warmup(config: TrainConfig, step: int, done: float) -> float:
    """Return the share of the warm-up that is over, in [0, 1].

    It ends after `warmup_steps`, or with `longest_warmup` of the budget: a run cut by the clock or by tokens may have
    fewer steps than the warm-up of a full schedule.
    """
    if not config.warmup_steps:
        return 1.0
    return min(1.0, max(step / config.warmup_steps, done / config.longest_warmup))


def initial_rate(config: TrainConfig, parameters: list[nn.Parameter]) -> float | torch.Tensor:
    """Return a group's first learning rate: on a GPU a tensor, so that a captured step reads the current value."""
    rate = config.learning_rate
    return torch.tensor(rate, device=parameters[0].device) if parameters[0].is_cuda else rate


def groups_by_scale(named: dict[str, nn.Parameter], config: TrainConfig, lr_scale: Scale) -> list[dict[str, Any]]:
    """Return a parameter group for each scale of the learning rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, p in named.items():
        groups.setdefault(lr_scale(name), []).append(p)
    return [{"params": ps, "lr_scale": scale, "lr": initial_rate(config, ps)} for scale, ps in groups.items()]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set every group's learning rate to `rate` times its scale."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate * group["lr_scale"])
        else:
            group["lr"] = rate * group["lr_scale"]
