"""The base class of every pre-training objective: networks, and a loss of a batch of text."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from electra.config import PretrainConfig
from electra.config.objectives import OBJECTIVES, Traits
from electra.interface import Batch, Counts, Trainable
from electra.models.encoder import Encoder
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives.corruption import Masked, mask_tokens, num_masked

REGISTERED = {traits.home: traits for traits in OBJECTIVES.values()}


class Objective(Trainable):
    """Own the networks and turn a batch into a loss; subclasses implement `networks` and `forward`."""

    traits: ClassVar[Traits] = Traits()

    def __init_subclass__(cls) -> None:
        """Take the traits of a registered class from the registry; any other class sets or inherits its own."""
        super().__init_subclass__()
        cls.traits = REGISTERED.get(f"{cls.__module__}:{cls.__qualname__}", cls.traits)

    def __init__(self, config: PretrainConfig, mask_token_id: int) -> None:
        super().__init__()
        self.config = config
        self.mask_token_id = mask_token_id

    def networks(self) -> dict[str, Discriminator | MaskedLM]:
        """Return the networks to save by name, the one kept after pre-training first."""
        raise NotImplementedError

    @property
    def encoder(self) -> Encoder:
        """The encoder kept after pre-training."""
        return next(iter(self.networks().values())).encoder

    def count(self, batch: Batch) -> Counts:
        return Counts((batch.example_ids > 0).sum(), num_masked(batch, self.config.mask_prob).sum())

    def mask(self, batch: Batch) -> Masked:
        """Choose and mask tokens as configured."""
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
    """Return the mean of `values` where `where` holds, 0 if nowhere; no shape depends on values, so it compiles."""
    return (values * where).sum() / where.sum().clamp_min(1)
