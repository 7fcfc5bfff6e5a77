"""The run whose cost is asked for, with the sizes of its text. No torch."""

from __future__ import annotations

from dataclasses import replace

from electra.config import PretrainConfig, require
from electra.config.cost import CostConfig, run_and_length


def asked_run(config: CostConfig) -> tuple[PretrainConfig, int]:
    """Return a run and the length of its rows: those of --data, if there is one, which decides the vocabulary too.

    Raises:
        ValueError: the run cannot read such rows, or a setting is wrong.
    """
    run, length = run_and_length(config)
    if not config.data:
        return run, length
    from electra.data.shards import open_training  # not above: it imports numpy

    train, _ = open_training(config.data, verify=False)
    longest = run.model.max_position_embeddings
    require(
        train.seq_length <= longest,
        f"{config.data} holds examples of {train.seq_length} tokens, the model reads {longest}; "
        f"add --max-position-embeddings {train.seq_length}",
    )
    return replace(run, model=replace(run.model, vocab_size=train.vocab_size)), train.seq_length
