"""The sizes of ModernBERT's parts. No torch.

h hidden size, i feed-forward width, v vocabulary, n parameters of a LayerNorm.
"""

from __future__ import annotations

from electra.config.modernbert import ModernBertConfig
from electra.models.matrices import Attention, Matrix, Part, Sizes, memory


def sizes(config: ModernBertConfig, towers: int = 1) -> Sizes:
    """Return the parts of an encoder, and of its heads; the head that predicts tokens reads `towers` encoders."""
    h, v = config.hidden_size, config.vocab_size
    n = h * (1 + config.norm_bias)
    hidden = h * config.classifier_bias + n  # of a head
    pairs = memory(config)
    return Sizes(
        embeddings=pairs._replace(others=v * h + n + pairs.others),
        projection=Part(),
        layers=layers_of(config, n),
        attention=attention_of(config),
        rtd_head=Part((Matrix(h, h), Matrix(h, 1)), hidden + 1),
        mlm_head=Part((Matrix(towers * h, h), Matrix(h, v, is_tied=True)), hidden + v * config.decoder_bias),
    )


def layers_of(config: ModernBertConfig, n: int) -> Part:
    """Return all layers; the last makes queries, keys and values of every token, and the rest where it is asked to."""
    h, i, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    qkv = Matrix(h, 3 * h, layers)
    after = [Matrix(*sides, layers, last=1) for sides in ((h, h), (h, 2 * i), (i, h))]
    biases = 4 * h * config.attention_bias + (2 * i + h) * config.mlp_bias
    norms = 2 * layers * n  # one less in the first layer, one more on top
    return Part((qkv, *after), layers * biases + norms)


def attention_of(config: ModernBertConfig) -> tuple[Attention, ...]:
    """Return the attention of the layers that see the whole text, and of those that see a window."""
    last = config.num_hidden_layers - 1
    whole = sum(config.is_global(number) for number in range(last + 1))
    h, heads, is_global = config.hidden_size, config.num_attention_heads, config.is_global(last)
    kinds = (
        Attention(h, heads, whole, last=int(is_global)),
        Attention(h, heads, last + 1 - whole, last=int(not is_global), block=config.block),
    )
    return tuple(attention for attention in kinds if attention.times)
