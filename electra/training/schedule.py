"""The learning rate and the end of a run, as functions of how far it is."""

from __future__ import annotations

from electra.config import FinetuneConfig, PretrainConfig


def progress(config: PretrainConfig | FinetuneConfig, step: int, tokens: int, seconds: float) -> float:
    """The share of the run that is done: the furthest of steps, tokens and time; at 1 it ends."""
    done = step / config.train_steps
    if config.max_tokens:
        done = max(done, tokens / config.max_tokens)
    if config.max_minutes:
        done = max(done, seconds / (60 * config.max_minutes))
    return min(1.0, done)


def learning_rate(config: PretrainConfig | FinetuneConfig, step: int, done: float) -> float:
    """Linear decay over the last part of the run, times linear warm-up: in the released code both begin at once."""
    warmup = min(1.0, step / config.warmup_steps) if config.warmup_steps else 1.0
    cooldown = config.cooldown if isinstance(config, PretrainConfig) else 1.0
    return config.learning_rate * min(1.0, (1 - done) / cooldown) * warmup
