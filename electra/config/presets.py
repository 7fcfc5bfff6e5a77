"""Presets: complete configurations of the paper's models, and of a tiny one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from electra.config.base import require
from electra.config.model import ElectraConfig
from electra.config.modernbert import ModernBertConfig
from electra.config.pretrain import PretrainConfig


def preset(model: dict[str, Any], **run: Any) -> PretrainConfig:
    """Return a configuration with these fields of the model and the run, defaults otherwise."""
    return PretrainConfig(model=ElectraConfig(**model), **run)


def fast(paper: PretrainConfig) -> PretrainConfig:
    """Return the recipe that takes a fraction of the time at tiny's size, the only one measured (docs/lab/tiny.md).

    Muon at twice AdamW's learning rate, which falls in the second half only. A lower rate for the generator, so that it
    does not outrun the discriminator. First weights from the corpus. No dropout, as little text is read twice. Some
    random samples, so that obvious errors are not forgotten. Short rows for most of the training. A memory of word
    pairs, as look-ups cost no multiplication (docs/explanation/memory.md).
    """
    model = replace(paper.model.with_dropout(0.0).for_corpus_start(), memory=1 << 18, memory_size=16)
    return replace(
        paper, model=model, init="corpus", optimizer="muon", learning_rate=2 * paper.learning_rate,
        generator_lr_scale=0.6, cooldown=0.5, adam_beta2=0.98, mask_token_prob=1.0, random_sample_prob=0.3,
        short_stage=0.9,
    )  # fmt: skip


def continued(before: PretrainConfig) -> PretrainConfig:
    """Return the recipe of a trained model that goes on (docs/reference/finetuning.md), from the one that trained it.

    Two fifths of the learning rate keep what it knows, and a tenth of the steps are its schedule. The rate is constant
    in the first half, so a run can be trained longer. It reads whole rows from the start. A run that was continued
    itself keeps its recipe.
    """
    if before.starts_from_model:
        return before
    steps = max(1_000, before.train_steps // 10)
    return replace(
        before, learning_rate=0.4 * before.learning_rate, train_steps=steps, warmup_steps=steps // 20, short_stage=0.0,
        cooldown=min(before.cooldown, 0.5),
    )  # fmt: skip


BASE = dict(embedding_size=768, hidden_size=768, num_attention_heads=12, intermediate_size=3072)
LARGE = dict(
    embedding_size=1024, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096
)
TINY = dict(vocab_size=4096, embedding_size=128, hidden_size=128, num_hidden_layers=4, num_attention_heads=4,
            intermediate_size=512, max_position_embeddings=128)  # fmt: skip

MINI = dict(vocab_size=16_384, embedding_size=128, hidden_size=256, num_hidden_layers=6, num_attention_heads=4,
            intermediate_size=1024, max_position_embeddings=128)  # fmt: skip

# Paper, Table 6. small++ is the released "small": a generator as wide as the discriminator, four million steps. tiny
# learns in minutes on two cores (docs/lab/tiny.md), mini in hours.
SIZES: dict[str, PretrainConfig] = {
    "tiny": preset(
        TINY,
        generator_width=1.0,
        generator_depth=0.25,
        learning_rate=1e-3,
        warmup_steps=50,
        train_steps=5_000,
        train_batch_size=32,
        log_steps=50,
        eval_steps=500,
        save_steps=500,
    ),
    "mini": preset(
        MINI,
        generator_width=1.0,
        generator_depth=1 / 3,
        learning_rate=7.5e-4,
        warmup_steps=300,
        train_steps=100_000,
        train_batch_size=64,
        log_steps=50,
        eval_steps=1_000,
        save_steps=500,
    ),
    "small": preset({}),
    "small++": preset({}, generator_width=1.0, train_steps=4_000_000),
    "base": preset(BASE, generator_width=1 / 3, learning_rate=2e-4, train_batch_size=256, train_steps=766_000),
    "large": preset(LARGE, mask_prob=0.25, learning_rate=2e-4, train_batch_size=2048, train_steps=400_000),
}
RECIPES: dict[str, Callable[[PretrainConfig], PretrainConfig]] = {"paper": lambda size: size, "fast": fast}
LAPTOP = ("tiny", "mini")  # sizes of our own: ModernBERT's architecture and the fast recipe unless others are named
# Table 6: --seq-length of `electra prepare` for each preset.
SEQ_LENGTHS = {"tiny": 128, "mini": 128, "small": 128, "small++": 128, "base": 512, "large": 512}

# ModernBERT's architecture. A gated feed-forward sub-layer has three matrices, so it is two thirds as wide. As word
# vectors are as wide as the layers, small is narrower, and mini has 30 % more parameters than ELECTRA's. tiny and mini
# read short rows, all of their layers whole ones.
SHORT: dict[str, Any] = dict(max_position_embeddings=128, global_attn_every_n_layers=1, global_rope_theta=1000.0)
MODERN_SHAPES: dict[str, dict[str, Any]] = {
    "tiny": dict(vocab_size=4096, hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=344,
                 **SHORT),
    "mini": dict(vocab_size=16_384, hidden_size=256, num_hidden_layers=6, num_attention_heads=4, intermediate_size=688,
                 **SHORT),
    "small": dict(hidden_size=224, num_hidden_layers=12, num_attention_heads=4, intermediate_size=592),
    "base": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=2048),
}  # fmt: skip
MODERN_DEFAULTS: dict[str, Any] = dict(
    vocab_size=30522, max_position_embeddings=512, global_rope_theta=10_000.0, local_rope_theta=10_000.0
)


def modern(name: str, shape: dict[str, Any]) -> PretrainConfig:
    """Return ELECTRA's training of a size with a network of ModernBERT's architecture."""
    model = ModernBertConfig(**(MODERN_DEFAULTS | shape))
    depth = SIZES[name].generator_depth if name in LAPTOP else 0.25
    return replace(SIZES[name], model=model, generator_width=1.0, generator_depth=depth)


ARCHITECTURE_SIZES = {
    "electra": SIZES,
    "modernbert": {name: modern(name, shape) for name, shape in MODERN_SHAPES.items()},
}


def find_preset(name: str, architecture: str = "", recipe: str = "") -> PretrainConfig:
    """Return a preset of an architecture and a recipe; '' is the size's own (tiny and mini: modernbert, fast).

    Raises:
        ValueError: there is no such preset, architecture or recipe.
    """
    known = ", ".join(ARCHITECTURE_SIZES)
    architecture = architecture or ("modernbert" if name in LAPTOP else "electra")
    require(architecture in ARCHITECTURE_SIZES, f"unknown architecture {architecture!r}; there are {known}")
    sizes = ARCHITECTURE_SIZES[architecture]
    of = "" if architecture == "electra" else f" of {architecture}"
    require(name in sizes, f"unknown preset {name!r}{of}; there are {', '.join(sizes)}")
    require(not recipe or recipe in RECIPES, f"unknown recipe {recipe!r}; there are {', '.join(RECIPES)}")
    return RECIPES[recipe or ("fast" if name in LAPTOP else "paper")](sizes[name])


PRESETS = {name: find_preset(name) for name in SIZES}
