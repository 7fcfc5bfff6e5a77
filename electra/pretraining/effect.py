"""Tell whether a run has changed its weights: a short one may end before its learning rate has risen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from electra.core.log import counted, logger
from electra.training.trainer import Trainer

SAMPLED = 4096  # weights of each matrix
LOW_PEAK = 0.5  # of the configured learning rate
UNMOVED = 1e-3  # of the weights' size; a tiny model moves by a tenth in its first minute
LONGER = "Train longer (--max-minutes, --max-tokens, --train-steps), or in smaller steps (--train-batch-size)"


def sample_weights(module: nn.Module) -> Tensor:
    """Return a copy of evenly spaced weights of every matrix."""
    matrices = [p.detach().flatten() for p in module.parameters() if p.ndim > 1]  # two_stage freezes some on the way
    return torch.cat([p[:: -(-len(p) // SAMPLED)].float().cpu() for p in matrices])


def warn_if_idle(trainer: Trainer, before: Tensor) -> None:
    """Warn if the learning rate stayed far below its peak, or, of a run in one session, if hardly a weight moved."""
    rate, steps = trainer.config.learning_rate, counted(trainer.step, "step")
    if trainer.peak < LOW_PEAK * rate:
        logger.warning(
            f"the learning rate rose to {trainer.peak:.2g} in {steps}, not to its peak of {rate:.2g}: the run was too "
            f"short. {LONGER}"
        )
        return
    moved = float((sample_weights(trainer.module) - before).norm() / before.norm())
    if trainer.resumed_at == 0 and moved < UNMOVED:
        logger.warning(
            f"the weights hardly moved: by {100 * moved:.2g} % of their size in {steps}, so this is nearly the model "
            f"it began with. {LONGER}, or at a higher --learning-rate"
        )
