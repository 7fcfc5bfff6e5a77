"""The pace of a session: the training time that is left, from this session's own speed."""

from __future__ import annotations

from typing import NamedTuple

from electra.config import TrainConfig
from electra.core.log import duration, logger

LONG = 86_400.0  # seconds: a run of more than a day is worth a warning
FEW_STEPS, SHORT = 10, 60.0  # the pace is known after so many steps or seconds, whichever comes first


class Position(NamedTuple):
    """What a run has used of its budget."""

    step: int
    tokens: int
    seconds: float  # in steps


class Pace:
    """Estimate the time left from the steps of this session, without its first, which compiles and loads.

    A run that is continued may be on another machine, so the time of earlier sessions says nothing.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.first: Position | None = None
        self.now: Position | None = None
        self.is_known = False

    def note(self, step: int, tokens: int, seconds: float) -> None:
        """Note the position after a step."""
        self.now = Position(step, tokens, seconds)
        self.first = self.first or self.now
        if not self.is_known and (step - self.first.step >= FEW_STEPS or seconds - self.first.seconds >= SHORT):
            self.is_known = True
            self.warn_if_long()

    def warn_if_long(self) -> None:
        """Warn of a run that takes more than a day."""
        left = self.left()
        if left and left > LONG:
            logger.warning(
                f"at this pace the run takes {duration(left)}. Ctrl-C stops it, and the same command continues it; "
                "--max-minutes N fits the whole schedule into N minutes"
            )

    def left(self) -> float | None:
        """Return the seconds to the first limit that will be reached; None before the second step."""
        if self.first is None or self.now is None or self.now.step == self.first.step:
            return None
        c, now = self.config, self.now
        seconds = now.seconds - self.first.seconds
        left = [seconds * (c.train_steps - now.step) / (now.step - self.first.step)]
        if c.max_tokens and now.tokens > self.first.tokens:
            left.append(seconds * (c.max_tokens - now.tokens) / (now.tokens - self.first.tokens))
        if c.max_minutes:
            left.append(60 * c.max_minutes - now.seconds)
        return max(0.0, min(left))
