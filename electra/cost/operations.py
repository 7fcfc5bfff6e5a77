"""Operations, parameters and memory of training, from the objective and the backbone. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from electra.checkpoints.locate import masked_lm_folder, stated_backbone
from electra.config import EncoderConfig, PretrainConfig
from electra.config.model import PAIRS
from electra.core.storage import read_object
from electra.models.matrices import Attention, Sizes
from electra.models.registry import architecture_of

# -- the networks of a step --------------------------------------------------------------------------------------------


class Trained(NamedTuple):
    """A network of a training step, and the shares of it that are computed."""

    part: Literal["encoder", "generator"]
    shape: EncoderConfig
    requested: float  # share of the tokens at its last layer and softmax
    trained: float  # share of a training pass: a third for the forward pass alone
    towers: int = 1  # encoders of this shape
    has_rtd_head: bool = False
    has_mlm_head: bool = True

    @property
    def sizes(self) -> Sizes:
        """The sizes of one encoder and its heads."""
        return architecture_of(self.shape).sizes(self.shape, self.towers)


def networks(config: PretrainConfig, done: float = 1.0) -> list[Trained]:
    """Return the networks of a step, the main one first; shares are averages up to `done` of the training."""
    traits, generator = config.traits, generator_shape(config)
    main, proposing = shares_of_training(config, done)
    predicts = traits.head != "rtd"
    predicted = 1.0 if traits.predicts == "all" else config.mask_prob
    found = [Trained("encoder", config.model, predicted if predicts else 1.0, main, 1, traits.head != "mlm", predicts)]
    if generator:
        proposed = config.mask_prob if traits.generator_towers == 1 else 1.0  # several towers read no [MASK]
        found.append(Trained("generator", generator, proposed, proposing, traits.generator_towers))
    return found


def shares_of_training(config: PretrainConfig, done: float) -> tuple[float, float]:
    """Return the main network's and the generator's mean shares of a full training pass, up to `done`."""
    if config.traits.generator_alone_first:
        alone = min(1.0, config.generator_stage / done)
        return 1 - alone, alone + (1 - alone) / 3
    return 1.0, 1.0 if config.trains_generator else 1 / 3


def generator_shape(config: PretrainConfig) -> EncoderConfig | None:
    """Return the generator's shape, from the configuration or from a folder; None without a generator network."""
    if config.traits.generator == "none":
        return None
    if config.trains_generator:
        return config.generator
    if not config.generator_folder:
        return None
    folder = masked_lm_folder(Path(config.generator_folder))
    content = read_object(folder / "config.json")
    return stated_backbone(content, folder).read_config(content, folder)


# -- operations --------------------------------------------------------------------------------------------------------


def flops_per_token(config: PretrainConfig, seq_length: int, done: float = 1.0) -> dict[str, float]:
    """Return the training operations per token of each part and in total, averaged up to `done` of the training.

    A token costs six operations for every weight of a matrix that multiplies it, two in a network that is not trained,
    and 12 x hidden size x keys for every layer, whether a mask hides them or not; look-ups are free, and so is what a
    backward pass computes again to save memory. Heads over the vocabulary and the layer below them, except its queries,
    keys and values, are computed for some of the tokens only. The total is approximate for two_stage with short rows.
    """
    lengths = row_lengths(config, seq_length, done)
    found = dict.fromkeys(("encoder", "generator", "projections", "rtd_head", "mlm_head"), 0.0)
    for network in networks(config, done):
        sizes, requested, encoders = network.sizes, network.requested, network.trained * network.towers
        layers = 6.0 * sizes.layers.multiplications(requested) + attention_flops(sizes.attention, lengths, requested)
        found[network.part] += encoders * layers
        found["projections"] += (
            encoders * 6.0 * (sizes.embeddings.multiplications() + sizes.projection.multiplications())
        )
        if network.has_rtd_head:
            found["rtd_head"] += network.trained * 6.0 * sizes.rtd_head.multiplications()
        if network.has_mlm_head:
            found["mlm_head"] += network.trained * 6.0 * requested * sizes.mlm_head.multiplications()
    return {**found, "total": sum(found.values())}


