"""Pre-train: prepared text in, a run out, whose `model/` is a Hugging Face directory."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import electra
from electra.config import ElectraConfig, FinetuneConfig, PretrainConfig, pretrain_config_from_dict, require, to_dict
from electra.console import say, warn
from electra.conversion.start import Start, fit_to_start, load_frozen_generator, load_start, take_over
from electra.convert import save_network
from electra.data.cooccurrence import MAX_TOKENS, unigram_probabilities, word_vectors
from electra.data.loader import Loader
from electra.data.shards import Examples, open_examples
from electra.data.tokenizer import Tokenizer, load_tokenizer
from electra.model.encoder import compile_parts, compute_in
from electra.model.generators import Unigram
from electra.model.heads import Discriminator
from electra.model.initialisation import POSITION_DIMENSIONS, initialise_from_corpus, initialise_randomly
from electra.objectives import find_objective
from electra.objectives.base import Objective
from electra.objectives.replacement import Replacement
from electra.predict import load
from electra.report import examples_html, write_report
from electra.storage import only_writer, read_json, write_json
from electra.training.checkpoint import newest_checkpoint
from electra.training.log import read_metrics
from electra.training.memory import keep_freed_memory
from electra.training.muon import OPTIMIZERS
from electra.training.trainer import Trainer, seed_all

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
    require_same_run(config, folder, prepared)
    with only_writer(folder):
        keep_freed_memory()
        if config.threads:
            torch.set_num_threads(config.threads)
        objective = build_objective(config, train, tokenizer, start, goes_on).to(device)
        write_run_config(config, folder, prepared)
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


def choose_device(name: str) -> torch.device:
    """The device by name; `auto` takes a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:N") from None
    require(device.type in ("cpu", "cuda"), f"device {name!r} is not supported; use auto, cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no GPU that torch can use here; set --device cpu, or install a CUDA build of torch")
    return device


def choose_dtype(config: PretrainConfig | FinetuneConfig) -> torch.dtype:
    """bf16 where the machine multiplies it in hardware: elsewhere it is slower than fp32."""
    if config.precision != "auto":
        return torch.bfloat16 if config.precision == "bf16" else torch.float32
    if choose_device(config.device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if has_bf16 else torch.float32


def should_compile(config: PretrainConfig) -> bool:
    """Compiling takes half a minute and a C++ compiler; `auto` wants both a compiler and a run worth it."""
    if config.compile != "auto":
        return config.compile == "on"
    return shutil.which("c++") is not None and config.train_steps >= 1_000


def should_capture(config: PretrainConfig, device: torch.device) -> bool:
    """Whether a step runs as CUDA graphs."""
    return device.type == "cuda" and should_compile(config)


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


def require_same_run(config: PretrainConfig, folder: Path, prepared: dict[str, Any]) -> None:
    """Refuse a folder whose run has another configuration or other data, naming the fields that differ."""
    if not (folder / "config.json").exists():
        occupied = folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir())
        require(not occupied, f"{folder} is not empty and holds no run; choose another --out")
        return
    content = read_json(folder / "config.json")
    before = flat(pretrain_config_from_dict(content, str(folder / "config.json"))) | content.get("prepared", {})
    differing = [
        f"{name}: {before.get(name)!r} there, {new!r} here"
        for name, new in (flat(config) | prepared).items()
        if before.get(name) != new and name not in FREE_TO_CHANGE
    ]
    require(not differing, f"{folder} belongs to another configuration ({'; '.join(differing)}); choose another --out")


def flat(config: PretrainConfig) -> dict[str, Any]:
    """Every field by name, the model's included."""
    run = {f.name: getattr(config, f.name) for f in fields(PretrainConfig) if f.name != "model"}
    return run | {f.name: getattr(config.model, f.name) for f in fields(ElectraConfig)}


