"""Configuration of `electra pretrain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from electra.config.base import (
    arg,
    refuse_unknown,
    require,
    require_at_least,
    require_not_negative,
    require_positive,
    with_default,
)
from electra.config.model import ElectraConfig, EncoderConfig, shape_from_dict
from electra.config.objectives import OBJECTIVES, Traits, traits_of
from electra.config.training import TrainConfig

# Generators without a folder: a masked language model trained along, or random tokens by two distributions.
TRAINED, UNIFORM, UNIGRAM = "mlm", "uniform", "unigram"
WITHOUT_MODEL = ("random", "corpus")  # values of `init` that name no model to start from
NAME_ONE = "name the config.json of a run, or a .toml or .yaml file of your settings"


def names_where(condition: Callable[[Traits], bool]) -> str:
    """Return the names of the objectives whose traits fulfil a condition, for a help text."""
    return ", ".join(name for name, traits in OBJECTIVES.items() if condition(traits))


@dataclass(frozen=True)
class PretrainConfig(TrainConfig):
    """Pre-train an encoder on prepared text: by default ELECTRA-Small."""

    model: EncoderConfig = field(default_factory=ElectraConfig)
    data: str = arg(
        "data/prepared",
        "folder that `electra prepare` wrote, or a URL of one (s3:// ...), which is copied to ~/.cache/electra",
    )
    out: str = arg("runs/electra", "folder of the run; the same command again continues it")
    # objective
    objective: str = arg("electra", f"{', '.join(OBJECTIVES)}, or your own as module:Class")
    mask_prob: float = arg(0.15, "share of the tokens chosen for masking")
    mask_token_prob: float = arg(
        0.85, "share of the chosen tokens that become [MASK] in the generator's input; the rest stays visible"
    )
    random_token_prob: float = arg(
        0.0, "share of the chosen tokens that become a random token; BERT: 0.1, with mask_token_prob 0.8"
    )
    gen_weight: float = arg(1.0, "weight of the generator's loss")
    disc_weight: float = arg(50.0, "weight of the discriminator's loss (lambda in the paper)")
    temperature: float = arg(1.0, "softmax temperature when sampling from the generator")
    temperature_start: float = arg(
        0.0,
        "temperature at the first step, decaying exponentially towards `temperature` (Fast-ELECTRA: 2); 0: constant",
    )
    temperature_decay: float = arg(0.1, "share of the training after which the excess temperature has fallen to 1/e")
    random_sample_prob: float = arg(
        0.0,
        "share of the generator's samples that become a random token in training, a third of them tokens of the batch: "
        "obvious errors, which a trained generator stops making. Not with "
        f"{names_where(lambda traits: traits.needs_probability)}, which need the probability of every sample",
    )
    faithful: bool = arg(
        False, "mask as the released code does: draw with replacement, average ids drawn twice, mask [UNK] too"
    )
    generator_kind: str = arg(
        TRAINED,
        f"{TRAINED}: a masked language model trained alongside; {UNIFORM} or {UNIGRAM}: random tokens; or a folder "
        "with a trained masked language model of the same vocabulary (a run, or Hugging Face's), which stays frozen",
    )
    generator_width: float = arg(0.25, "generator's hidden size as a fraction of the discriminator's")
    generator_depth: float = arg(1.0, "generator's layers as a fraction of the discriminator's")
    share: Literal["none", "embeddings", "all", "gdes"] = arg(
        "embeddings",
        "weights that both networks share; gdes: the discriminator's embeddings are the generator's, without gradient, "
        "plus a learned difference",
    )
    generator_stage: float = arg(
        0.5,
        "share of the training in which the generator is trained alone "
        f"({names_where(lambda traits: traits.generator_alone_first)})",
    )
    init: str = arg(
        "random",
        "random: the paper's; corpus: word vectors from co-occurrence counts, attention heads that start on their "
        "neighbours; or a run or Hugging Face directory to continue from (PATH, or DISCRIMINATOR,GENERATOR), "
        "whose sizes it takes; a missing generator starts from the first layers of a BERT or ModernBERT",
    )
    init_vectors: Literal["mean", "counts"] = arg(
        "mean",
        "first vectors of the entries that `electra prepare --extend` added to those of --init PATH; mean: of their "
        "pieces' vectors; counts: predicted from counts of their neighbours in the text",
    )
    # optimization and rows
    optimizer: Literal["adamw", "muon"] = arg(
        "adamw", "adamw: the paper's; muon: orthogonalised momentum for the matrices of the layers, AdamW for the rest"
    )
    weight_decay: float = with_default(TrainConfig, "weight_decay", 0.01)
    generator_lr_scale: float = arg(
        1.0, "factor on the learning rate of the generator's own weights, those it does not share"
    )
    cooldown: float = arg(
        1.0,
        "share of the run, at its end, over which the learning rate falls to zero; 1: from the first step (the paper)",
    )
    packed: bool = arg(
        True, "put several short examples into a row, without attention between them; off: one a row, padded"
    )
    short_stage: float = arg(
        0.0,
        "share of the training, at its start, in which rows are cut into short pieces, without attention between them",
    )
    short_length: int = arg(64, "tokens of such a piece; a divisor of the row length avoids padding")
    compile: Literal["auto", "on", "off"] = arg(
        "auto",
        "compile the layers and, on a GPU, capture steps as CUDA graphs; auto: if there is a compiler and the run is "
        "long",
    )
    dry_run: bool = arg(False, "print what would be trained, and end")
    sum: Literal["fast", "exact"] = arg(
        "fast",
        "how gradients of micro-batches are summed: fast: in fp32, whose rounding depends on the number of processes; "
        "exact: as 64-bit whole numbers, bit for bit the same on any number of processes",
    )
    wait_minutes: float = arg(30.0, "minutes to wait for another process before the run ends and names it")
    eval_batches: int = arg(32, "micro-batches of held-out text in an evaluation, at most")

    def __post_init__(self) -> None:
        require_positive(
            self,
            "mask_prob", "temperature", "temperature_decay", "learning_rate", "generator_lr_scale", "generator_width",
            "generator_depth", "train_steps", "eval_batches", "wait_minutes",
        )  # fmt: skip
        require_not_negative(self, "temperature_start", "gen_weight", "disc_weight")
        super().__post_init__()
        require(0 < self.cooldown <= 1, f"cooldown must be in (0, 1], got {self.cooldown}")
        require_at_least(self, 8, "short_length")
        require(0 <= self.short_stage <= 1, f"short_stage must be in [0, 1], got {self.short_stage}")
        require(0 < self.generator_stage < 1, f"generator_stage must be in (0, 1), got {self.generator_stage}")
        require(
            self.init_vectors == "mean" or self.starts_from_model,
            f"init_vectors is for entries added to the vocabulary of a model, and init={self.init!r} starts from none; "
            "name a model with --init",
        )
        self.require_fitting_masks()
        if self.traits.generator != "none":
            self.require_fitting_generator()

    def require_fitting_masks(self) -> None:
        """Raise ValueError for shares of masked and random tokens that are out of range."""
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

    def require_fitting_generator(self) -> None:
        """Raise ValueError for a generator, a sharing or a temperature that the objective does not support."""
        objective, traits, kind, share = self.objective, self.traits, self.generator_kind, self.share
        require(bool(kind), f"generator_kind is empty; set {TRAINED}, {UNIFORM}, {UNIGRAM}, or a folder")
        require(
            self.trains_generator or traits.generator != "trained",
            f"objective {objective!r} trains its generator: set generator_kind to {TRAINED}, not {kind!r}",
        )
        require(
            self.trains_generator or share == "none",
            f"generator_kind {kind!r} is not trained and shares no weights: set share to none, not {share!r}",
        )
        require(
            share in traits.sharing,
            f"objective {objective!r} cannot have share={share!r}, as {traits.why_not}; set share to "
            + " or ".join(traits.sharing),
        )
        require(
            not traits.needs_probability or (self.temperature, self.temperature_start) == (1.0, 0.0),
            f"objective {objective!r} needs each sample's probability: leave temperature at 1, temperature_start at 0",
        )
        require(
            not self.needs_full_size_generator or (self.generator_width, self.generator_depth) == (1.0, 1.0),
            (f"share={share!r}" if share == "all" else f"objective {objective!r}")
            + " needs a generator of the discriminator's size: set generator_width and generator_depth to 1",
        )
        assert self.generator  # raises if the heads do not divide the width

    @property
    def longest_warmup(self) -> float:
        """Largest share of the budget that the warm-up may take, whatever `warmup_steps` says."""
        return 0.1

    @property
    def traits(self) -> Traits:
        """The traits of the objective."""
        return traits_of(self.objective)

    @property
    def starts_from_model(self) -> bool:
        """Whether the first weights are those of the models that `init` names."""
        return self.init not in WITHOUT_MODEL

    @property
    def generator(self) -> EncoderConfig:
        """The generator's shape."""
        return self.model.generator(self.generator_width, self.generator_depth)

    @property
    def trains_generator(self) -> bool:
        """Whether a generator, if there is one, is trained along."""
        return self.generator_kind == TRAINED

    @property
    def generator_folder(self) -> str:
        """The folder of a frozen generator, or an empty string."""
        return "" if self.generator_kind in (TRAINED, UNIFORM, UNIGRAM) else self.generator_kind

    @property
    def needs_full_size_generator(self) -> bool:
        """Whether the generator must be as large as the main network."""
        return self.share == "all" or self.traits.full_size_generator


def pretrain_config_from_dict(content: Mapping[str, Any], where: str = "config.json") -> PretrainConfig:
    """Return the configuration in a run's `config.json`.

    Raises:
        ValueError: the content is not that of a run, or has an unknown key; the message names the closest known one.
    """
    model = content.get("model", {}) if isinstance(content, Mapping) else None
    require(isinstance(model, Mapping), f"{where} is not the config.json of a run; {NAME_ONE}")
    assert isinstance(model, Mapping)
    given = {key: value for key, value in content.items() if key not in ("model", "versions", "prepared")}
    refuse_unknown(given, {f.name for f in fields(PretrainConfig)}, where)
    try:
        return PretrainConfig(model=shape_from_dict(dict(model), f"{where}: model"), **given)
    except TypeError as error:
        raise ValueError(f"{where} is not the config.json of a run ({error}); {NAME_ONE}") from None
