"""Learning rate and end of a run as functions of its progress."""

from __future__ import annotations

from electra.config import TrainConfig


def progress(config: TrainConfig, step: int, tokens: int, seconds: float) -> float:
    """Return the share of the budget that is spent, in [0, 1]: the largest of steps, tokens and time."""
    done = step / config.train_steps
    if config.max_tokens:
        done = max(done, tokens / config.max_tokens)
    if config.max_minutes:
        done = max(done, seconds / (60 * config.max_minutes))
    return min(1.0, done)


def learning_rate(config: TrainConfig, step: int, done: float) -> float:
    """Return the product of linear warm-up and linear decay; as in the released code, both may overlap."""
    warmup = min(1.0, step / config.warmup_steps) if config.warmup_steps else 1.0
    return config.learning_rate * min(1.0, (1 - done) / config.cooldown) * warmup
