"""Short iterations of the event loop: new requests wait while one runs, refusals too."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class PacedCalls:
    """Run calls in order, one per iteration of the event loop, which polls its sockets in between.

    All answers of a batch become ready at once, and many requests may arrive at once. Handled in one iteration, they
    would block the loop for tens of milliseconds.
    """

    def __init__(self) -> None:
        self.calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    def add(self, function: Callable[..., object], *args: Any) -> None:
        """Queue a call."""
        self.calls.append((function, args))
        if len(self.calls) == 1:
            asyncio.get_running_loop().call_soon(self._run_next)

    async def wait(self) -> None:
        """Queue the caller and wait for its iteration."""
        future = asyncio.get_running_loop().create_future()
        self.add(resolve, future, None)
        await future

    def _run_next(self) -> None:
        function, args = self.calls[0]
        try:
            function(*args)
        finally:
            self.calls.popleft()
            if self.calls:
                asyncio.get_running_loop().call_soon(self._run_next)


def resolve(future: asyncio.Future[Any], result: Any) -> None:
    """Set a future's result, or its exception if the result is one; leave a cancelled future alone."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
