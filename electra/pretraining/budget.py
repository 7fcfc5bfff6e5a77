"""The budget of a run, which may change when the run is continued.

The schedule is a function of the share that is spent. With a short cooldown, before which the rate is constant, a run
can be cut anywhere, or a finished one trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from electra.config import PretrainConfig, require
from electra.core.log import logger
from electra.core.storage import read_json
from electra.training.schedule import progress

BUDGET = frozenset({"train_steps", "max_tokens", "max_minutes"})


def accept_budget(config: PretrainConfig, before: Mapping[str, Any], checkpoint: Path) -> None:
    """Log a budget that differs from that in the settings `before`.

    Raises:
        ValueError: the run has spent it already, so there is no training left for the cooldown.
    """
    changed = {name: getattr(config, name) for name in sorted(BUDGET) if before[name] != getattr(config, name)}
    if not changed:
        return
    step, tokens, seconds = position(checkpoint)
    require(
        not is_spent(config, checkpoint),
        f"{config.out} has taken {step:,} steps ({tokens:,} tokens, {seconds / 60:.1f} minutes), as much as its new "
        f"budget or more; {needed(config, checkpoint)}",
    )
    logger.info("budget: " + ", ".join(f"{name} {before[name]:,} -> {value:,}" for name, value in changed.items()))


def is_spent(config: PretrainConfig, checkpoint: Path) -> bool:
    """Return whether a run at a checkpoint has nothing left of its budget."""
    return progress(config, *position(checkpoint)) == 1


def position(checkpoint: Path) -> tuple[int, int, float]:
    """Return the steps, tokens and seconds of training up to a checkpoint."""
    state = read_json(checkpoint / "state.json")
    return state["step"], state["tokens"], state["seconds"]


def needed(config: PretrainConfig, checkpoint: Path) -> str:
    """Return the larger limits with which a run that has spent its budget is trained on."""
    step, tokens, seconds = position(checkpoint)
    used = {"train_steps": step, "max_tokens": tokens, "max_minutes": seconds / 60}
    reached = {name: amount for name, amount in used.items() if 0 < getattr(config, name) <= amount}
    if config.cooldown == 1:
        flags = [f"--{name.replace('_', '-')} above {amount:.10g}" for name, amount in reached.items()]
        return f"it is trained on with {' and '.join(flags)}"
    enough = {name: math.ceil(amount / (1 - config.cooldown)) for name, amount in reached.items()}
    flags = [f"--{name.replace('_', '-')} {amount}" for name, amount in enough.items()]
    return f"its cooldown follows at once with {' and '.join(flags)}, later with more"


def how_to_go_on(config: PretrainConfig, checkpoint: Path) -> str:
    """Return how a finished run is trained further."""
    return f"To train on from its weights, use --init {config.out}; in the same run, {needed(config, checkpoint)}"
