"""What every pre-training objective is: networks, and a loss from a batch of text."""

from __future__ import annotations

from torch import Tensor

from electra.config import PretrainConfig
from electra.interface import Batch, Counts, Trainable
from electra.models.encoder import Encoder
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives.corruption import Masked, mask_tokens, num_masked


class Objective(Trainable):
    """Owns the networks and turns a batch into a loss; subclasses write `forward`.

    `networks()` says what is saved: the first is the one that survives pre-training.
    """

    says_probability = True  # the sigmoid of what the kept network says of a token is that it was replaced

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__()
        self.config = config
        self.mask_token_id = mask_token_id

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        """The trained networks by name: discriminator, generator."""
        raise NotImplementedError

    @property
    def encoder(self) -> Encoder:
        """The encoder that is kept."""
        return next(iter(self.networks().values())).encoder

    def count(self, batch: Batch) -> Counts:
        """What this batch adds to the denominators of the step's losses."""
        return Counts((batch.example_ids > 0).sum(), num_masked(batch, self.config.mask_prob).sum())

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
