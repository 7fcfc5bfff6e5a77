"""The training operations of the paper's models, counted as its authors do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from electra.config.base import require

# Operations an element costs in the paper's count.
DROPOUT, LAYER_NORM, GELU, SOFTMAX = 4, 5, 8, 5


@dataclass(frozen=True)
class PaperNetwork:
    """A network of the paper's Tables 1, 2, 3 and 8, and how long it was trained.

    Multiply and add are two operations, the backward pass costs what the forward one does, and an embedding look-up is
    a product with a one-hot vector.
    """

    h: int
    layers: int
    batch: int
    steps: int
    s: int = 512
    v: int = 30522
    e: int = 0  # 0: h
    i: int = 0  # 0: 4 h
    heads: int = 0  # 0: h / 64
    head_size: int = 0  # 0: h / heads
    head: Literal["mlm", "rtd"] = "mlm"
    predicted: float = 0.15625  # share of the tokens that reach the softmax over the vocabulary
    cross_attention: bool = False

    def training_flops(self) -> float:
        """Return the operations of the whole training."""
        head = self.mlm_head_flops() if self.head == "mlm" else self.rtd_head_flops()
        token = self.layers * self.layer_flops() + self.embedding_flops() + head
        return 2 * self.batch * self.steps * self.s * token

    def layer_flops(self) -> int:
        """Return the operations of one layer in the forward pass, per token."""
        h, s, i = self.h, self.s, self.i or 4 * self.h
        heads = self.heads or max(h // 64, 1)
        attention = heads * self.head_size or h
        queries_keys_values = 3 * (2 * h * attention + attention)
        weights = 2 * attention * s + (SOFTMAX + DROPOUT + 1) * s * heads
        average = 2 * h * s
        # As released, this LayerNorm is counted for one element instead of h.
        output = 2 * h * h + h + DROPOUT * h + h + LAYER_NORM
        feed_forward = 2 * (2 * h * i) + (GELU + 1) * i + (1 + DROPOUT + 1 + LAYER_NORM) * h
        attentions = 2 if self.cross_attention else 1
        return attentions * (queries_keys_values + weights + average + output) + feed_forward

    def embedding_flops(self) -> int:
        """Return the operations of the input embeddings, per token."""
        e = self.e or self.h
        words = 2 * e * self.v
        positions_and_segments = 2 * e * (self.s + 2) + 2 * e
        projection = 2 * self.h * e + self.h if e != self.h else 0
        return words + positions_and_segments + (LAYER_NORM + DROPOUT) * e + projection

    def mlm_head_flops(self) -> float:
        """Return the operations of the softmax over the vocabulary, averaged over all tokens."""
        e = self.e or self.h
        transform = 2 * self.h * e + (1 + GELU + LAYER_NORM) * e
        return self.predicted * (transform + 2 * e * self.v + (SOFTMAX + 2) * self.v)

    def rtd_head_flops(self) -> int:
        """Return the operations of the original-or-replaced head, per token."""
        return 2 * self.h * self.h + (1 + GELU) * self.h + 2 * self.h


def paper_electra(h: int, layers: int, generator_h: int, **training: int) -> tuple[PaperNetwork, ...]:
    """Return the discriminator and the generator of a model of the paper, which share their embeddings."""
    discriminator = PaperNetwork(h, layers, **{"e": h, **training}, head="rtd")  # type: ignore[arg-type]
    return discriminator, replace(discriminator, h=generator_h, head="mlm")


# T5-11B, whose decoder counts as a second network with two attentions a layer; its encoder has no softmax.
T5_ENCODER = PaperNetwork(1024, 24, 2048, 1_000_000, v=32_000, i=65_536, heads=128, head_size=128, predicted=0.0)
T5_DECODER = replace(T5_ENCODER, predicted=1.0, cross_attention=True)
PAPER: dict[str, tuple[PaperNetwork, ...]] = {
    "gpt": (PaperNetwork(768, 12, 128, 960_800, v=40_000, predicted=1.0),),
    "bert_small": (PaperNetwork(256, 12, 128, 1_450_000, s=128, e=128),),
    "bert_base": (PaperNetwork(768, 12, 256, 1_000_000),),
    "bert_large": (PaperNetwork(1024, 24, 256, 1_000_000),),
    "electra_small": paper_electra(256, 12, 64, batch=128, steps=1_000_000, s=128, e=128),
    "electra_base": paper_electra(768, 12, 256, batch=256, steps=766_000),
    "electra_400k": paper_electra(1024, 24, 256, batch=2048, steps=400_000),
    "electra_1.75M": paper_electra(1024, 24, 256, batch=2048, steps=1_750_000),
    "roberta": (PaperNetwork(1024, 24, 8000, 500_000, v=50_265),),
    "albert": (PaperNetwork(4096, 12, 4096, 1_500_000, v=30_000, e=128),),
    "t5_11b": (T5_ENCODER, T5_DECODER),
}


# Forward passes that the authors had TensorFlow count: 10 epochs over words in batches of 20 x 128, and half a million
# steps of 8192 examples, counted on 32.
PAPER_COUNTED = {
    "elmo": 2 * 10 * 768_648_884 * 568_093_262_680 / (20 * 128),
    "xlnet": 2 * 500_000 * 8192 * 15_064_773_691_518 / 32,
}


def original_flops(name: str) -> float:
    """Return the training operations of a model of the paper, counted as its authors do."""
    require(
        name in PAPER_COUNTED or name in PAPER,
        f"unknown model {name!r}; the paper counts {', '.join([*PAPER_COUNTED, *PAPER])}",
    )
    return PAPER_COUNTED[name] if name in PAPER_COUNTED else float(sum(n.training_flops() for n in PAPER[name]))
