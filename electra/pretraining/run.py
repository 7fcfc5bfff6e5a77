"""Pre-train: prepared text in, a run out, whose `model/` is a Hugging Face directory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from electra.checkpoints.huggingface import save_network
from electra.checkpoints.locate import network_kind
from electra.config import PretrainConfig, to_dict
from electra.core.log import logger
from electra.core.runs import last_evaluation
from electra.core.storage import read_json, write_json
from electra.data.loader import Loader
from electra.data.shards import Examples, open_examples, open_training
from electra.inference.detector import Detector
from electra.inference.load import load
from electra.models.encoder import compile_parts, compute_in
from electra.models.heads import Discriminator
from electra.models.kinds import Kind
from electra.objectives import find_objective
from electra.objectives.base import Objective
from electra.pretraining.dictionary import save_dictionary
from electra.pretraining.effect import sample_weights, warn_if_idle
from electra.pretraining.evaluation import Evaluation, measure_threshold
from electra.pretraining.first_weights import build_objective
from electra.pretraining.loader import heldout_loader, loader_of
from electra.pretraining.micro_batch import rows_of
from electra.pretraining.optimizer import build_optimizer
from electra.pretraining.report import examples_html, summary_html, write_report
from electra.pretraining.resumption import SAVED_STEP, begin, prepared_as, saved_step
from electra.text.tokenizer import Tokenizer
from electra.training.device import choose_device, choose_dtype, should_capture, should_compile
from electra.training.distributed import World, join
from electra.training.identity import versions_of_run
from electra.training.memory import keep_freed_memory
from electra.training.trainer import Trainer

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
    train, tokenizer = open_training(config.data)
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
            logger.info(f"model    {folder / 'model'}")
        report(folder, config)
        logger.info(f"report   {folder / 'report.html'}")
    return last_evaluation(folder)


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
    micro = rows_of(config, device)
    loader = loader_of(config, train, tokenizer)
    heldout = heldout_loader(config, open_examples(config.data, "heldout"), tokenizer, micro)
    evaluation = Evaluation(heldout, config)
    optimizer = build_optimizer(objective, config)
    captured = should_capture(config, device)
    return Trainer(
        objective, optimizer, loader, config, folder, device, micro, evaluation, on_step, captured, world=world
    )


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


def report(folder: Path, config: PretrainConfig) -> None:
    """Write report.html: what was trained, curves, and held-out text with the model's marks."""
    examples = ""
    is_discriminator = network_kind(read_json(folder / "model" / "config.json")) is Kind.DISCRIMINATOR
    if is_discriminator and (folder / "model" / "generator").is_dir() and len(open_examples(config.data, "heldout")):
        model = load(folder)
        assert isinstance(model, Detector)
        examples = examples_html(model, config)
    write_report(folder, folder / "report.html", summary_html(folder, config), examples)
