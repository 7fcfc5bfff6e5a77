"""Pre-train: prepared text in, a run out, whose `model/` is a Hugging Face directory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from electra.checkpoints.huggingface import save_network
from electra.checkpoints.locate import network_kind
from electra.config import PretrainConfig, pretrain_config_from_dict, require, to_dict
from electra.core.log import logger
from electra.core.runs import last_evaluation
from electra.core.storage import only_writer, read_json, write_json
from electra.data.loader import Loader
from electra.data.shards import Examples, open_examples
from electra.inference.detector import Detector
from electra.inference.load import load
from electra.models.encoder import compile_parts, compute_in
from electra.models.heads import Discriminator
from electra.models.kinds import Kind
from electra.objectives import find_objective
from electra.objectives.base import Objective
from electra.pretraining.budget import BUDGET, accept_budget, how_to_go_on, is_spent
from electra.pretraining.dictionary import save_dictionary
from electra.pretraining.effect import sample_weights, warn_if_idle
from electra.pretraining.evaluation import Evaluation, measure_threshold
from electra.pretraining.first_weights import build_objective
from electra.pretraining.identity import begun_with, flat
from electra.pretraining.optimizer import build_optimizer
from electra.pretraining.plan import show_plan
from electra.pretraining.report import examples_html, write_report
from electra.pretraining.start import Start, fit_to_start, load_start
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.training.checkpoint import checkpoints, newest_checkpoint
from electra.training.device import choose_device, choose_dtype, should_capture, should_compile
from electra.training.distributed import World, join
from electra.training.identity import require_same, versions_of_run
from electra.training.memory import keep_freed_memory
from electra.training.trainer import Trainer

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
    "compile",
    "dry_run",
    "wait_minutes",
}
SAVED_STEP = "pretraining_steps"  # in the config.json of the model
FEWEST_ROWS = 8  # rows of a default micro-batch below which most of a step is overhead
OnStep = Callable[[Trainer], None]


def pretrain(config: PretrainConfig, on_step: OnStep | None = None, world: World | None = None) -> dict[str, float]:
    """Train to the end of the budget and save the model; return the last held-out metrics.

    The same configuration again continues the run, bit for bit as if it had never stopped, unless `max_minutes` ends
    it: then its learning rate follows the clock. `on_step` is called after every step with the trainer. The metrics are
    those of the objective: losses in nats a token (`gen_loss`, `disc_loss`), shares (`gen_accuracy`, `disc_recall`) and
    areas (`disc_auc`); for ELECTRA the loss is that of the paper's section 2, L_MLM + 50 L_disc.

    Processes that torchrun or srun started train together, unless `world` says otherwise: all compute, the first alone
    reads and writes the folder of the run, and the others return nothing.

    Raises:
        ValueError: the data or the folder does not fit the configuration; nothing has been written.
        OSError: the folder cannot be written, or the disk is full.
        Interrupted: a signal stopped the run, which has been saved.
        FloatingPointError: a loss was not finite; the last checkpoint is good.
        Lost: another process ended or does not answer; the last checkpoint is good.
    """
    find_objective(config.objective)
    device, dtype = choose_device(config.device), choose_dtype(config)
    world = world or join(device.type == "cuda", config.wait_minutes)
    train, tokenizer = open_examples(config.data, "train"), load_tokenizer(config.data)
    folder = Path(config.out)
    if config.threads:
        torch.set_num_threads(config.threads)
    with contextlib.ExitStack() as held, world.speaks_once():
        run, start = begin(config, train, tokenizer, world, held)
        if not run.is_due:
            return last_evaluation(folder) if world.is_first and not config.dry_run else {}
        config = run.config
        keep_freed_memory()
        objective = build_objective(config, train, tokenizer, start, run.has_weights or not world.is_first).to(device)
        if world.is_first:  # not before a model that it starts from was found to fit
            about = {"prepared": prepared_as(train), "versions": versions_of_run()}
            write_json(folder / "config.json", to_dict(config) | about)
        compute_in(objective, dtype)
        if should_compile(config):
            compile_parts(objective, device)
        trainer = build_trainer(objective, config, folder, device, train, tokenizer, on_step, world)
        before = sample_weights(objective)
        trainer.fit()
        if not world.is_first:
            return {}
        warn_if_idle(trainer, before)
        # A model that is there already may have been calibrated by the user since.
        if saved_step(folder, trainer.resumed_at) != trainer.step:
            if {"discriminator", "generator"} <= objective.networks().keys():  # it finds words, and suggests others
                save_dictionary(folder / "model", train, tokenizer)
            save_model(folder, trainer, tokenizer)
        report(folder, config)
        logger.info(f"report   {folder / 'report.html'}")
    return last_evaluation(folder)


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
    world.add_up(elsewhere)

    def first() -> dict[str, Any]:
        nonlocal start
        require(
            not elsewhere or bool(checkpoints(folder / "checkpoints")),
            f"the run in {folder} is on another host than the first process, to which torchrun gives the first of the "
            "sorted addresses: put it on a disk that all hosts share",
        )
        checkpoint = newest_checkpoint(folder / "checkpoints")
        has_weights = checkpoint is not None
        start = None if has_weights or config.init in ("random", "corpus") else load_start(config.init)
        fitted = fit(config, train, tokenizer, start, folder if has_weights else None)
        fitted = fit_micro_batch(fitted, folder, world)
        require_readable(fitted, train, tokenizer)
        require_same_run(folder, fitted, prepared_as(train), checkpoint)
        told = {"config": to_dict(fitted), "has_weights": has_weights}
        if checkpoint and is_finished(folder, fitted, checkpoint):
            logger.info(f"finished: {folder}. {how_to_go_on(fitted, checkpoint)}")
            return told | {"is_due": False}
        show_plan(fitted, train, tokenizer, fitted.micro_batch_size)
        warn_of_few_rows(config, fitted.micro_batch_size)
        if config.dry_run:
            return told | {"is_due": False}
        held.enter_context(only_writer(folder))
        return told | {"is_due": True}

    told = world.told(first)
    settled = pretrain_config_from_dict(told["config"])
    own = {name: getattr(config, name) for name in ("data", "out", "device", "threads")}  # a host may have others
    return Run(replace(settled, **own), told["has_weights"], told["is_due"]), start


def prepared_as(train: Examples) -> dict[str, Any]:
    """Return what identifies the prepared text of a run."""
    return {"tokenizer_hash": train.tokenizer_hash, "seq_length": train.seq_length, "tokens": train.num_tokens}


def fit_micro_batch(config: PretrainConfig, folder: Path, world: World) -> PretrainConfig:
    """Take the size of a micro-batch that is not set from the run in `folder`, otherwise from the device.

    Raises:
        ValueError: there are more processes than micro-batches.
    """
    file = folder / "config.json"
    begun = begun_with(file)["micro_batch_size"] if file.exists() else 0
    micro = config.micro_batch_size or begun or default_rows(config, choose_device(config.device))
    count = config.train_batch_size // micro
    require(
        world.size <= count,
        f"{world.size} processes for {count} micro-batches: set --micro-batch-size to "
        f"{largest_divisor(config.train_batch_size, config.train_batch_size // world.size)} or less, in a new run"
        if world.size <= config.train_batch_size
        else f"{world.size} processes for a batch of {config.train_batch_size} rows: start fewer",
    )
    return replace(config, micro_batch_size=micro)


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
    step = int(read_json(checkpoint / "state.json")["step"])
    is_written = saved_step(folder, step) == step and (folder / "report.html").exists()
    return is_written and is_spent(config, checkpoint)


def fit(
    config: PretrainConfig, train: Examples, tokenizer: Tokenizer, start: Start | None, resumed: Path | None
) -> PretrainConfig:
    """Return the configuration with its final sizes: of the model to start from, the run resumed, or the data."""
    if start:
        return fit_to_start(config, start, tokenizer)
    if resumed and config.init not in ("random", "corpus"):
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


def build_trainer(
    objective: Objective,
    config: PretrainConfig,
    folder: Path,
    device: torch.device,
    train: Examples,
    tokenizer: Tokenizer,
    on_step: OnStep | None = None,
    world: World | None = None,
) -> Trainer:
    """Build the training loop with its data, optimizer and evaluation."""
    require(len(train) > 0, f"{config.data} holds no examples to train on")
    micro = config.micro_batch_size or default_rows(config, device)
    unmasked = tokenizer.never_masked if config.faithful else tokenizer.special_ids
    layout = (tokenizer.sep_id, tokenizer.pad_id, unmasked, config.packed)
    short = (config.short_stage, config.short_length)
    loader = Loader(train, config.train_batch_size, config.seed, *layout, *short)
    heldout = open_examples(config.data, "heldout")
    evaluation = Evaluation(Loader(heldout, micro, 0, *layout) if len(heldout) else None, config)
    optimizer = build_optimizer(objective, config)
    captured = should_capture(config, device)
    return Trainer(
        objective, optimizer, loader, config, folder, device, micro, evaluation, on_step, captured, world=world
    )


def default_rows(config: PretrainConfig, device: torch.device) -> int:
    """Return the default size of a micro-batch: a divisor of the batch, at most 32 on a CPU and 128 on a GPU."""
    return largest_divisor(config.train_batch_size, 128 if device.type == "cuda" else 32)


def warn_of_few_rows(config: PretrainConfig, rows: int) -> None:
    """Warn of a default micro-batch that is so small that most of a step is overhead."""
    if not config.micro_batch_size and rows < min(FEWEST_ROWS, config.train_batch_size):
        logger.warning(
            f"a batch of {config.train_batch_size} rows is processed {rows} at a time; a multiple of 32 is faster"
        )


def largest_divisor(number: int, at_most: int) -> int:
    """Return the largest divisor of `number` that is at most `at_most`."""
    return max(n for n in range(1, at_most + 1) if number % n == 0)


def save_model(folder: Path, trainer: Trainer, tokenizer: Tokenizer) -> None:
    """Write the kept network to `folder`/model and the others to folders in it."""
    objective, source, evaluation = trainer.module, trainer.source, trainer.evaluation
    assert isinstance(objective, Objective) and isinstance(source, Loader) and isinstance(evaluation, Evaluation)
    networks = objective.networks()
    kept, *others = networks
    extra: dict[str, Any] = {SAVED_STEP: trainer.step}
    network = networks[kept]
    if isinstance(network, Discriminator) and evaluation.heldout:
        extra["detection_threshold"] = measure_threshold(network, evaluation.heldout, trainer.device)
    for name in others:
        save_network(folder / "model" / name, networks[name], tokenizer, source.seq_length)
    save_network(folder / "model", network, tokenizer, source.seq_length, **extra)
    logger.info(f"model    {folder / 'model'}")


def saved_step(folder: Path, unstated: int) -> int | None:
    """Return the step of the model in a run's folder, or `unstated` if an older version saved it; None without one."""
    written_last = folder / "model" / "config.json"
    return int(read_json(written_last).get(SAVED_STEP, unstated)) if written_last.exists() else None


def report(folder: Path, config: PretrainConfig) -> None:
    """Write report.html: curves, and held-out text with the model's marks."""
    examples = ""
    is_discriminator = network_kind(read_json(folder / "model" / "config.json")) is Kind.DISCRIMINATOR
    if is_discriminator and (folder / "model" / "generator").is_dir() and len(open_examples(config.data, "heldout")):
        model = load(folder)
        assert isinstance(model, Detector)
        examples = examples_html(model, config)
    write_report(folder, folder / "report.html", examples)


def next_step(config: PretrainConfig) -> str:
    """Return a command that uses the model of a run."""
    is_detector = network_kind(read_json(Path(config.out) / "model" / "config.json")) is Kind.DISCRIMINATOR
    return f"electra detect {config.out} FILE" if is_detector else f"electra finetune {config.out} --train FILE"
