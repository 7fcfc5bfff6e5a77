"""Initialise an objective's networks: randomly, from corpus counts, or from another model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from electra.config import PretrainConfig, require
from electra.config.pretrain import TRAINED, UNIFORM
from electra.data.cooccurrence import MAX_TOKENS, unigram_probabilities, word_vectors
from electra.data.shards import Examples
from electra.models.registry import backbone_of
from electra.objectives import find_objective
from electra.objectives.base import Objective
from electra.objectives.generators import Unigram
from electra.objectives.replacement import Replacement
from electra.pretraining.extension import extend_start
from electra.pretraining.start import Start, load_frozen_generator, take_over
from electra.text.tokenizer import Tokenizer
from electra.training.seed import seed_all


def build_objective(
    config: PretrainConfig, train: Examples, tokenizer: Tokenizer, start: Start | None = None, resumed: bool = False
) -> Objective:
    """Build and initialise the objective; if `resumed`, without corpus counts, as a checkpoint has the weights.

    The kept encoder starts with the same weights under every objective.
    """
    objective = find_objective(config.objective)(config, tokenizer.mask_id)
    initialise = initialiser(
        replace(config, init="random", init_vectors="mean") if resumed else config, train, tokenizer
    )
    for part in (objective, objective.encoder):  # the encoder's draws depend on no other network
        seed_all(config.seed)
        initialise(part)
    if start:
        take_over(objective.networks(), extend_start(start, config, train, tokenizer))
    if isinstance(objective, Replacement) and config.generator_kind not in (TRAINED, UNIFORM):
        set_fixed_generator(objective, config, train, tokenizer)
    return objective


def initialiser(config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> Callable[[nn.Module], None]:
    """Return the function that initialises a network."""
    backbone = backbone_of(config.model)
    if config.init != "corpus":
        return lambda module: backbone.initialise_randomly(module, config.model.initializer_range)
    tokens, V, special = train.first_tokens(MAX_TOKENS), config.model.vocab_size, tokenizer.special_ids
    room = backbone.vector_width(config.model)
    width = min(room, V - 1)
    require(
        width > 0,
        f"init='corpus' needs an embedding_size above {config.model.embedding_width - room}: raise it",
    )
    vectors, unigram = (
        torch.from_numpy(counts.astype(np.float32))
        for counts in (
            word_vectors(tokens, V, special, width, config.seed),
            unigram_probabilities(tokens, V, special),
        )
    )
    return lambda module: backbone.initialise_from_corpus(module, vectors, unigram)


def set_fixed_generator(objective: Replacement, config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> None:
    """Set a generator that is not trained: the corpus's unigrams, or a network from a folder."""
    if config.generator_folder:
        objective.generator = load_frozen_generator(Path(config.generator_folder), tokenizer, train.seq_length)
        return
    unigram = unigram_probabilities(train.first_tokens(MAX_TOKENS), config.model.vocab_size, tokenizer.special_ids)
    assert isinstance(objective.generator, Unigram)
    objective.generator.log_probabilities.copy_(torch.from_numpy(unigram).clamp_min(1e-30).log())
