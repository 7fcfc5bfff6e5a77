"""Work in small portions: refusing is quick only if no round of the event loop is long."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Rounds:
    """Calls in order, one in each round of the event loop, which looks between them at what has come.

    A batch's answers all become ready at once, and so do the requests of a crowd: dozens of milliseconds in one round.
    """

    def __init__(self) -> None:
        self.calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Call it when those before it have had their round."""
        self.calls.append((function, args))
        if len(self.calls) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    async def turn(self) -> None:
        """Wait for a round of one's own."""
        mine = asyncio.get_running_loop().create_future()
        self.call(settle, mine, None)
        await mine

    def _next(self) -> None:
        function, args = self.calls[0]
        try:
            function(*args)
        finally:
            self.calls.popleft()
            if self.calls:
                asyncio.get_running_loop().call_soon(self._next)


def settle(future: asyncio.Future[Any], answer: Any) -> None:
    """Give what waits its answer or its error, unless it has been cancelled."""
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
