"""Pre-train: prepared text in, a run out, whose `model/` is a Hugging Face directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from electra.checkpoints.huggingface import save_network
from electra.checkpoints.locate import network_kind
from electra.config import PretrainConfig, pretrain_config_from_dict, require, to_dict
from electra.core.log import logger
from electra.core.runs import last_evaluation
from electra.core.storage import only_writer, read_json, write_json
from electra.data.loader import Loader
from electra.data.shards import Examples, open_examples
from electra.inference.load import load
from electra.models.encoder import compile_parts, compute_in
from electra.models.heads import Discriminator
from electra.models.kinds import Kind
from electra.objectives import find_objective
from electra.objectives.base import Objective
from electra.pretraining.first_weights import build_objective
from electra.pretraining.report import examples_html, write_report
from electra.pretraining.start import fit_to_start, load_start
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.training.checkpoint import newest_checkpoint
from electra.training.device import choose_device, choose_dtype, should_capture, should_compile
from electra.training.identity import begun_with, flat, require_same, versions_of_run
from electra.training.memory import keep_freed_memory
from electra.training.muon import OPTIMIZERS
from electra.training.trainer import Trainer

# What may change between two calls of one run: none of these changes what is learned but by rounding (and `compile` on
# a GPU, where compiled layers draw other dropout). Set --micro-batch-size to go on on another device: the masks of a
# step follow from it, and its default is the device's.
FREE_TO_CHANGE = {"data", "out", "device", "threads", "log_steps", "save_steps", "save_total_limit", "compile"}
FALSE_ALARMS = 0.01  # share of clean tokens the stored threshold marks
FEWEST_ROWS = 8  # of a micro-batch that is chosen here, below which most of a step is overhead


def pretrain(config: PretrainConfig, on_step: Callable[[Trainer], None] | None = None) -> dict[str, float]:
    """Train to the end of the budget and save the model; returns the last held-out metrics.

    The same configuration again continues the run, bit for bit as if it had never stopped. `on_step` is called after
    every step.

    Raises:
        ValueError: the data or the folder does not fit the configuration; nothing has been written.
        Interrupted: a signal asked the run to stop; it has saved.
        FloatingPointError: a loss was not finite; the last checkpoint is good.
    """
    find_objective(config.objective)
    device, dtype = choose_device(config.device), choose_dtype(config)
    train, tokenizer = open_examples(config.data, "train"), load_tokenizer(config.data)
    folder = Path(config.out)
    goes_on = newest_checkpoint(folder / "checkpoints") is not None  # then first weights are not needed any more
    start = None if goes_on or config.init in ("random", "corpus") else load_start(config.init)
    if start:
        config = fit_to_start(config, start, tokenizer)
    else:
        config = fit_to_data(fit_to_run(config, folder) if goes_on else config, train, tokenizer)
    require_readable(config, train, tokenizer)
    prepared = {"tokenizer_hash": train.tokenizer_hash, "seq_length": train.seq_length, "tokens": train.num_tokens}
    file = folder / "config.json"
    require_same(folder, begun_with(file) if file.exists() else None, flat(config) | prepared, FREE_TO_CHANGE)
    with only_writer(folder):
        keep_freed_memory()
        if config.threads:
            torch.set_num_threads(config.threads)
        objective = build_objective(config, train, tokenizer, start, goes_on).to(device)
        write_json(file, to_dict(config) | {"prepared": prepared, "versions": versions_of_run()})
        compute_in(objective, dtype)
        if should_compile(config):
            compile_parts(objective, device)
        trainer = build_trainer(objective, config, folder, device, train, tokenizer)
        trainer.on_step = on_step or trainer.on_step
        trainer.fit()
        if not (folder / "model" / "config.json").exists():  # written last; a threshold may have been calibrated since
            save_model(folder, objective, tokenizer, config, trainer)
        report(folder, config)
    return last_evaluation(folder)


def fit_to_run(config: PretrainConfig, folder: Path) -> PretrainConfig:
    """Take the sizes a run has found in the model it started from, which need not be there any more."""
    if config.init in ("random", "corpus"):
        return config
    run = pretrain_config_from_dict(read_json(folder / "config.json"), str(folder / "config.json"))
    return replace(config, model=run.model, generator_width=run.generator_width, generator_depth=run.generator_depth)


def fit_to_data(config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> PretrainConfig:
    """Take the vocabulary's size and padding from the data."""
    model = replace(config.model, vocab_size=train.vocab_size, pad_token_id=tokenizer.pad_id)
    return replace(config, model=model)


