"""What a pre-training run costs: floating-point operations, parameters, memory, time.

Two counts of operations live here. `original_flops` is the paper's (every operation of a forward pass, times two), to
compare with its tables; `flops_per_token` is the rule of today (six for each matrix parameter a token passes, plus
attention), to compute the utilisation of a machine. h hidden size, i feed-forward width, e embedding width, s length,
v vocabulary.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from electra.config import PRESETS, SEQ_LENGTHS, ElectraConfig, FlopsConfig, PretrainConfig, require

if TYPE_CHECKING:
    from rich.console import Group

FLOPS_TIMED = 3e11  # of one step, when a CPU's speed is measured: a second or a few

# Operations an element costs in the paper's count.
DROPOUT, LAYER_NORM, GELU, SOFTMAX = 4, 5, 8, 5


@dataclass(frozen=True)
class PaperNetwork:
    """One network of the paper's Tables 1, 2, 3 and 8, and how long it was trained.

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
        """Operations of the whole training."""
        head = self.mlm_head_flops() if self.head == "mlm" else self.rtd_head_flops()
        token = self.layers * self.layer_flops() + self.embedding_flops() + head
        return 2 * self.batch * self.steps * self.s * token

    def layer_flops(self) -> int:
        """Operations of one layer in the forward pass, per token."""
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
        """Operations of the input embeddings, per token."""
        e = self.e or self.h
        words = 2 * e * self.v
        positions_and_segments = 2 * e * (self.s + 2) + 2 * e
        projection = 2 * self.h * e + self.h if e != self.h else 0
        return words + positions_and_segments + (LAYER_NORM + DROPOUT) * e + projection

    def mlm_head_flops(self) -> float:
        """Operations of the softmax over the vocabulary, averaged over all tokens."""
        e = self.e or self.h
        transform = 2 * self.h * e + (1 + GELU + LAYER_NORM) * e
        return self.predicted * (transform + 2 * e * self.v + (SOFTMAX + 2) * self.v)

    def rtd_head_flops(self) -> int:
        """Operations of the original-or-replaced head, per token."""
        return 2 * self.h * self.h + (1 + GELU) * self.h + 2 * self.h


def paper_electra(h: int, layers: int, generator_h: int, **training: int) -> tuple[PaperNetwork, ...]:
    """Discriminator and generator of the paper's ELECTRA, which share their embeddings."""
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
    """Training operations of a model of the paper, as its authors counted them."""
    require(
        name in PAPER_COUNTED or name in PAPER,
        f"unknown model {name!r}; the paper counts {', '.join([*PAPER_COUNTED, *PAPER])}",
    )
    return PAPER_COUNTED[name] if name in PAPER_COUNTED else float(sum(n.training_flops() for n in PAPER[name]))


def flops_per_token(config: PretrainConfig, seq_length: int, mean_attended: float | None = None) -> dict[str, float]:
    """Training operations per token and part, with their total.

    Six for every matrix parameter the token passes through (the MLM head by its masked share only) and 12 x layers x
    hidden size x attended length; look-ups are free. `mean_attended` is the mean length of the examples that share a
    row (default: `seq_length`, one example a row).
    """
    attended = seq_length if mean_attended is None else mean_attended
    encoder = config.model
    generator = None if config.objective == "mlm" else config.generator
    e, predictor = encoder.embedding_size, generator or encoder
    parts = {
        "encoder": layers_flops(encoder, attended),
        "generator": layers_flops(generator, attended) if generator else 0.0,
        "projections": 6.0 * sum(e * n.hidden_size for n in (encoder, generator) if n and n.hidden_size != e),
        "rtd_head": 6.0 * (encoder.hidden_size**2 + encoder.hidden_size) if generator else 0.0,
        "mlm_head": 6.0 * config.mask_prob * e * (predictor.hidden_size + encoder.vocab_size),
    }
    return {**parts, "total": sum(parts.values())}


def layers_flops(shape: ElectraConfig, attended: float) -> float:
    """Training operations per token of an encoder's layers."""
    h, layers = shape.hidden_size, shape.num_hidden_layers
    matrices = 4 * h * h + 2 * h * shape.intermediate_size
    return 6.0 * layers * matrices + 12.0 * layers * h * attended


