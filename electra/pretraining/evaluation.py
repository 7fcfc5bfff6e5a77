"""Evaluate on held-out text: an objective's metrics, and the detection threshold."""

from __future__ import annotations

import torch

from electra.config import PretrainConfig
from electra.data.loader import Loader
from electra.models.encoder import uncompiled
from electra.models.heads import Discriminator
from electra.training.log import RunningMeans
from electra.training.seed import seed_all
from electra.training.step import move_batch
from electra.training.trainer import Trainer

EVALUATION = 1  # second word of the seed, which is 0 in training
FALSE_ALARMS = 0.01  # share of clean tokens above the stored threshold
THRESHOLD_BATCHES = 8


class Evaluation:
    """Average an objective's metrics over held-out text, with the same masks and samples each time."""

    def __init__(self, heldout: Loader | None, config: PretrainConfig) -> None:
        self.heldout, self.config = heldout, config

    @torch.no_grad()
    def __call__(self, trainer: Trainer) -> dict[str, float]:
        """Return the metrics by name; none without held-out text."""
        if self.heldout is None:
            return {}
        trainer.module.eval()
        means = RunningMeans()
        batches = min(self.config.eval_batches, -(-self.heldout.num_rows // self.heldout.batch_size))
        for number in range(batches)[trainer.world.share]:
            seed_all(self.config.seed, EVALUATION, number, 0)
            (batch,) = self.heldout.micro_batches(number, self.heldout.batch_size)
            with uncompiled():  # compiling a second graph would take longer than evaluation does
                means.add(trainer.module(move_batch(batch, trainer.device)).metrics)
        means.gather(trainer.world)
        return means.values()


@torch.no_grad()
def measure_threshold(discriminator: Discriminator, heldout: Loader, device: torch.device) -> float:
    """Return the probability that one clean token in a hundred exceeds."""
    discriminator.eval()
    clean = []
    for step in range(min(THRESHOLD_BATCHES, -(-heldout.num_rows // heldout.batch_size))):
        (batch,) = heldout.micro_batches(step, heldout.batch_size)
        with uncompiled():
            logits = discriminator(*(tensor.to(device) for tensor in batch[:4])).cpu()
        clean.append(logits[batch.maskable])
    return float(torch.cat(clean).sigmoid().quantile(1 - FALSE_ALARMS))
