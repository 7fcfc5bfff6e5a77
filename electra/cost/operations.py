"""What a training costs: operations, parameters and memory of every objective. No torch.

h hidden size, i feed-forward width, e embedding width, v vocabulary.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from electra.checkpoints.locate import masked_lm_folder
from electra.config import ElectraConfig, PretrainConfig
from electra.core.storage import read_json

# The main network is a masked language model; all others end in a head that detects.
PREDICTS = ("mlm", "replace_mlm", "all_tokens_mlm")


def flops_per_token(
    config: PretrainConfig, seq_length: int, mean_attended: float | None = None, done: float = 1.0
) -> dict[str, float]:
    """Training operations per token and part, with their total; the mean until `done` of the training.

    Six for every matrix parameter the token passes through (two where nothing is learned; a softmax over the vocabulary
    by the share of the tokens it is made for, as is all but queries, keys and values of the layer below it) and 12 x
    layers x hidden size x attended length; look-ups are free. Of two_stage with short rows the total is approximate.
    `mean_attended` is the mean length of the examples that share a row (default: `seq_length`, one example a row).
    """
    attended = row_length(config, seq_length, done) if mean_attended is None else mean_attended
    encoder, generator = config.model, generator_shape(config)
    main, proposing = shares_of_training(config, done)
    towers = 2 if config.objective == "electric" else 1
    predicts = config.objective in PREDICTS
    predicted = 1.0 if config.objective == "all_tokens_mlm" else config.mask_prob  # share of the main network's tokens
    proposed = config.mask_prob if towers == 1 else 1.0
    parts = {
        "encoder": main * layers_flops(encoder, attended, predicted if predicts else 1.0),
        "generator": proposing * towers * layers_flops(generator, attended, proposed) if generator else 0.0,
        "projections": main * projection_flops(encoder)
        + (proposing * towers * projection_flops(generator) if generator else 0.0),
        "rtd_head": 0.0 if config.objective in ("mlm", "replace_mlm") else main * rtd_head_flops(encoder),
        "mlm_head": (main * mlm_head_flops(encoder, predicted) if predicts else 0.0)
        + (proposing * mlm_head_flops(generator, proposed, towers) if generator else 0),
    }
    return {**parts, "total": sum(parts.values())}


def shares_of_training(config: PretrainConfig, done: float = 1.0) -> tuple[float, float]:
    """How much of a full training pass the main network and the generator take at a token, on average until `done`.

    A forward pass alone is a third of it.
    """
    if config.objective == "two_stage":
        alone = min(1.0, config.generator_stage / done)
        return 1 - alone, alone + (1 - alone) / 3
    return 1.0, 1.0 if config.generator_kind == "mlm" else 1 / 3


def row_length(config: PretrainConfig, seq_length: int, done: float = 1.0) -> float:
    """Tokens of a row, on average until `done`."""
    short = min(1.0, config.short_stage / done) if config.short_stage else 0.0
    return short * min(config.short_length, seq_length) + (1 - short) * seq_length


def generator_shape(config: PretrainConfig) -> ElectraConfig | None:
    """The generator's shape: the configuration's, a folder's, or none."""
    if config.objective == "mlm" or config.generator_kind in ("uniform", "unigram"):
        return None
    if config.generator_kind == "mlm":
        return config.generator
    content = read_json(masked_lm_folder(Path(config.generator_kind)) / "config.json")
    content.setdefault("embedding_size", content.get("hidden_size", ElectraConfig.embedding_size))  # BERT has no other
    return ElectraConfig(**{f.name: content[f.name] for f in fields(ElectraConfig) if f.name in content})


def layers_flops(shape: ElectraConfig, attended: float, asked: float = 1.0) -> float:
    """Training operations per token of an encoder's layers, the last one made for an `asked` share of the tokens."""
    h, i, layers = shape.hidden_size, shape.intermediate_size, shape.num_hidden_layers
    passed = layers - 1 + asked  # but for queries, keys and values, which are made for all
    return 6.0 * (layers * 3 * h * h + passed * (h * h + 2 * h * i)) + 12.0 * passed * h * attended


def projection_flops(shape: ElectraConfig) -> float:
    """Training operations per token between the embeddings and the first layer."""
    return 6.0 * shape.embedding_size * shape.hidden_size if shape.embedding_size != shape.hidden_size else 0.0


def rtd_head_flops(shape: ElectraConfig) -> float:
    """Training operations per token of the head that detects."""
    return 6.0 * (shape.hidden_size**2 + shape.hidden_size)