def parameter_counts(config: PretrainConfig) -> dict[str, int]:
    """Parameters of each part and in total; what is shared counts once, and `encoder` includes `embeddings`."""
    encoder = config.model
    e, h, v = encoder.embedding_size, encoder.hidden_size, encoder.vocab_size
    embeddings = (v + encoder.max_position_embeddings + encoder.type_vocab_size) * e + 2 * e
    predictor, generator, rtd_head = encoder, 0, 0
    if config.objective != "mlm":
        predictor, rtd_head = config.generator, h * h + h + h + 1
        generator = 0 if config.share == "all" else body_parameters(predictor)
        generator += embeddings if config.share == "none" else 0
    counts = {
        "embeddings": embeddings,
        "encoder": embeddings + body_parameters(encoder),
        "rtd_head": rtd_head,
        "generator": generator,
        "mlm_head": predictor.hidden_size * e + e + 2 * e + v,
    }
    return {**counts, "total": sum(counts.values()) - embeddings}


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
    matrix; the MLM head three fp32 copies of its logits. `rows` are those of one micro-batch. Precision "auto" is
    counted as bf16.
    """
    parameters = parameter_counts(config)["total"]
    networks = [config.model] if config.objective == "mlm" else [config.model, config.generator]
    kept = sum(n.num_hidden_layers * (9 * n.hidden_size + 2 * n.intermediate_size) for n in networks)
    value_bytes = 4 if config.precision == "fp32" else 2
    logits = config.mask_prob * config.model.vocab_size * 3 * 4
    parts = {
        "weights": 4 * parameters,
        "gradients": 4 * parameters,
        "adam_moments": 8 * parameters,
        "activations_estimate": round(rows * seq_length * (kept * value_bytes + logits)),
    }
    return {**parts, "total": sum(parts.values())}


def scheduled_tokens(config: PretrainConfig, seq_length: int) -> int:
    """Tokens the full schedule reads, rows taken as full."""
    tokens = config.train_steps * config.train_batch_size * seq_length
    return min(tokens, config.max_tokens) if config.max_tokens else tokens


def flops(config: FlopsConfig) -> None:
    """Print what pre-training a preset costs: operations, parameters, memory and, if measured, time."""
    from rich.console import Console

    name = config.preset
    require(name in PRESETS, f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
    run, length = PRESETS[name], config.seq_length or SEQ_LENGTHS[name]
    limit = run.model.max_position_embeddings
    require(1 <= length <= limit, f"seq_length must be in [1, {limit}] for the preset {name}, got {length}")
    speed, source = measured_speed(run, length) if config.measure else (0.0, "")
    console = Console()
    console.print(f"ELECTRA preset [bold]{name}[/bold], rows of {length} tokens", highlight=False)
    console.print(report(run, length, speed or None, source))


def report(
    config: PretrainConfig, seq_length: int, tokens_per_second: float | None = None, source: str = "as given"
) -> Group:
    """Tables of the run's cost and of the paper's models; `source` says where the speed comes from."""
    from rich.console import Group
    from rich.table import Column, Table

    from electra.console import duration

    per_token = flops_per_token(config, seq_length)
    rows = config.micro_batch_size or min(128, config.train_batch_size)
    tokens = scheduled_tokens(config, seq_length)
    cost = Table("this configuration", Column("value", justify="right"))
    for part, value in per_token.items():
        cost.add_row(f"training FLOPs per token, {part}", f"{value / 1e6:,.2f} M")
    for part, count in parameter_counts(config).items():
        cost.add_row(f"parameters, {part}", f"{count:,}")
    for part, size in memory_bytes(config, seq_length, rows).items():
        cost.add_row(f"memory, {part}", f"{size / 2**20:,.0f} MiB")
    cost.add_row("  in micro-batches of", f"{rows} x {seq_length} tokens")
    cost.add_row("tokens in the full schedule", f"{tokens:,}")
    cost.add_row("training FLOPs of the full schedule", f"{tokens * per_token['total']:.3g}")
    if tokens_per_second:
        seconds = tokens / tokens_per_second
        cost.add_row(f"tokens per second, {source}", f"{tokens_per_second:,.0f}")
        cost.add_row("time for the full schedule at that speed", f"{duration(seconds)} ({seconds / 86_400:,.1f} days)")
    paper = Table("models of the paper", Column("training FLOPs, by the paper's count", justify="right"))
    for name in [*PAPER_COUNTED, *PAPER]:
        paper.add_row(name, f"{original_flops(name):.4g}")
    return Group(cost, "The paper counts otherwise (electra/flops.py): compare within a table, not across.", paper)


def measured_speed(config: PretrainConfig, seq_length: int) -> tuple[float, str]:
    """Tokens a second of a few real training steps on this machine, and how they were made; 0 without torch."""
    try:
        from electra.bench import random_rows, training_step, windows
        from electra.pretrain import choose_device
    except ImportError:
        return 0.0, "torch is not installed"
    device = choose_device(config.device)
    cost = flops_per_token(config, seq_length)["total"] * seq_length
    rows = 128 if device.type == "cuda" else max(1, min(32, int(FLOPS_TIMED / cost)))
    timed = replace(config, init="random", train_batch_size=rows, micro_batch_size=rows, compile="off")
    step, _ = training_step(timed, random_rows(config.model.vocab_size, rows, seq_length))
    seconds = statistics.median(windows(step, 3, 1, device))
    return rows * seq_length / seconds, f"measured on {device}: three steps of {rows} rows, not compiled"
