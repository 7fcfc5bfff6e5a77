"""Find the processes of a run that ended or hang, after an operation of all has failed."""

from __future__ import annotations

import contextlib
import socket
import time
from datetime import timedelta
from threading import Thread

from torch.distributed import Store  # type: ignore[attr-defined]

ANSWER = {True: 5.0, False: 1.0}  # seconds to answer, by whether the operation timed out: then others time out soon

STORE = 5.0  # seconds in which a store answers


class RollCall:
    """Entries in the store of a run, by which a process shows that it is alive."""

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self.store, self.rank, self.size = store, rank, size
        store.set(f"host/{rank}", socket.gethostname())
        self.first_host = store.get("host/0").decode()  # now, as the first may hold the store

    def missing(self, timed_out: bool) -> list[int]:
        """Return the processes that do not answer; the first if the store is lost, which is in its process."""
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
