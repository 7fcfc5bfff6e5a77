"""How a run begins, or goes on: what its folder and its data decide before anything is trained."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from electra.config import PretrainConfig, pretrain_config_from_dict, require, to_dict
from electra.core.log import logger
from electra.core.storage import only_writer, read_json
from electra.data.shards import Examples
from electra.pretraining.budget import BUDGET, accept_budget, how_to_go_on, is_spent, position
from electra.pretraining.identity import begun_with, flat
from electra.pretraining.micro_batch import fit_micro_batch, warn_of_few_rows
from electra.pretraining.plan import show_plan
from electra.pretraining.start import Start, fit_to_start, start_of
from electra.text.tokenizer import Tokenizer
from electra.training.checkpoint import checkpoints, newest_checkpoint
from electra.training.distributed import World
from electra.training.identity import require_same

# Settings that may change when a run is continued: they affect the result by rounding at most (and `compile` on a GPU,
# where compiled layers draw other dropout).
FREE_TO_CHANGE = {
    "data",
    "out",
    "device",
    "threads",
    "log_steps",
    "save_steps",
    "save_total_limit",
    "report_to",
    "compile",
    "dry_run",
    "wait_minutes",
}
SAVED_STEP = "pretraining_steps"  # in the config.json of the model


class Run(NamedTuple):
    """What the folder of a run decides."""

    config: PretrainConfig  # with its final sizes
    has_weights: bool  # a checkpoint has them
    is_due: bool  # there is something to train or to write


def begin(
    config: PretrainConfig, train: Examples, tokenizer: Tokenizer, world: World, held: contextlib.ExitStack
) -> tuple[Run, Start | None]:
    """Let the first process check and lock the folder; return the run, and the models it starts from.

    `held` gets the lock. Only the first process gets the models: the others take its weights.
    """
    start: Start | None = None
    folder = Path(config.out)
    elsewhere = torch.tensor(len(checkpoints(folder / "checkpoints")))
    world.all_reduce(elsewhere)

    def first() -> dict[str, Any]:
        nonlocal start
        require(
            not elsewhere or bool(checkpoints(folder / "checkpoints")),
            f"the run in {folder} is on another host than the first process, to which torchrun gives the first of the "
            "sorted addresses: put it on a disk that all hosts share",
        )
        checkpoint = newest_checkpoint(folder / "checkpoints")
        has_weights = checkpoint is not None
        start = None if has_weights else start_of(config)
        fitted = fit(config, train, tokenizer, start, folder if has_weights else None)
        fitted = fit_micro_batch(fitted, folder, world)
        require_readable(fitted, train, tokenizer)
        require_same_run(folder, fitted, prepared_as(train), checkpoint)
        found = {"config": to_dict(fitted), "has_weights": has_weights}
        if checkpoint and is_finished(folder, fitted, checkpoint):
            logger.info(f"finished: {folder}. {how_to_go_on(fitted, checkpoint)}")
            return found | {"is_due": False}
        show_plan(fitted, train, tokenizer, fitted.micro_batch_size)
        warn_of_few_rows(config, fitted.micro_batch_size)
        if config.dry_run:
            return found | {"is_due": False}
        held.enter_context(only_writer(folder))
        return found | {"is_due": True}

    agreed = world.from_first(first)
    settled = pretrain_config_from_dict(agreed["config"])
    own = {name: getattr(config, name) for name in ("data", "out", "device", "threads")}  # a host may have others
    return Run(replace(settled, **own), agreed["has_weights"], agreed["is_due"]), start


def prepared_as(train: Examples) -> dict[str, Any]:
    """Return what identifies the prepared text of a run."""
    return {"tokenizer_hash": train.tokenizer_hash, "seq_length": train.seq_length, "tokens": train.num_tokens}


def require_same_run(folder: Path, config: PretrainConfig, prepared: dict[str, Any], checkpoint: Path | None) -> None:
    """Raise ValueError if the run in the folder was begun with other settings, or has spent its new budget."""
    file = folder / "config.json"
    before = begun_with(file) if file.exists() else None
    if before and not before["micro_batch_size"]:  # an older version did not record its default
        before["micro_batch_size"] = config.micro_batch_size
    require_same(folder, before, flat(config) | prepared, FREE_TO_CHANGE | BUDGET)
    if before and checkpoint:
        accept_budget(config, before, checkpoint)


def is_finished(folder: Path, config: PretrainConfig, checkpoint: Path) -> bool:
    """Return whether the budget is spent, and the model and the report, the last files, are written."""
    step, _, _ = position(checkpoint)
    is_written = saved_step(folder, step) == step and (folder / "report.html").exists()
    return is_written and is_spent(config, checkpoint)


def saved_step(folder: Path, unstated: int) -> int | None:
    """Return the step of the model in a run's folder, or `unstated` if an older version saved it; None without one."""
    written_last = folder / "model" / "config.json"
    return int(read_json(written_last).get(SAVED_STEP, unstated)) if written_last.exists() else None


def fit(
    config: PretrainConfig, train: Examples, tokenizer: Tokenizer, start: Start | None, resumed: Path | None = None
) -> PretrainConfig:
    """Return the configuration with its final sizes: of the model to start from, the run resumed, or the data."""
    if start:
        return fit_to_start(config, start, tokenizer)
    if resumed and config.starts_from_model:
        return fit_to_run(config, resumed)
    return fit_to_data(config, train, tokenizer)


def fit_to_run(config: PretrainConfig, folder: Path) -> PretrainConfig:
    """Take the sizes from the run in `folder`: the model it started from may be gone."""
    run = pretrain_config_from_dict(read_json(folder / "config.json"), str(folder / "config.json"))
    return replace(config, model=run.model, generator_width=run.generator_width, generator_depth=run.generator_depth)


def fit_to_data(config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> PretrainConfig:
    """Take the size of the vocabulary and the id of padding from the data."""
    model = replace(config.model, vocab_size=train.vocab_size, pad_token_id=tokenizer.pad_id)
    return replace(config, model=model)


def require_readable(config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> None:
    """Raise ValueError if the model cannot read the prepared text."""
    require(
        tokenizer.hash == train.tokenizer_hash,
        f"{config.data}: the tokeniser there is not the one the text was prepared with; run electra prepare again",
    )
    longest = config.model.max_position_embeddings
    require(
        train.seq_length <= longest,
        f"{config.data} holds examples of {train.seq_length} tokens, the model reads {longest} "
        f"(max_position_embeddings); prepare with --seq-length {longest} or raise it",
    )
