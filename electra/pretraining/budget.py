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
    state = read_json(checkpoint / "state.json")
    step, tokens, seconds = state["step"], state["tokens"], state["seconds"]
    enough = math.ceil(step / (1 - config.cooldown)) if config.cooldown < 1 else step + 1
    require(
        progress(config, step, tokens, seconds) < 1,
        f"{config.out} has taken {step:,} steps ({tokens:,} tokens, {seconds / 60:.1f} minutes), as much as its new "
        f"budget or more; its cooldown follows at once with --train-steps {enough}",
    )
    logger.info("budget: " + ", ".join(f"{name} {before[name]:,} -> {value:,}" for name, value in changed.items()))
