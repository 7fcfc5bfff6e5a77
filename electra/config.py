"""What a model is, how its text is prepared and how it is pre-trained. Standard library only.

One field is one command-line flag (cli.py); names are those of Hugging Face's `config.json` and of the paper.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any, Literal


def arg(default: Any, help: str, positional: bool = False) -> Any:
    """A dataclass field that carries its own help text."""
    return field(default=default, metadata={"help": help, "positional": positional})


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class ElectraConfig:
    """The shape of one Transformer encoder."""

    vocab_size: int = arg(30522, "entries of the vocabulary; taken from the data when pre-training")
    embedding_size: int = arg(128, "width of the word, position and segment vectors")
    hidden_size: int = arg(256, "width of the hidden states")
    num_hidden_layers: int = arg(12, "number of layers")
    num_attention_heads: int = arg(4, "number of attention heads; must divide hidden_size")
    intermediate_size: int = arg(1024, "width inside the feed-forward part of a layer")
    max_position_embeddings: int = arg(512, "the longest text the model can read, in tokens")
    type_vocab_size: int = arg(2, "number of segments")
    hidden_dropout_prob: float = arg(0.1, "dropout of embeddings and of what each sub-layer adds")
    attention_probs_dropout_prob: float = arg(0.1, "dropout of attention probabilities")
    layer_norm_eps: float = arg(1e-12, "epsilon of every LayerNorm")
    initializer_range: float = arg(0.02, "standard deviation of the truncated normal that weights start from")
    pad_token_id: int = arg(0, "id of the padding token; taken from the tokeniser when pre-training")

    def __post_init__(self) -> None:
        for name in ("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                     "intermediate_size", "max_position_embeddings", "type_vocab_size"):  # fmt: skip
            require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            require(0 <= getattr(self, name) < 1, f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.hidden_size % self.num_attention_heads:
            fitting = [n for n in range(1, self.hidden_size + 1) if self.hidden_size % n == 0]
            nearest = min(fitting, key=lambda n: abs(n - self.num_attention_heads))
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} does not divide hidden_size {self.hidden_size}; "
                f"{nearest} does"
            )

    def generator(self, width: float, depth: float) -> ElectraConfig:
        """The generator's shape: the same embeddings, a fraction of the width and of the layers (section 3.2)."""
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
class PrepareConfig:
    """How raw text becomes a tokeniser and shards of token ids."""

    sources: tuple[str, ...] = arg(
        (), "files, folders, globs, '-', 'python-docs', or 'hf:NAME' for a Hugging Face data set", True
    )
    out: str = arg("data/prepared", "folder to write")
    tokenizer: str = arg(
        "wordpiece", "wordpiece, bpe or unigram to train one; or a tokenizer.json, vocab.txt or model folder"
    )
    vocab_size: int = arg(30522, "entries of a trained vocabulary")
    lowercase: bool = arg(True, "lower-case and strip accents (a trained WordPiece or Unigram, or a vocab.txt)")
    seq_length: int = arg(128, "tokens an example holds at most, special tokens included")
    packing: Literal["two-segment", "paper"] = arg(
        "two-segment",
        "two-segment: the paper's examples with the remainder carried over; paper: as released, remainder lost",
    )
    document: Literal["blank-line", "line", "file"] = arg("blank-line", "what ends a document in a text file")
    text_column: str = arg(
        "text", "column of .jsonl, .csv, .tsv, .parquet and Hugging Face data sets that holds the text"
    )
    encoding: str = arg("utf-8", "encoding of text files")
    errors: Literal["strict", "replace"] = arg("strict", "what to do with bytes that are not text: stop, or put U+FFFD")
    heldout: float = arg(0.01, "share of the documents kept apart for evaluation")
    num_workers: int = arg(0, "processes; 0: one a core. The result is the same for any number")
    seed: int = arg(0, "seed of the packing's random choices")

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        require(len(self.sources) > 0, "no sources: name at least one file, folder or glob, or python-docs")
        require(8 <= self.seq_length <= 65536, f"seq_length must be in [8, 65536], got {self.seq_length}")
        require(0 <= self.heldout < 1, f"heldout must be in [0, 1), got {self.heldout}")
        require(self.vocab_size >= 100, f"vocab_size must be at least 100, got {self.vocab_size}")
        require(self.seed >= 0, f"seed must not be negative, got {self.seed}")
        require(self.num_workers >= 0, f"num_workers must not be negative, got {self.num_workers}")


