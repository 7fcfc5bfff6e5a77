"""The plan of a run, as resolved from its configuration and data, to read before it trains."""

from __future__ import annotations

import torch

from electra.config import PretrainConfig
from electra.core.log import counted, duration, logger
from electra.data.shards import Examples
from electra.objectives import find_objective
from electra.text.tokenizer import Tokenizer
from electra.training.device import choose_device, choose_dtype, should_compile

LABEL = 8  # columns


def show_plan(config: PretrainConfig, train: Examples, tokenizer: Tokenizer, rows: int) -> None:
    """Log what will be trained, on what, where and for how long; `rows` are those of a forward pass."""
    for name, value in plan(config, train, tokenizer, rows):
        logger.info(f"{name:{LABEL}} {value}")


def plan(config: PretrainConfig, train: Examples, tokenizer: Tokenizer, rows: int) -> list[tuple[str, str]]:
    """Return the names and values of the plan; a line of both fits 80 columns unless a path is long."""
    model = config.model
    shape = f"{model.num_hidden_layers} layers x {model.hidden_size}"
    tokens = config.train_batch_size * train.seq_length
    return [
        ("model", f"{model.model_type}, {shape}, objective {config.objective}; {parameters(config, tokenizer)}"),
        ("weights", first_weights(config)),
        ("data", f"{config.data}: {train.num_tokens:,} tokens, {len(train):,} examples of up to {train.seq_length}"),
        ("device", device(config)),
        ("step", f"{config.train_batch_size:,} rows, {rows} at a time: up to {tokens:,} tokens"),
        ("rate", f"{config.optimizer}, up to {config.learning_rate:g}, after {warm_up(config)}"),
        ("budget", budget(config)),
        ("run", f"{config.out} (metrics.jsonl; a checkpoint every {config.save_steps:,} steps)"),
    ]


def parameters(config: PretrainConfig, tokenizer: Tokenizer) -> str:
    """Return the number of trained parameters, including those of a generator."""
    with torch.device("meta"):  # without memory
        objective = find_objective(config.objective)(config, tokenizer.mask_id)
    return f"{sum(p.numel() for p in objective.parameters()) / 1e6:.1f} M parameters"


def first_weights(config: PretrainConfig) -> str:
    """Return where the first weights come from."""
    known = {"random": "random", "corpus": "from counts of the corpus, which takes a moment"}
    return known.get(config.init, f"of {config.init}")


def device(config: PretrainConfig) -> str:
    """Return the device, its threads, the precision, and whether steps are compiled."""
    chosen = choose_device(config.device)
    threads = counted(torch.get_num_threads(), "thread")
    where = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else threads
    precision = str(choose_dtype(config)).removeprefix("torch.")
    compiled = "compiled in the first step, for a minute" if should_compile(config) else "not compiled"
    return f"{chosen} ({where}), {precision}, {compiled}"


def warm_up(config: PretrainConfig) -> str:
    """Return the length of the warm-up."""
    if not config.warmup_steps:
        return "no warm-up"
    share = f"{100 * config.longest_warmup:.0f} % of the budget"
    cut_by_steps = config.warmup_steps > config.longest_warmup * config.train_steps
    if cut_by_steps and not (config.max_tokens or config.max_minutes):
        return f"{config.longest_warmup * config.train_steps:,.0f} steps"
    return f"{config.warmup_steps:,} steps" + (f" or {share}" if config.max_tokens or config.max_minutes else "")


def budget(config: PretrainConfig) -> str:
    """Return the limits of a run, the first of which ends it."""
    limits = [f"{config.train_steps:,} steps"]
    limits += [f"{config.max_tokens:,} tokens"] if config.max_tokens else []
    limits += [duration(60 * config.max_minutes)] if config.max_minutes else []
    return " or ".join(limits) + ("" if len(limits) == 1 else ", whichever comes first")
