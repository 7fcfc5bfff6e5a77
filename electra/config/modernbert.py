"""The shape of an encoder of ModernBERT's architecture (Warner et al., 2024)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from electra.config.base import arg, require, require_at_least
from electra.config.model import MEMORY, MEMORY_SIZE, EncoderConfig

BLOCKS_PAY = 5  # blocks of a row from which computing them takes less time than masking all pairs of slots


@dataclass(frozen=True)
class ModernBertConfig(EncoderConfig):
    """The shape of one ModernBERT encoder; the names and defaults are those of `transformers`."""

    model_type: ClassVar[str] = "modernbert"
    dropouts: ClassVar[tuple[str, ...]] = (
        "embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout",
    )  # fmt: skip
    vocab_size: int = arg(50368, "entries of the vocabulary; taken from the data when pre-training")
    hidden_size: int = arg(768, "width of the word vectors and of the hidden states")
    num_hidden_layers: int = arg(22, "number of layers")
    num_attention_heads: int = arg(12, "number of attention heads; must divide hidden_size, by an even number")
    intermediate_size: int = arg(1152, "inner width of the feed-forward sub-layer, after gating")
    max_position_embeddings: int = arg(8192, "maximum length of a text, in tokens")
    global_attn_every_n_layers: int = arg(3, "one layer in so many, the first among them, sees the whole text")
    local_attention: int = arg(128, "window of the other layers: half of it to each side, in tokens")
    global_rope_theta: float = arg(160_000.0, "base of the rotary frequencies in layers that see the whole text")
    local_rope_theta: float = arg(10_000.0, "base of the rotary frequencies in the other layers")
    attention_bias: bool = arg(
        False, "biases in attention, which --init corpus uses for heads that start on neighbours"
    )
    mlp_bias: bool = arg(False, "biases in the feed-forward sub-layer")
    norm_bias: bool = arg(False, "biases in every LayerNorm")
    decoder_bias: bool = arg(True, "a bias for each entry of the vocabulary where tokens are predicted")
    classifier_bias: bool = arg(False, "biases in the hidden layer of every head")
    classifier_pooling: Literal["cls", "mean"] = arg("cls", "what a text is classified by: [CLS], or the mean")
    embedding_dropout: float = arg(0.0, "dropout of the embeddings")
    attention_dropout: float = arg(0.0, "dropout of attention probabilities and of the output of attention")
    mlp_dropout: float = arg(0.0, "dropout inside of the feed-forward sub-layer")
    classifier_dropout: float = arg(0.0, "dropout before the matrix of a task's head")
    norm_eps: float = arg(1e-5, "epsilon of every LayerNorm")
    initializer_range: float = arg(0.02, "standard deviation of the truncated normal distribution of first weights")
    pad_token_id: int = arg(0, "id of the padding token; taken from the tokeniser when pre-training")
    memory: int = arg(0, MEMORY)
    memory_size: int = arg(32, MEMORY_SIZE)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(
            self, 1, "global_attn_every_n_layers", "local_attention", "global_rope_theta", "local_rope_theta"
        )
        size = self.hidden_size // self.num_attention_heads
        require(size % 2 == 0, f"heads of {size} dimensions cannot rotate: hidden_size / num_attention_heads is odd")
        pooling = self.classifier_pooling
        require(pooling in ("cls", "mean"), f"classifier_pooling is cls or mean, not {pooling!r}")

    @property
    def head_dropout(self) -> float:
        return self.classifier_dropout

    @property
    def head_size(self) -> int:
        """The dimensions of an attention head."""
        return self.hidden_size // self.num_attention_heads

    def for_corpus_start(self) -> Self:
        """Return the shape with biases in attention, by which heads start on their neighbours."""
        return replace(self, attention_bias=True)

    def is_global(self, layer: int) -> bool:
        """Return whether a layer sees the whole text."""
        return layer % self.global_attn_every_n_layers == 0

    def block(self, length: int) -> int:
        """Return the slots of a block in which local layers read rows of a length, half a window; 0: no blocks."""
        size = max(1, self.local_attention // 2)
        return size if length >= BLOCKS_PAY * size else 0

    def rope_theta(self, layer: int) -> float:
        """Return the base of a layer's rotary frequencies."""
        return self.global_rope_theta if self.is_global(layer) else self.local_rope_theta

    def generator(self, width: float, depth: float) -> Self:
        """Return the generator's shape: the same width, a fraction of the layers (DeBERTaV3, section 3).

        Raises:
            ValueError: a generator of another width, which could not share the word vectors.
        """
        require(
            width == 1,
            f"a generator of ModernBERT's architecture is as wide as its discriminator: set generator_width to 1, not "
            f"{width:g}, and make it smaller with generator_depth",
        )
        return self.scaled(width, depth)
