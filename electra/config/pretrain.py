"""How a model is pre-trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from electra.config.base import (
    arg,
    refuse_unknown,
    require,
    require_not_negative,
    require_positive,
    require_whole_batches,
)
from electra.config.model import ElectraConfig

# The sharing that an objective can work with, and why not the rest; any other objective can work with all of it.
SHARING = {
    "two_stage": ("none", "gdes"),
    "adversarial": ("embeddings", "none", "gdes"),
    "electric": ("embeddings", "none", "gdes"),
}
WHY_NOT = {
    "two_stage": "as its frozen generator would change with the discriminator",
    "adversarial": "as one encoder would be trained to deceive and to detect at once",
    "electric": "as its generator reads one way only",
}


@dataclass(frozen=True)
class PretrainConfig:
    """Pre-train an encoder on prepared text; the defaults are ELECTRA-Small (paper, Table 6)."""

    model: ElectraConfig = field(default_factory=ElectraConfig)
    data: str = arg("data/prepared", "folder that `electra prepare` wrote")
    out: str = arg("runs/electra", "folder of the run; the same command again continues it")
    # objective
    objective: str = arg(
        "electra",
        "electra, mlm (BERT's), electra_15, replace_mlm, all_tokens_mlm, two_stage, adversarial, electric, "
        "or your own as module:Class",
    )
    mask_prob: float = arg(0.15, "share of the tokens chosen for masking")
    mask_token_prob: float = arg(
        0.85, "share of the chosen tokens that [MASK] hides from the generator; the rest stays visible"
    )
    random_token_prob: float = arg(
        0.0, "share of the chosen tokens that a random one replaces; BERT's own: 0.1, with mask_token_prob 0.8"
    )
    gen_weight: float = arg(1.0, "weight of the generator's loss")
    disc_weight: float = arg(50.0, "weight of the discriminator's loss (lambda in the paper)")
    temperature: float = arg(1.0, "softmax temperature when sampling from the generator")
    temperature_start: float = arg(
        0.0, "temperature at the first step, falling exponentially towards `temperature` (Fast-ELECTRA: 2); 0: no fall"
    )
    temperature_decay: float = arg(0.1, "share of the training in which the excess temperature falls to 1/e")
    random_sample_prob: float = arg(
        0.0,
        "share of the generator's samples that a random token replaces, in training, a third of them a word of the "
        "batch: crude errors, which a good generator makes no more. Not in adversarial and electric, which need a "
        "sample's probability",
    )
    faithful: bool = arg(
        False, "mask as the released code does: positions with replacement, ids of doubles averaged, [UNK] too"
    )
    generator_kind: str = arg(
        "mlm",
        "mlm: a masked language model trained along; uniform or unigram: random tokens; or a folder with a trained "
        "masked language model of the same vocabulary (a run, or Hugging Face's), which stays frozen",
    )
    generator_width: float = arg(0.25, "generator's hidden size as a fraction of the discriminator's")
    generator_depth: float = arg(1.0, "generator's layers as a fraction of the discriminator's")
    share: Literal["none", "embeddings", "all", "gdes"] = arg(
        "embeddings",
        "weights both networks share; gdes: the discriminator's tables are the generator's, which its loss does not "
        "move, plus a difference of its own",
    )
    generator_stage: float = arg(0.5, "two_stage: share of the training that the generator gets alone")
    init: str = arg(
        "random",
        "random: the paper's; corpus: word vectors from co-occurrence counts, heads that start on their neighbours; "
        "or a run or Hugging Face directory to go on from (PATH, or DISCRIMINATOR,GENERATOR), whose size it takes",
    )
    # optimization
    optimizer: Literal["adamw", "muon"] = arg(
        "adamw", "adamw: the paper's; muon: orthogonal momentum for the matrices of the layers, AdamW for the rest"
    )
    learning_rate: float = arg(5e-4, "peak learning rate")
    generator_lr_scale: float = arg(
        1.0, "times the learning rate: at what the generator learns the weights that it does not share"
    )
    weight_decay: float = arg(0.01, "decoupled weight decay, not applied to biases and LayerNorm")
    adam_beta1: float = arg(0.9, "decay of the mean gradient")
    adam_beta2: float = arg(0.999, "decay of the mean squared gradient")
    adam_epsilon: float = arg(1e-6, "added to the root of the mean squared gradient")
    max_grad_norm: float = arg(1.0, "the joint gradient is clipped to this norm")
    warmup_steps: int = arg(10_000, "steps over which the learning rate rises")
    cooldown: float = arg(
        1.0,
        "share of the run, at its end, over which the learning rate falls to zero; 1: from the first step (the paper)",
    )
    train_batch_size: int = arg(128, "rows an optimizer step sees, over all devices")
    micro_batch_size: int = arg(0, "rows a forward pass sees; 0: 32 on a CPU, 128 on a GPU, never more than the batch")
    packed: bool = arg(True, "put several short examples into a row, each blind to the others; off: one a row, padded")
    short_stage: float = arg(
        0.0, "share of the training, at its start, in which rows are cut into short pieces, blind to each other"
    )
    short_length: int = arg(64, "tokens of such a piece; best a divisor of the length of a row, the rest is padded")
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
        "auto",
        "compile the layers and, on a GPU, capture a step as CUDA graphs; auto: where a compiler is at hand and the "
        "run is long",
    )
    threads: int = arg(0, "CPU threads; 0: torch's choice")
    log_steps: int = arg(100, "steps between two lines of metrics")
    eval_steps: int = arg(5_000, "steps between two evaluations on held-out text; 0: only at the end")
    save_steps: int = arg(1_000, "steps between two checkpoints; 0: only at the end")
    save_total_limit: int = arg(2, "checkpoints kept")
    eval_batches: int = arg(32, "micro-batches of held-out text an evaluation reads at most")

    def __post_init__(self) -> None:
        require_positive(
            self,
            "mask_prob", "temperature", "learning_rate", "generator_lr_scale", "max_grad_norm", "generator_width",
            "generator_depth", "train_batch_size", "train_steps", "log_steps", "save_total_limit", "eval_batches",
        )  # fmt: skip
        require_not_negative(
            self,
            "temperature_start", "gen_weight", "disc_weight", "weight_decay", "warmup_steps", "micro_batch_size",
            "max_tokens", "max_minutes", "threads", "eval_steps", "save_steps",
        )  # fmt: skip
        require(0 < self.cooldown <= 1, f"cooldown must be in (0, 1], got {self.cooldown}")
        require(self.seed >= 0, f"seed must not be negative, got {self.seed}")
        require(self.mask_prob < 1, f"mask_prob must be in (0, 1), got {self.mask_prob}")
        require(0 < self.mask_token_prob <= 1, f"mask_token_prob must be in (0, 1], got {self.mask_token_prob}")
        require(
            0 <= self.random_token_prob <= 1 - self.mask_token_prob + 1e-9,
            f"mask_token_prob {self.mask_token_prob:g} and random_token_prob {self.random_token_prob:g} add up to more "
            "than 1",
        )
        require(
            0 <= self.random_sample_prob <= 1, f"random_sample_prob must be in [0, 1], got {self.random_sample_prob}"
        )
        require(self.temperature_decay > 0, f"temperature_decay must be above 0, got {self.temperature_decay}")
        require(self.short_length >= 8, f"short_length must be at least 8, got {self.short_length}")
        require(0 <= self.short_stage <= 1, f"short_stage must be in [0, 1], got {self.short_stage}")
        require(0 < self.generator_stage < 1, f"generator_stage must be in (0, 1), got {self.generator_stage}")
        require(0 <= self.adam_beta1 < 1 and 0 <= self.adam_beta2 < 1, "adam_beta1 and adam_beta2 must be in [0, 1)")
        require_whole_batches(self.micro_batch_size, self.train_batch_size)
        if self.objective != "mlm":
            self.require_fitting_generator()

    def require_fitting_generator(self) -> None:
        """Refuse a generator, a sharing or a temperature that the objective cannot work with."""
        objective, kind, share = self.objective, self.generator_kind, self.share
        require(bool(kind), "generator_kind is empty; set mlm, uniform, unigram, or a folder")
        require(
            kind == "mlm" or objective not in ("two_stage", "adversarial", "electric"),
            f"objective {objective!r} trains its generator: set generator_kind to mlm, not {kind!r}",
        )
        require(
            kind == "mlm" or share == "none",
            f"generator_kind {kind!r} is not trained and shares no weights: set share to none, not {share!r}",
        )
        sharing = SHARING.get(objective, (share,))
        require(
            share in sharing,
            f"objective {objective!r} cannot have share={share!r}, {WHY_NOT.get(objective)}; set share to "
            + " or ".join(sharing),
        )
        require(
            objective not in ("adversarial", "electric") or (self.temperature, self.temperature_start) == (1.0, 0.0),
            f"objective {objective!r} needs the probability of what was sampled: leave temperature at 1, with no fall",
        )
        require(
            (share != "all" and objective != "two_stage") or (self.generator_width, self.generator_depth) == (1.0, 1.0),
            (f"share={share!r}" if share == "all" else "objective 'two_stage'")
            + " needs a generator of the discriminator's size: set generator_width and generator_depth to 1",
        )
        assert self.generator  # raises where the width fits no heads

    @property
    def generator(self) -> ElectraConfig:
        """The generator's shape."""
        return self.model.generator(self.generator_width, self.generator_depth)


def pretrain_config_from_dict(content: Mapping[str, Any], where: str = "config.json") -> PretrainConfig:
    """The configuration of a run's `config.json`; ValueError on an unknown key, with the nearest known one."""
    model = content.get("model", {}) if isinstance(content, Mapping) else None
    require(isinstance(model, Mapping), f"{where} is not the config.json of a run")
    assert isinstance(model, Mapping)
    given = {key: value for key, value in content.items() if key not in ("model", "versions", "prepared")}
    refuse_unknown(model, {f.name for f in fields(ElectraConfig)}, f"{where}: model")
    refuse_unknown(given, {f.name for f in fields(PretrainConfig)}, where)
    try:
        return PretrainConfig(model=ElectraConfig(**model), **given)
    except TypeError as error:
        raise ValueError(f"{where} is not the config.json of a run: {error}") from None