def mlm_head_flops(shape: ElectraConfig, share: float, towers: int = 1) -> float:
    """Training operations per token of the softmax over the vocabulary, made for a `share` of the tokens."""
    return 6.0 * share * shape.embedding_size * (towers * shape.hidden_size + shape.vocab_size)


def parameter_counts(config: PretrainConfig) -> dict[str, int]:
    """Parameters of each part and in total; what is shared counts once, and `encoder` includes `embeddings`."""
    encoder, generator = config.model, generator_shape(config)
    objective, h, towers = config.objective, encoder.hidden_size, 2 if config.objective == "electric" else 1
    proposing = 0
    if generator:
        proposing = 0 if config.share == "all" else towers * body_parameters(generator)
        proposing += embedding_parameters(generator) if config.share in ("none", "gdes") else 0
        proposing += generator.hidden_size + 1 if objective == "adversarial" else 0  # the baseline
    counts = {
        "embeddings": embedding_parameters(encoder),
        "encoder": embedding_parameters(encoder) + body_parameters(encoder),
        "rtd_head": 0 if objective in ("mlm", "replace_mlm") else h * h + h + h + 1,
        "generator": proposing,
        "mlm_head": (mlm_head_parameters(encoder) if objective in PREDICTS else 0)
        + (mlm_head_parameters(generator, towers) if generator else 0),
    }
    return {**counts, "total": sum(counts.values()) - counts["embeddings"]}


def embedding_parameters(shape: ElectraConfig) -> int:
    """Parameters of the three tables and their LayerNorm."""
    return (shape.vocab_size + shape.max_position_embeddings + shape.type_vocab_size + 2) * shape.embedding_size


def mlm_head_parameters(shape: ElectraConfig, towers: int = 1) -> int:
    """Parameters of the head over the vocabulary; its table is the embeddings'."""
    return towers * shape.hidden_size * shape.embedding_size + 3 * shape.embedding_size + shape.vocab_size


def body_parameters(shape: ElectraConfig) -> int:
    """Parameters of an encoder without its embeddings: the projection, where the widths differ, and the layers."""
    e, h, i = shape.embedding_size, shape.hidden_size, shape.intermediate_size
    projection = e * h + h if e != h else 0
    attention = 4 * (h * h + h) + 2 * h
    feed_forward = 2 * h * i + i + h + 2 * h
    return projection + shape.num_hidden_layers * (attention + feed_forward)


def memory_bytes(config: PretrainConfig, seq_length: int, rows: int) -> dict[str, int]:
    """Bytes of training state in fp32, exact, and an estimate of the activations kept for the backward pass.

    A layer is taken to keep 9 vectors of the hidden size and 2 of the feed-forward width per token, and no attention
    matrix; the last one below a language model's head less; the head itself three fp32 copies of its logits. `rows` are
    those of one micro-batch. Precision "auto" is counted as bf16.
    """
    parameters, objective = parameter_counts(config)["total"], config.objective
    predicted = 1.0 if objective in ("all_tokens_mlm", "electric") else config.mask_prob
    kept = kept_values(config.model, predicted if objective in PREDICTS else 1.0)
    if objective != "mlm" and config.generator_kind == "mlm":  # a frozen one keeps nothing: it has no backward pass
        kept += (2 if objective == "electric" else 1) * kept_values(config.generator, predicted)
    value_bytes = 4 if config.precision == "fp32" else 2
    logits = predicted * config.model.vocab_size * 3 * 4
    parts = {
        "weights": 4 * parameters,
        "gradients": 4 * parameters,
        "adam_moments": 8 * parameters,
        "activations_estimate": round(rows * seq_length * (kept * value_bytes + logits)),
    }
    return {**parts, "total": sum(parts.values())}


def kept_values(shape: ElectraConfig, asked: float) -> float:
    """Values per token that an encoder's layers keep for the backward pass, the last one for an `asked` share of them.

    Its input, queries, keys and values it keeps for all.
    """
    h, i, layers = shape.hidden_size, shape.intermediate_size, shape.num_hidden_layers
    return layers * 4.0 * h + (layers - 1 + asked) * (5 * h + 2 * i)


def scheduled_tokens(config: PretrainConfig, seq_length: int) -> int:
    """Tokens the full schedule reads, rows taken as full."""
    tokens = config.train_steps * config.train_batch_size * seq_length
    return min(tokens, config.max_tokens) if config.max_tokens else tokens
