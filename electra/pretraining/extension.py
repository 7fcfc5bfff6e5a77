"""Give the networks that pre-training starts from the entries that only the vocabulary of the text has.

A new entry's row, in every table and bias over the vocabulary, is made from those of its pieces, or predicted from
counts of its neighbours in the text. N known and n new entries, F features, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from electra.checkpoints.locate import model_folder
from electra.config import PretrainConfig
from electra.core.log import logger
from electra.data.cooccurrence import MAX_TOKENS, unigram_probabilities, word_vectors
from electra.data.shards import Examples
from electra.models.heads import Discriminator, Headless, MaskedLM, Network
from electra.models.registry import backbone_of
from electra.pretraining.start import Start
from electra.text.tokenizer import Tokenizer, load_tokenizer

COUNTED = 96  # features of an entry from its neighbours
RIDGE = 1.0
FEWEST = 20  # occurrences of a known entry from which the prediction is learned
Entries = Mapping[int, list[int]]  # new ids, and the pieces that each had in the old vocabulary
Rows = Callable[[Tensor], Tensor]  # a table [V, ...] of the old vocabulary -> the rows of the new entries [n, ...]


def extend_start(start: Start, config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> Start:
    """Return the networks with a row for every entry of the text's vocabulary; `config` has its size."""
    old = [load_tokenizer(model_folder(Path(path))) for path in start.path.split(",")]
    main = extended(start.main, old[0], config, train, tokenizer)
    generator = start.generator and extended(start.generator, old[-1], config, train, tokenizer)
    assert generator is None or isinstance(generator, MaskedLM)
    return start._replace(main=main, generator=generator)


def extended(
    network: Network, old: Tokenizer, config: PretrainConfig, train: Examples, tokenizer: Tokenizer
) -> Network:
    """Return a network with rows for the entries that only the text's vocabulary has; the same network without any."""
    entries = new_entries(old, tokenizer)
    if not entries:
        return network
    pieces = sum(map(len, entries.values())) / len(entries)
    origins = {"mean": f"the mean of their {pieces:.1f} pieces", "counts": "counts of their neighbours in the text"}
    logger.info(f"{network.kind.value}: {len(entries):,} new entries start from {origins[config.init_vectors]}")
    rows = from_counts(entries, train, tokenizer, config.seed) if config.init_vectors == "counts" else means(entries)
    return with_rows(network, entries, rows, config.model.vocab_size)


def new_entries(old: Tokenizer, new: Tokenizer) -> dict[int, list[int]]:
    """Return the entries that only the new vocabulary has, each with the pieces that it is in the old one."""
    vocabulary, model = old.backend.get_vocab(with_added_tokens=True), old.backend.model
    added = {n: token for token, n in new.backend.get_vocab(with_added_tokens=True).items() if token not in vocabulary}
    return {n: [piece.id for piece in model.tokenize(added[n])] for n in sorted(added)}


# -- rows --------------------------------------------------------------------------------------------------------------


def means(entries: Entries) -> Rows:
    """Return the means of the pieces' rows."""
    return lambda table: torch.stack([table[pieces].mean(0) for pieces in entries.values()])


def from_counts(entries: Entries, train: Examples, tokenizer: Tokenizer, seed: int) -> Rows:
    """Return rows predicted from counts of neighbours, by a regression over the known entries of the text."""
    tokens, V = train.first_tokens(MAX_TOKENS), tokenizer.vocab_size
    x = features(tokens, V, tokenizer.special_ids, seed)
    counts = np.bincount(tokens, minlength=V)
    counts[[*entries, *tokenizer.special_ids]] = 0
    known = np.flatnonzero(counts >= FEWEST)
    weights = np.sqrt(counts[known])[:, None]

    def predict(table: Tensor) -> Tensor:
        flat = table.reshape(len(table), -1).double().numpy()[known]
        return torch.from_numpy(regression(x[known], flat, weights, x[list(entries)])).to(table)

    return lambda table: predict(table).reshape(len(entries), *table.shape[1:])


def features(tokens: NDArray[np.integer], V: int, special: Collection[int], seed: int) -> NDArray[np.float64]:
    """Return the features of all entries, [V, F]: vectors of their neighbours, the logarithm of their frequency, 1."""
    vectors = word_vectors(tokens, V, special, min(COUNTED, V - 1), seed)
    frequency = np.log(np.maximum(unigram_probabilities(tokens, V, special), 1e-9))
    return np.column_stack([vectors, frequency - frequency.mean(), np.ones(V)])


def regression(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64], new: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fit y [N, D] to x [N, F] by ridge regression, and predict for `new` [n, F] with the variance that y has."""
    weighted = x * weights
    solution = np.linalg.solve(weighted.T @ weighted + RIDGE * np.eye(x.shape[1]), weighted.T @ (y * weights))
    middle, fitted = y.mean(0), x @ solution
    spread = y.std() / max(fitted.std(), 1e-12)  # a prediction varies less than what it predicts
    return np.asarray(middle + spread * (new @ solution - middle))


# -- networks ----------------------------------------------------------------------------------------------------------


def with_rows(network: Network, entries: Entries, rows: Rows, vocab_size: int) -> Network:
    """Return a network with a larger vocabulary, or one without a head if the head is not of pre-training."""
    build = type(network) if isinstance(network, Discriminator | MaskedLM) else Headless
    config = network.encoder.config
    backbone = backbone_of(config)
    with torch.device("meta"):
        other = build(backbone.encoder(replace(config, vocab_size=config.vocab_size + 1))).state_dict()
    extended = build(backbone.encoder(replace(config, vocab_size=vocab_size)))
    state = {name: tensor for name, tensor in network.state_dict().items() if name in other}
    for name, table in state.items():
        if table.shape != other[name].shape:
            longer = table.new_zeros(vocab_size, *table.shape[1:])
            longer[: len(table)] = table
            longer[list(entries)] = rows(table)
            state[name] = longer
    extended.load_state_dict(state)
    return extended.eval()