def write_run_config(config: PretrainConfig, folder: Path, prepared: dict[str, Any]) -> None:
    """Save the whole resolved configuration with the versions it runs on."""
    packages = ("torch", "numpy", "tokenizers", "safetensors")
    versions = {"electra": electra.__version__, "python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in packages}
    write_json(folder / "config.json", to_dict(config) | {"prepared": prepared, "versions": versions})


def build_objective(
    config: PretrainConfig, train: Examples, tokenizer: Tokenizer, start: Start | None = None, goes_on: bool = False
) -> Objective:
    """The networks with their first weights, any where a run `goes_on` from its checkpoint.

    The encoder that is kept starts alike under every objective.
    """
    objective = find_objective(config.objective)(config, tokenizer.mask_id)
    initialise = initialiser(replace(config, init="random") if goes_on else config, train, tokenizer)
    for part in (objective, objective.encoder):  # whatever else is trained, the same draws for the encoder
        seed_all(config.seed)
        initialise(part)
    if isinstance(objective, Replacement) and config.generator_kind not in ("mlm", "uniform"):
        fill_in_generator(objective, config, train, tokenizer)
    if start:
        take_over(objective.networks(), start)
    return objective


def initialiser(config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> Callable[[torch.nn.Module], None]:
    """What gives a network its first weights."""
    if config.init != "corpus":
        return lambda module: initialise_randomly(module, config.model.initializer_range)
    tokens, V, special = train.first_tokens(MAX_TOKENS), config.model.vocab_size, tokenizer.special_ids
    width = min(config.model.embedding_size - POSITION_DIMENSIONS, V - 1)
    require(width > 0, f"init='corpus' needs an embedding_size above {POSITION_DIMENSIONS}")
    vectors, unigram = (
        torch.from_numpy(counts.astype(np.float32))
        for counts in (
            word_vectors(tokens, V, special, width, config.seed),
            unigram_probabilities(tokens, V, special),
        )
    )
    return lambda module: initialise_from_corpus(module, vectors, unigram)


def fill_in_generator(objective: Replacement, config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> None:
    """Give the objective a generator that is not trained: counts of the corpus, or a network from a folder."""
    if config.generator_kind != "unigram":
        objective.generator = load_frozen_generator(Path(config.generator_kind), tokenizer, train.seq_length)
        return
    unigram = unigram_probabilities(train.first_tokens(MAX_TOKENS), config.model.vocab_size, tokenizer.special_ids)
    assert isinstance(objective.generator, Unigram)
    objective.generator.log_probabilities.copy_(torch.from_numpy(unigram).clamp_min(1e-30).log())


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
        warn(f"a batch of {config.train_batch_size} rows is read {micro} at a time; one that 32 divides is faster")
    unmasked = tokenizer.never_masked if config.faithful else tokenizer.special_ids
    loaders = [
        Loader(examples, rows, seed, tokenizer.sep_id, tokenizer.pad_id, unmasked, config.packed)
        if len(examples)
        else None
        for examples, rows, seed in ((train, config.train_batch_size, config.seed), (heldout, micro, 0))
    ]
    require(loaders[0] is not None, f"{config.data} holds no examples to train on")
    assert loaders[0] is not None
    optimizer = OPTIMIZERS[config.optimizer](objective, config)
    captured = should_capture(config, device)
    return Trainer(objective, optimizer, loaders[0], loaders[1], config, folder, device, micro, captured)


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
    say(f"saved {folder / 'model'}")


def report(folder: Path, config: PretrainConfig) -> None:
    """Write report.html: curves, and held-out text as the model sees it."""
    examples = ""
    is_discriminator = "ElectraForPreTraining" in read_json(folder / "model" / "config.json")["architectures"]
    if is_discriminator and (folder / "model" / "generator").is_dir() and len(open_examples(config.data, "heldout")):
        examples = examples_html(load(folder), config)
    write_report(folder, folder / "report.html", examples)


def last_evaluation(folder: Path) -> dict[str, float]:
    """The newest held-out metrics of a run."""
    lines = read_metrics(folder)
    found = [line for line in lines if line["kind"] == "eval"]
    return {k: v for k, v in found[-1].items() if k != "kind"} if found else {}
