"""Build the loader of a run from its configuration."""

from __future__ import annotations

from electra.config import PretrainConfig
from electra.data.loader import Loader
from electra.data.shards import Examples
from electra.text.tokenizer import Tokenizer


def loader_of(config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> Loader:
    """Return the rows that a run trains on."""
    layout = layout_of(config, tokenizer)
    return Loader(train, config.train_batch_size, config.seed, *layout, config.short_stage, config.short_length)


def heldout_loader(config: PretrainConfig, heldout: Examples, tokenizer: Tokenizer, rows: int) -> Loader | None:
    """Return held-out text in whole rows, so many a batch; None if there is none."""
    return Loader(heldout, rows, 0, *layout_of(config, tokenizer)) if len(heldout) else None


def layout_of(config: PretrainConfig, tokenizer: Tokenizer) -> tuple[int, int, list[int], bool]:
    """Return the ids of separator and padding, those that are never masked, and whether rows are packed."""
    unmasked = tokenizer.never_masked if config.faithful else tokenizer.special_ids
    return tokenizer.sep_id, tokenizer.pad_id, sorted(unmasked), config.packed
