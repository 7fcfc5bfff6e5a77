"""What every pre-training objective is: networks, and a loss from a batch of text."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Output
from electra.model.encoder import Encoder
from electra.model.heads import Discriminator, MaskedLM
from electra.objectives.corruption import Masked, mask_tokens, num_masked


class Objective(nn.Module):
    """Owns the networks and turns a batch into a loss; subclasses write `forward`.

    `networks()` says what is saved: the first is the one that survives pre-training.
    """

    stage = 1  # another number where a step does something else than before

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__()
        self.config = config
        self.mask_token_id = mask_token_id
        # What becomes of a part of the loss that shares no graph with what follows: the training loop takes its
        # gradient at once, and what it kept is free before the next network runs.
        self.settle: Callable[[Tensor], Tensor] = lambda loss: loss

    def begin_step(self, step: int, done: float) -> None:
        """Called before every optimizer step, with the share of the training that is done."""

    def forward(self, batch: Batch, counts: Counts | None = None) -> Output:
        """The loss of a micro-batch; `counts` are those of the whole step, by default the batch's own."""
        raise NotImplementedError

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        """The trained networks by name: discriminator, generator."""
        raise NotImplementedError

    @property
    def encoder(self) -> Encoder:
        """The encoder that is kept."""
        return next(iter(self.networks().values())).encoder

    def count(self, batch: Batch) -> Counts:
        """What this batch adds to the denominators of the step's losses."""
        return Counts((batch.attention_mask > 0).sum(), num_masked(batch, self.config.mask_prob).sum())

    def mask(self, batch: Batch) -> Masked:
        """Choose and hide tokens as the configuration says."""
        c = self.config
        return mask_tokens(
            batch,
            self.mask_token_id,
            c.mask_prob,
            c.mask_token_prob,
            c.faithful,
            c.random_token_prob,
            c.model.vocab_size,
        )


def mean(values: Tensor, where: Tensor) -> Tensor:
    """The mean of `values` where `where`, 0 if nowhere; of fixed shape, so that it compiles."""
    return (values * where).sum() / where.sum().clamp_min(1)
