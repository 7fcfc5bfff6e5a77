"""Where a race stands: which run is next, and how long those that are left will take."""

from __future__ import annotations

import time
from collections.abc import Mapping

from electra.core.log import counted, duration, logger

FEWEST_STEPS = 500  # below, contestants differ by how fast they warm up (docs/reference/compare.md)


class Agenda:
    """Announce each run with the time left, from the expected times, corrected by those of this session's runs."""

    def __init__(self, pending: Mapping[str, float], total: int) -> None:
        """Take the runs to train in their order, each with the seconds its training is expected to take."""
        self.pending, self.total, self.pace = dict(pending), total, 1.0
        self.spent, self.done = 0.0, 0.0  # seconds of this session, and those expected for the same runs
        examined = " and the examinations" if self.pending else ""
        logger.info(f"{counted(total, 'run')}, {len(self.pending)} of them to train{self.left()}{examined}")

    def left(self) -> str:
        """Return the time of the pending runs, as the end of a sentence."""
        return f": about {duration(self.pace * sum(self.pending.values()))}" if self.pending else ""

    def begin(self, run: str) -> None:
        """Announce a run."""
        self.began = time.monotonic()
        if run in self.pending:
            logger.info(f"run {self.total - len(self.pending) + 1} of {self.total}, {run}{self.left()} left")

    def end(self, run: str) -> None:
        """Note that a run is trained and examined, or has diverged."""
        if run in self.pending:
            self.spent, self.done = self.spent + time.monotonic() - self.began, self.done + self.pending.pop(run)
            self.pace = self.spent / self.done


def warn_if_short(steps: Mapping[str, int]) -> None:
    """Warn of runs that are too short to tell contestants apart."""
    short = {name: number for name, number in steps.items() if number < FEWEST_STEPS}
    if short:
        fewest = min(short.values())
        logger.warning(
            f"{len(short)} of {len(steps)} contestants train for fewer than {FEWEST_STEPS} steps "
            f"(the shortest for {fewest:,}), too few to mean anything; "
            f"raise --budget {-(-FEWEST_STEPS // fewest)} times"
        )
