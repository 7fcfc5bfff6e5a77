"""The examples of fine-tuning: the same in every epoch, or texts in which errors are planted as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from electra.tasks.examples import Features
from electra.text.errors.planting import Planter
from electra.text.errors.tagged import Tagged

SHUFFLE = 0  # seed of the order in which epochs go through clean text


class TrainingSet(Protocol):
    """Examples by number; an epoch has len(...) of them."""

    def __len__(self) -> int: ...

    def draw(self, number: int, epoch: int, seed: int) -> Features:
        """Return an example of an epoch, a pure function of its arguments."""
        ...

    def content(self) -> Iterator[bytes]:
        """Yield what identifies the examples, for a hash."""
        ...


class FixedSet:
    """The same examples in every epoch."""

    def __init__(self, features: Sequence[Features]) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def draw(self, number: int, epoch: int, seed: int) -> Features:
        return self.features[number]

    def content(self) -> Iterator[bytes]:
        for feature in self.features:
            yield np.array(feature.ids).tobytes() + repr(feature.target).encode()


class PlantedSet:
    """Labelled examples, and clean passages with new errors in every epoch.

    An epoch has every labelled example once, and so many passages that they are the `share` of it; later epochs go on
    where it stopped. Without labelled examples an epoch has every passage once.
    """

    def __init__(
        self,
        planter: Planter,
        passages: Sequence[str],
        encode: Callable[[Tagged], Features],
        labelled: Sequence[Features] = (),
        share: float = 1.0,
    ) -> None:
        self.planter, self.passages, self.encode, self.labelled = planter, passages, encode, FixedSet(labelled)
        self.planted = max(1, round(len(labelled) * share / (1 - share))) if labelled else len(passages)
        self.order = np.random.default_rng(SHUFFLE).permutation(len(passages))

    def __len__(self) -> int:
        return len(self.labelled) + self.planted

    def draw(self, number: int, epoch: int, seed: int) -> Features:
        place = number - len(self.labelled)
        if place < 0:
            return self.labelled.draw(number, epoch, seed)
        turn = (epoch * self.planted + place) % len(self.passages)
        return self.encode(self.planter.plant(self.passages[self.order[turn]], seed, epoch, number))

    def content(self) -> Iterator[bytes]:
        yield from self.labelled.content()
        yield from (passage.encode() for passage in self.passages)
