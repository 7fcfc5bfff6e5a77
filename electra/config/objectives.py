"""The registry of pre-training objectives and their traits. No torch.

A new objective is a file in objectives/ and an entry here. A class elsewhere, named `module:Class`, sets its class
attribute `traits`, or inherits that of the objective it extends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SHARING = ("embeddings", "none", "all", "gdes")


@dataclass(frozen=True)
class Traits:
    """An objective's constraints on its configuration, and the computations that determine its cost."""

    home: str = ""  # module:Class
    # none: a single network; any: a trained generator, a frozen one, or unigrams; trained: one that learns along
    generator: Literal["none", "any", "trained"] = "any"
    sharing: tuple[str, ...] = SHARING  # values of `share` that it supports
    why_not: str = ""  # reason why it does not support the others
    full_size_generator: bool = False  # the generator must be as large as the main network
    needs_probability: bool = False  # of each sample: temperature must stay 1, and no sample may be random
    head: Literal["rtd", "mlm", "copy"] = "rtd"  # of the main network; copy: a softmax and an RTD head to choose by
    predicts: Literal["masked", "all"] = "masked"  # tokens for which language-model heads compute a softmax
    generator_towers: int = 1  # encoders that the generator runs
    generator_alone_first: bool = False  # trained alone for `generator_stage` of the training, then frozen
    generator_baseline: bool = False  # one more linear layer on the generator, which estimates its reward
    outputs_probability: bool = True  # the sigmoid of the main network's logit is the probability of a replacement


OBJECTIVES: dict[str, Traits] = {
    "electra": Traits("electra.objectives.electra:Electra"),
    "mlm": Traits("electra.objectives.mlm:MLM", generator="none", head="mlm"),
    "electra_15": Traits("electra.objectives.electra_15:Electra15"),
    "replace_mlm": Traits("electra.objectives.replace_mlm:ReplaceMLM", head="mlm"),
    "all_tokens_mlm": Traits("electra.objectives.all_tokens_mlm:AllTokensMLM", head="copy", predicts="all"),
    "two_stage": Traits(
        "electra.objectives.two_stage:TwoStage",
        generator="trained",
        sharing=("none", "gdes"),
        why_not="its frozen generator would change with the discriminator",
        full_size_generator=True,
        generator_alone_first=True,
    ),
    "adversarial": Traits(
        "electra.objectives.adversarial:Adversarial",
        generator="trained",
        sharing=("embeddings", "none", "gdes"),
        why_not="one encoder would be trained to deceive and to detect at once",
        needs_probability=True,
        generator_baseline=True,
    ),
    "electric": Traits(
        "electra.objectives.electric:Electric",
        generator="trained",
        sharing=("embeddings", "none", "gdes"),
        why_not="its generator reads one way only",
        needs_probability=True,
        predicts="all",
        generator_towers=2,
        outputs_probability=False,  # an energy ranks tokens; their probability depends on the noise too
    ),
}


def traits_of(objective: str) -> Traits:
    """Return the traits of a registered objective; without torch, a `module:Class` is assumed to have the defaults."""
    return OBJECTIVES.get(objective, Traits())