def require_readable(config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> None:
    """Refuse data the model cannot read."""
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


def build_trainer(
    objective: Objective,
    config: PretrainConfig,
    folder: Path,
    device: torch.device,
    train: Examples,
    tokenizer: Tokenizer,
) -> Trainer:
    """The loop with its data."""
    micro = config.micro_batch_size or largest_divisor(config.train_batch_size, 128 if device.type == "cuda" else 32)
    heldout = open_examples(config.data, "heldout")
    if not config.micro_batch_size and micro < min(FEWEST_ROWS, config.train_batch_size):
        logger.warning(
            f"a batch of {config.train_batch_size} rows is read {micro} at a time; one that 32 divides is faster"
        )
    require(len(train) > 0, f"{config.data} holds no examples to train on")
    unmasked = tokenizer.never_masked if config.faithful else tokenizer.special_ids
    reading = (tokenizer.sep_id, tokenizer.pad_id, unmasked, config.packed)
    short = (config.short_stage, config.short_length)
    loader = Loader(train, config.train_batch_size, config.seed, *reading, *short)
    heldout_loader = Loader(heldout, micro, 0, *reading) if len(heldout) else None
    optimizer = OPTIMIZERS[config.optimizer](objective, config)
    captured = should_capture(config, device)
    return Trainer(objective, optimizer, loader, heldout_loader, config, folder, device, micro, captured)


def largest_divisor(number: int, at_most: int) -> int:
    """The largest divisor of `number` that is not above `at_most`."""
    return max(n for n in range(1, at_most + 1) if number % n == 0)


@torch.no_grad()
@torch.compiler.set_stance("force_eager")  # rows of another shape than in training would be compiled for
def threshold(discriminator: Discriminator, heldout: Loader, device: torch.device) -> float:
    """The probability above which one clean token in a hundred lies."""
    discriminator.eval()
    clean = []
    for step in range(min(8, -(-heldout.num_rows // heldout.batch_size))):
        (batch,) = heldout.micro_batches(step, heldout.batch_size)
        logits = discriminator(*(tensor.to(device) for tensor in batch[:4])).cpu()
        clean.append(logits[batch.maskable])
    return float(torch.cat(clean).sigmoid().quantile(1 - FALSE_ALARMS))


def save_model(
    folder: Path, objective: Objective, tokenizer: Tokenizer, config: PretrainConfig, trainer: Trainer
) -> None:
    """Write model/, the kept network, and model/generator/ beside it."""
    assert isinstance(trainer.loader, Loader)
    length = trainer.loader.seq_length
    networks = objective.networks()
    kept, *others = networks
    extra: dict[str, Any] = {}
    network = networks[kept]
    if isinstance(network, Discriminator) and trainer.heldout:
        extra["detection_threshold"] = threshold(network, trainer.heldout, trainer.device)
    for name in others:
        save_network(folder / "model" / name, networks[name], tokenizer, length)
    save_network(folder / "model", network, tokenizer, length, **extra)
    logger.info(f"saved {folder / 'model'}")


def report(folder: Path, config: PretrainConfig) -> None:
    """Write report.html: curves, and held-out text as the model sees it."""
    examples = ""
    is_discriminator = network_kind(read_json(folder / "model" / "config.json")) is Kind.DISCRIMINATOR
    if is_discriminator and (folder / "model" / "generator").is_dir() and len(open_examples(config.data, "heldout")):
        examples = examples_html(load(folder), config)
    write_report(folder, folder / "report.html", examples)
