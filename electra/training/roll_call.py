"""Find the processes of a run that ended or hang, after an operation of all has failed."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread

from torch.distributed import Store  # type: ignore[attr-defined]

from electra.core.errors import LOST, Lost

ANSWER = {True: 5.0, False: 1.0}  # seconds to answer, by whether the operation timed out: then others time out soon
STORE = 5.0  # seconds in which a store answers


class RollCall:
    """Entries in the store of a run, by which a process shows that it is alive.

    minutes: how long an operation of all processes waits for one.
    """

    def __init__(self, store: Store, rank: int, size: int, minutes: float) -> None:
        self.store, self.rank, self.size, self.minutes = store, rank, size, minutes
        store.set(f"host/{rank}", socket.gethostname())
        self.first_host = store.get("host/0").decode()  # now, as the first may hold the store

    @contextlib.contextmanager
    def naming_missing(self, step: int) -> Iterator[None]:
        """Turn the failure of an operation of all processes into an error that names those to blame."""
        began = time.monotonic()
        try:
            yield
        except RuntimeError as error:
            timed_out = time.monotonic() - began > 59 * self.minutes
            missing = self.missing(timed_out)
            if self.rank != min(set(range(self.size)) - set(missing)):
                raise SystemExit(LOST) from None  # the first that is left says it
            what = f"has not answered for {self.minutes:g} minutes" if timed_out else "ended"
            raise Lost(
                f"{self.names(missing)} {what}, at step {step:,}; the last checkpoint is good; "
                "run the same command again to continue"
            ) from error

    def missing(self, timed_out: bool) -> list[int]:
        """Return the processes that do not answer; if the store is lost, process 0, which holds it."""
        silent, end, reached = {*range(self.size)} - {self.rank}, time.monotonic() + ANSWER[timed_out], list[bool]()

        def ask() -> None:
            with contextlib.suppress(RuntimeError):  # the store is lost
                self.store.set_timeout(timedelta(seconds=STORE))
                self.store.set(f"here/{self.rank}", "")
                while silent and time.monotonic() < end:
                    silent.difference_update([r for r in silent if self.store.check([f"here/{r}"])])
                    reached.append(True)
                    time.sleep(0.05)

        # `check` waits for ever for a store behind a broken cable, whatever the timeout.
        asking = Thread(target=ask, daemon=True)
        asking.start()
        asking.join(ANSWER[timed_out] + STORE)
        return sorted(silent) if reached else [0]

    def names(self, ranks: list[int]) -> str:
        """Return the processes with their hosts, as far as they are known."""
        return ", ".join(f"process {r}{self.host(r)}" for r in ranks) or "a process"

    def host(self, rank: int) -> str:
        """Return the host of a process in brackets, if the store still knows it."""
        if rank == 0:
            return f" ({self.first_host})"
        with contextlib.suppress(RuntimeError):
            return f" ({self.store.get(f'host/{rank}').decode()})"
        return ""