@dataclass(frozen=True)
class PretrainConfig:
    """One pre-training run. The defaults are ELECTRA-Small (paper, Table 6)."""

    model: ElectraConfig = field(default_factory=ElectraConfig)
    data: str = arg("data/prepared", "folder that `electra prepare` wrote")
    out: str = arg("runs/electra", "folder of the run; the same command again continues it")
    # objective
    objective: str = arg("electra", "pre-training objective: electra, or mlm for BERT's")
    mask_prob: float = arg(0.15, "share of the tokens chosen for masking")
    mask_token_prob: float = arg(
        0.85, "share of the chosen tokens that [MASK] hides from the generator; the rest stays visible"
    )
    gen_weight: float = arg(1.0, "weight of the generator's loss")
    disc_weight: float = arg(50.0, "weight of the discriminator's loss (lambda in the paper)")
    temperature: float = arg(1.0, "softmax temperature when sampling from the generator")
    faithful: bool = arg(False, "mask as the released code does: positions with replacement, ids of doubles averaged")
    generator_width: float = arg(0.25, "generator's hidden size as a fraction of the discriminator's")
    generator_depth: float = arg(1.0, "generator's layers as a fraction of the discriminator's")
    share: Literal["none", "embeddings", "all"] = arg("embeddings", "weights both networks share")
    init: Literal["random", "corpus"] = arg(
        "random",
        "random: the paper's; corpus: word vectors from co-occurrence counts, heads that start on their neighbours",
    )
    # optimization
    learning_rate: float = arg(5e-4, "peak learning rate")
    weight_decay: float = arg(0.01, "decoupled weight decay, not applied to biases and LayerNorm")
    adam_beta1: float = arg(0.9, "decay of the mean gradient")
    adam_beta2: float = arg(0.999, "decay of the mean squared gradient")
    adam_epsilon: float = arg(1e-6, "added to the root of the mean squared gradient")
    max_grad_norm: float = arg(1.0, "the joint gradient is clipped to this norm")
    warmup_steps: int = arg(
        10_000, "steps over which the learning rate rises; the linear decay runs from the first step"
    )
    train_batch_size: int = arg(128, "rows an optimizer step sees, over all devices")
    micro_batch_size: int = arg(0, "rows a forward pass sees; 0: 32 on a CPU, 128 on a GPU, never more than the batch")
    packed: bool = arg(True, "put several short examples into a row, each blind to the others; off: one a row, padded")
    # budget: the first that is reached ends the run
    train_steps: int = arg(1_000_000, "optimizer steps, and the length of the schedule")
    max_tokens: int = arg(0, "stop after this many tokens; 0: no limit")
    max_minutes: float = arg(0.0, "train for this many minutes, the schedule following the clock; 0: no limit")
    # running
    seed: int = arg(0, "seed of everything random; with the step's number it decides masks, samples and dropout")
    device: str = arg("auto", "cpu, cuda, cuda:1 ...; auto: a GPU where there is one")
    precision: Literal["auto", "fp32", "bf16"] = arg(
        "auto", "what matrices are multiplied in; auto: bf16 where the machine has it"
    )
    compile: Literal["auto", "on", "off"] = arg(
        "auto", "compile the layers; auto: where a compiler is at hand and the run is long"
    )
    threads: int = arg(0, "CPU threads; 0: torch's choice")
    log_steps: int = arg(100, "steps between two lines of metrics")
    eval_steps: int = arg(5_000, "steps between two evaluations on held-out text; 0: only at the end")
    save_steps: int = arg(1_000, "steps between two checkpoints; 0: only at the end")
    save_total_limit: int = arg(2, "checkpoints kept")
    eval_batches: int = arg(32, "micro-batches of held-out text an evaluation reads at most")

    def __post_init__(self) -> None:
        for name in ("mask_prob", "temperature", "learning_rate", "max_grad_norm", "generator_width", "generator_depth",
                     "train_batch_size", "train_steps", "log_steps", "save_total_limit", "eval_batches"):  # fmt: skip
            require(getattr(self, name) > 0, f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("gen_weight", "disc_weight", "weight_decay", "warmup_steps", "micro_batch_size", "max_tokens",
                     "max_minutes", "threads", "eval_steps", "save_steps"):  # fmt: skip
            require(getattr(self, name) >= 0, f"{name} must not be negative, got {getattr(self, name)}")
        require(self.seed >= 0, f"seed must not be negative, got {self.seed}")
        require(self.mask_prob < 1, f"mask_prob must be in (0, 1), got {self.mask_prob}")
        require(0 < self.mask_token_prob <= 1, f"mask_token_prob must be in (0, 1], got {self.mask_token_prob}")
        require(0 <= self.adam_beta1 < 1 and 0 <= self.adam_beta2 < 1, "adam_beta1 and adam_beta2 must be in [0, 1)")
        require(
            self.share != "all" or (self.generator_width, self.generator_depth) == (1.0, 1.0),
            "share='all' needs a generator of the discriminator's size: set generator_width and generator_depth to 1",
        )
        require(
            not self.micro_batch_size or self.train_batch_size % self.micro_batch_size == 0,
            f"micro_batch_size {self.micro_batch_size} must divide train_batch_size {self.train_batch_size}",
        )
        if self.objective == "electra":
            self.model.generator(self.generator_width, self.generator_depth)

    @property
    def generator(self) -> ElectraConfig:
        """The generator's shape."""
        return self.model.generator(self.generator_width, self.generator_depth)


@dataclass(frozen=True)
class DetectConfig:
    """Mark the words of a text that look wrong."""

    model: str = arg("", "a run, or a Hugging Face ELECTRA directory", True)
    files: tuple[str, ...] = arg(("-",), "text files; - is standard input", True)
    threshold: float = arg(-1.0, "mark words at or above this probability; default: the model's own")
    suggestions: int = arg(3, "words proposed for each marked one")
    json: bool = arg(False, "print one JSON object a file instead of coloured text")
    html: str = arg("", "write a page with the marked texts to this file")

    def __post_init__(self) -> None:
        require(self.threshold <= 1, f"threshold is a probability, got {self.threshold}")


@dataclass(frozen=True)
class DemoConfig:
    """The whole way on text that is at hand: prepare, pre-train a tiny ELECTRA, show what it finds."""

    out: str = arg("runs/demo", "folder of the demo")
    source: str = arg("python-docs", "text to learn: python-docs, or anything electra prepare reads")
    minutes: float = arg(6.0, "minutes of training")

    def __post_init__(self) -> None:
        require(self.minutes > 0, f"minutes must be above 0, got {self.minutes}")


@dataclass(frozen=True)
class FlopsConfig:
    """Compute, parameters, memory and time of a configuration, beside the paper's table."""

    preset: str = arg("small", "tiny, small, small++, base or large")
    seq_length: int = arg(0, "tokens an example; 0: the preset's")
    measure: bool = arg(True, "time this machine's matrix products to estimate how long pre-training takes")


def preset(model: dict[str, Any], **run: Any) -> PretrainConfig:
    return PretrainConfig(model=ElectraConfig(**model), **run)


BASE = dict(embedding_size=768, hidden_size=768, num_attention_heads=12, intermediate_size=3072)
LARGE = dict(
    embedding_size=1024, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096
)
TINY = dict(vocab_size=4096, embedding_size=128, hidden_size=128, num_hidden_layers=4, num_attention_heads=4,
            intermediate_size=512, max_position_embeddings=128, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0)  # fmt: skip

# Paper, Table 6; small++ is the released "small" (generator as wide as the discriminator, four million steps);
# tiny learns in minutes on two cores (docs/tiny.md).
PRESETS: dict[str, PretrainConfig] = {
    "tiny": preset(
        TINY,
        init="corpus",
        generator_width=1.0,
        generator_depth=0.25,
        mask_token_prob=1.0,
        learning_rate=2e-3,
        adam_beta2=0.98,
        warmup_steps=50,
        train_steps=5_000,
        train_batch_size=32,
        log_steps=50,
        eval_steps=500,
        save_steps=500,
    ),
    "small": preset({}),
    "small++": preset({}, generator_width=1.0, train_steps=4_000_000),
    "base": preset(BASE, generator_width=1 / 3, learning_rate=2e-4, train_batch_size=256, train_steps=766_000),
    "large": preset(LARGE, mask_prob=0.25, learning_rate=2e-4, train_batch_size=2048, train_steps=400_000),
}
# Table 6: what `electra prepare` should be told for each preset.
SEQ_LENGTHS = {"tiny": 128, "small": 128, "small++": 128, "base": 512, "large": 512}


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as JSON holds it."""
    return asdict(config)


def pretrain_config_from_dict(content: Mapping[str, Any], where: str = "config.json") -> PretrainConfig:
    """The configuration of a run's `config.json`; ValueError on an unknown key, with the nearest known one."""
    given = {key: value for key, value in content.items() if key not in ("versions", "prepared")}
    model = given.pop("model", {})
    refuse_unknown(model, {f.name for f in fields(ElectraConfig)}, f"{where}: model")
    refuse_unknown(given, {f.name for f in fields(PretrainConfig)}, where)
    return PretrainConfig(model=ElectraConfig(**model), **given)


def refuse_unknown(given: Collection[str], known: Collection[str], where: str) -> None:
    """Raise ValueError for a name that is not known, with the closest that is."""
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise ValueError(f"{where}: unknown key {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