def attention_flops(attention: Sequence[Attention], lengths: Sequence[tuple[int, float]], requested: float) -> float:
    """Return the training operations per token of the products of queries, keys and values, in rows of `lengths`."""
    return sum(
        share * 12.0 * a.passes(requested, length) * a.width * a.attended(length)
        for a in attention
        for length, share in lengths
    )


def row_lengths(config: PretrainConfig, seq_length: int, done: float) -> list[tuple[int, float]]:
    """Return the tokens of short and of full rows, and the share of each in the training up to `done`."""
    short = min(1.0, config.short_stage / done) if config.short_stage else 0.0
    return [(min(config.short_length, seq_length), short), (seq_length, 1 - short)]


def scheduled_tokens(config: PretrainConfig, seq_length: int) -> int:
    """Return the tokens that the full schedule reads, in rows without padding."""
    tokens = config.train_steps * config.train_batch_size * seq_length
    return min(tokens, config.max_tokens) if config.max_tokens else tokens


# -- parameters and memory ---------------------------------------------------------------------------------------------


def parameter_counts(config: PretrainConfig) -> dict[str, int]:
    """Return the parameters of each part and in total; shared ones count once, and `encoder` includes `embeddings`."""
    main, *generators = networks(config)
    counts = {
        "embeddings": main.sizes.embeddings.parameters,
        "encoder": main.sizes.embeddings.parameters + main.sizes.body,
        "rtd_head": main.sizes.rtd_head.parameters * main.has_rtd_head,
        "generator": sum(generator_parameters(config, generator) for generator in generators),
        "mlm_head": sum(n.sizes.mlm_head.parameters for n in (main, *generators) if n.has_mlm_head),
    }
    return {**counts, "total": sum(counts.values()) - counts["embeddings"]}


def generator_parameters(config: PretrainConfig, generator: Trained) -> int:
    """Return the generator's parameters that the main network does not share, without its head."""
    body = 0 if config.share == "all" else generator.towers * generator.sizes.body
    tables = generator.sizes.embeddings.parameters if config.share in ("none", "gdes") else 0
    baseline = generator.shape.hidden_size + 1 if config.traits.generator_baseline else 0
    return body + tables + baseline


def pair_numbers(config: PretrainConfig) -> int:
    """Return the parameters in the tables of memories of word pairs."""
    of_model = PAIRS * config.model.memory * config.model.memory_size
    apart = config.traits.generator != "none" and config.share in ("none", "gdes")
    return of_model * (1 + (apart and generator_shape(config) is not None))


def memory_bytes(config: PretrainConfig, seq_length: int, rows: int) -> dict[str, int]:
    """Return the exact bytes of training state in fp32, and an estimate of the activations kept for the backward pass.

    `rows` is the size of a micro-batch. Logits over the vocabulary are kept in three fp32 copies. Precision "auto" is
    counted as bf16. A memory's tables have one moment a row; on a CPU their gradient is sparse and not counted.
    """
    parameters, pairs = parameter_counts(config)["total"], pair_numbers(config)
    predicted = 1.0 if config.traits.predicts == "all" else config.mask_prob
    main, *generators = networks(config)
    kept = kept_values(main.sizes, main.requested, seq_length)
    if config.trains_generator:  # a frozen generator has no backward pass
        kept += sum(generator.towers * kept_values(generator.sizes, predicted, seq_length) for generator in generators)
    value_bytes = 4 if config.precision == "fp32" else 2
    logits = predicted * config.model.vocab_size * 3 * 4
    parts = {
        "weights": 4 * parameters,
        "gradients": 4 * (parameters - pairs),
        "adam_moments": 8 * (parameters - pairs) + 4 * pairs // config.model.memory_size,
        "activations_estimate": round(rows * seq_length * (kept * value_bytes + logits)),
    }
    return {**parts, "total": sum(parts.values())}


def kept_values(sizes: Sizes, requested: float, length: int) -> float:
    """Estimate the values per token of rows that the layers of an encoder keep for the backward pass.

    These are the input and output of every matrix and one more vector per layer, but no attention matrix: fused kernels
    and long rows on a CPU compute theirs again. On a CPU short rows and blocks keep their scores besides.
    """
    matrices = sum(m.passes(requested) * (m.d_in + m.d_out) for m in sizes.layers.matrices)
    return matrices + sum(a.passes(requested, length) * a.width for a in sizes.attention)
