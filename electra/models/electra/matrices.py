"""Sizes of ELECTRA's parts. No torch.

h hidden size, i feed-forward width, e embedding width, v vocabulary.
"""

from __future__ import annotations

from electra.config.model import ElectraConfig
from electra.models.matrices import Attention, Matrix, Part, Sizes, memory


def sizes(config: ElectraConfig, towers: int = 1) -> Sizes:
    """Return the sizes of an encoder and its heads; the MLM head reads `towers` encoders."""
    e, h, v, layers = config.embedding_size, config.hidden_size, config.vocab_size, config.num_hidden_layers
    tables, pairs = (v + config.max_position_embeddings + config.type_vocab_size + 2) * e, memory(config)
    return Sizes(
        embeddings=pairs._replace(others=tables + pairs.others),
        projection=Part((Matrix(e, h),), h) if e != h else Part(),
        layers=layers_of(config),
        attention=(Attention(h, config.num_attention_heads, layers, last=1),),
        rtd_head=Part((Matrix(h, h), Matrix(h, 1)), h + 1),
        mlm_head=Part((Matrix(towers * h, e), Matrix(e, v, is_tied=True)), 3 * e + v),
    )


def layers_of(config: ElectraConfig) -> Part:
    """Return all layers as one Part; the last computes only queries, keys and values for every token."""
    h, i, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    qkv = Matrix(h, 3 * h, layers)
    after = [Matrix(*sides, layers, last=1) for sides in ((h, h), (h, i), (i, h))]
    biases, norms = 5 * h + i, 4 * h
    return Part((qkv, *after), layers * (biases + norms))
