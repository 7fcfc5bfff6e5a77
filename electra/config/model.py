"""Shape of an encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from electra.config.base import arg, require


@dataclass(frozen=True)
class ElectraConfig:
    """The shape of one Transformer encoder."""

    model_type: ClassVar[str] = "electra"  # its backbone's key in electra/models/registry.py
    vocab_size: int = arg(30522, "entries of the vocabulary; taken from the data when pre-training")
    embedding_size: int = arg(128, "width of the word, position and segment vectors")
    hidden_size: int = arg(256, "width of the hidden states")
    num_hidden_layers: int = arg(12, "number of layers")
    num_attention_heads: int = arg(4, "number of attention heads; must divide hidden_size")
    intermediate_size: int = arg(1024, "inner width of the feed-forward sub-layer")
    max_position_embeddings: int = arg(512, "maximum length of a text, in tokens")
    type_vocab_size: int = arg(2, "number of segments")
    hidden_dropout_prob: float = arg(0.1, "dropout of embeddings and of the output of each sub-layer")
    attention_probs_dropout_prob: float = arg(0.1, "dropout of attention probabilities")
    layer_norm_eps: float = arg(1e-12, "epsilon of every LayerNorm")
    initializer_range: float = arg(0.02, "standard deviation of the truncated normal distribution of first weights")
    pad_token_id: int = arg(0, "id of the padding token; taken from the tokeniser when pre-training")

    def __post_init__(self) -> None:
        for name in ("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                     "intermediate_size", "max_position_embeddings", "type_vocab_size"):  # fmt: skip
            require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            require(0 <= getattr(self, name) <= 0.99, f"{name} must be in [0, 0.99], got {getattr(self, name)}")
        if self.hidden_size % self.num_attention_heads:
            fitting = [n for n in range(1, min(self.hidden_size, 4096) + 1) if self.hidden_size % n == 0]
            nearest = min(fitting, key=lambda n: abs(n - self.num_attention_heads))
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} does not divide hidden_size {self.hidden_size}; "
                f"{nearest} does"
            )

    def generator(self, width: float, depth: float) -> ElectraConfig:
        """Return the generator's shape: the same embeddings, fractions of the width and the layers (section 3.2).

        Raises:
            ValueError: the heads do not divide the width.
        """
        hidden = max(1, round(self.hidden_size * width))
        head_size = self.hidden_size // self.num_attention_heads
        heads = max(1, hidden // head_size)
        require(
            hidden % heads == 0,
            f"generator_width {width:g} gives a hidden size of {hidden}, which heads of {head_size} do not divide; "
            f"choose a multiple of {head_size / self.hidden_size:g}",
        )
        return replace(
            self,
            hidden_size=hidden,
            num_hidden_layers=max(1, round(self.num_hidden_layers * depth)),
            num_attention_heads=heads,
            intermediate_size=max(1, round(self.intermediate_size * width)),
        )
