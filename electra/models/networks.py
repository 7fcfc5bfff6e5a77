"""Build the network of a given kind on an encoder."""

from __future__ import annotations

from collections.abc import Callable

from electra.models.encoder import Encoder
from electra.models.heads import Discriminator, Headless, MaskedLM, Network
from electra.models.kinds import Kind
from electra.models.task_heads import Answerer, Classifier, Tagger

NETWORKS: dict[Kind, Callable[[Encoder, int], Network]] = {  # encoder, number of labels -> network
    Kind.HEADLESS: lambda encoder, _: Headless(encoder),
    Kind.DISCRIMINATOR: lambda encoder, _: Discriminator(encoder),
    Kind.MASKED_LM: lambda encoder, _: MaskedLM(encoder),
    Kind.CLASSIFIER: lambda encoder, labels: Classifier(encoder, labels, "dense"),
    Kind.LINEAR_CLASSIFIER: lambda encoder, labels: Classifier(encoder, labels, "linear"),
    Kind.MULTIPLE_CHOICE: lambda encoder, _: Classifier(encoder, 1, "dense"),
    Kind.TAGGER: Tagger,
    Kind.ANSWERER: lambda encoder, _: Answerer(encoder, "linear"),
    Kind.JOINT_ANSWERER: lambda encoder, _: Answerer(encoder, "joint"),
}
