"""The shapes of encoders: what every backbone has, and ELECTRA's."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from electra.config.base import arg, refuse_unknown, require, require_at_least

MOST_BUCKETS = 1 << 22  # of a kind of pair; the numbers of all rows are whole in fp32
PAIRS = 3  # kinds of word pairs in a memory: (left, this), (this, right), (left, right)
MEMORY = "buckets for each of the three kinds of word pairs in a memory beside the word vectors; 0: no memory"
MEMORY_SIZE = "numbers in a bucket of the memory"


@dataclass(frozen=True)
class EncoderConfig:
    """What the shape of every backbone has; a subclass that states its `model_type` adds the rest, with defaults."""

    model_type: ClassVar[str]  # the backbone's key in electra/models/registry.py
    dropouts: ClassVar[tuple[str, ...]]  # fields that are dropout probabilities of the encoder
    of_type: ClassVar[dict[str, type[EncoderConfig]]] = {}  # the configuration class of each backbone
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    initializer_range: float
    pad_token_id: int
    memory: int
    memory_size: int

    def __init_subclass__(cls) -> None:
        """Register a backbone's configuration class."""
        super().__init_subclass__()
        if "model_type" in vars(cls):
            EncoderConfig.of_type[cls.model_type] = cls

    def __post_init__(self) -> None:
        require_at_least(
            self,
            1,
            "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
            "max_position_embeddings", "memory_size",
        )  # fmt: skip
        require(0 <= self.memory <= MOST_BUCKETS, f"memory must be in [0, {MOST_BUCKETS}], got {self.memory}")
        for name in self.dropouts:
            require(0 <= getattr(self, name) <= 0.99, f"{name} must be in [0, 0.99], got {getattr(self, name)}")
        if self.hidden_size % self.num_attention_heads:
            fitting = [n for n in range(1, min(self.hidden_size, 4096) + 1) if self.hidden_size % n == 0]
            nearest = min(fitting, key=lambda n: abs(n - self.num_attention_heads))
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} does not divide hidden_size {self.hidden_size}; "
                f"{nearest} does"
            )

    @property
    def embedding_width(self) -> int:
        """The width of the word vectors."""
        return self.hidden_size

    @property
    def head_dropout(self) -> float:
        """The dropout before the matrix of a task's head."""
        return 0.0

    @property
    def has_dropout(self) -> bool:
        """Whether the network is trained with dropout."""
        return any(getattr(self, name) for name in self.dropouts)

    def with_dropout(self, probability: float) -> Self:
        """Return the same shape with one probability for every dropout."""
        same: dict[str, Any] = dict.fromkeys(self.dropouts, probability)
        return replace(self, **same)

    def for_corpus_start(self) -> Self:
        """Return the shape with all the weights that `--init corpus` sets."""
        return self

    def trained_as(self, other: EncoderConfig) -> Self:
        """Return the same shape with the fields of `other` that do not describe weights, if it is of the same kind."""
        same = (*self.dropouts, "initializer_range") if type(other) is type(self) else ()
        return replace(self, **{name: getattr(other, name) for name in same})

    def generator(self, width: float, depth: float) -> Self:
        """Return the generator's shape: the same embeddings, fractions of the width and the layers (section 3.2).

        Raises:
            ValueError: the heads do not divide the width.
        """
        return self.scaled(width, depth)

    def scaled(self, width: float, depth: float) -> Self:
        """Return fractions of the width and the layers; ValueError where the heads do not divide the width."""
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


@dataclass(frozen=True)
class ElectraConfig(EncoderConfig):
    """The shape of one Transformer encoder."""

    model_type: ClassVar[str] = "electra"
    dropouts: ClassVar[tuple[str, ...]] = ("hidden_dropout_prob", "attention_probs_dropout_prob")
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
    memory: int = arg(0, MEMORY)
    memory_size: int = arg(32, MEMORY_SIZE)

    def __post_init__(self) -> None:
        require_at_least(self, 1, "embedding_size", "type_vocab_size")
        super().__post_init__()

    @property
    def embedding_width(self) -> int:
        return self.embedding_size

    @property
    def head_dropout(self) -> float:
        return self.hidden_dropout_prob


def shape_from_dict(content: dict[str, Any], where: str) -> EncoderConfig:
    """Return the shape in a run's config.json, an ELECTRA's where no `model_type` is named; ValueError for no shape."""
    name = content.get("model_type", "electra")
    known = isinstance(name, str) and name in EncoderConfig.of_type
    require(known, f"{where}: model_type {name!r} is unknown; there are {', '.join(EncoderConfig.of_type)}")
    kind = EncoderConfig.of_type[name]
    given = {key: value for key, value in content.items() if key != "model_type"}
    refuse_unknown(given, {f.name for f in fields(kind)}, where)
    return kind(**given)
