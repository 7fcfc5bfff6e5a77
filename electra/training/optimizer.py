"""Adam as the released code has it: no bias correction, decoupled weight decay, none on LayerNorm and biases.

In fine-tuning lower layers learn more slowly, in pre-training the generator may: a group's `lr_scale` times the
schedule's rate is its learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import nn

from electra.config import ElectraConfig, FinetuneConfig, PretrainConfig
from electra.models.registry import architecture_of


def build_optimizer(
    module: nn.Module,
    config: PretrainConfig | FinetuneConfig,
    lr_scale: Callable[[str], float] = lambda name: 1.0,
    leave: Collection[str] = (),
) -> torch.optim.AdamW:
    """AdamW whose step count is infinite from the start: its bias corrections are then exactly 1.

    The parameters named in `leave` are left to another optimizer.
    """
    parameters = {n: p for n, p in module.named_parameters() if n not in leave}  # a shared tensor comes once
    on_gpu = any(p.is_cuda for p in parameters.values())
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, p in parameters.items():
        groups.setdefault((lr_scale(name), config.weight_decay if takes_decay(name) else 0.0), []).append(p)
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


def initial_rate(config: PretrainConfig | FinetuneConfig, parameters: list[nn.Parameter]) -> float | torch.Tensor:
    """A group's learning rate: on a GPU in a tensor, where a captured step finds the one of the day."""
    rate = config.learning_rate
    return torch.tensor(rate, device=parameters[0].device) if parameters[0].is_cuda else rate


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of the learning rate."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate * group["lr_scale"])
        else:
            group["lr"] = rate * group["lr_scale"]


def layerwise(decay: float, shape: ElectraConfig, faithful: bool) -> Callable[[str], float]:
    """Return a parameter's share of the learning rate by its name: 1 in the head, `decay` times less each layer down.

    The released code (`faithful`) counts one layer too many between the head and the top layer, which gets decay^2.
    """
    architecture, layers = architecture_of(shape), shape.num_hidden_layers

    def scale(name: str) -> float:
        below = layers + 1 - architecture.depth(name, layers)
        return float(decay ** (below + (faithful and below > 0)))

    return scale


def generators(lr_scale: float) -> Callable[[str], float]:
    """The share of the learning rate that a parameter gets: 1, but for what only the generator has."""
    return lambda name: lr_scale if name.startswith("generator.") else 1.0


def takes_decay(name: str) -> bool:
    """The released code excludes what its names call LayerNorm or bias."""
    return not name.endswith("bias") and "norm." not in name
