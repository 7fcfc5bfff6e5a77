"""The service that the routes share: limits, readiness, and inference through the batcher."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from electra.config import ServeConfig
from electra.server.batching import Batcher, Engine, Expired
from electra.server.errors import TooLong

ID_CHARACTERS = 4  # that a token stands for, about
WARM_UP = ("A text to warm up with.", "Another, a little longer, so that more than one shape is known.")


class Service:
    """An engine behind its batcher, with the configured limits."""

    def __init__(self, engine: Engine, config: ServeConfig, batcher: Batcher) -> None:
        self.engine, self.config, self.batcher = engine, config, batcher
        self.ready = False

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Warm up while the server already listens; drain the queue at shutdown."""
        self.batcher.start()
        warming = asyncio.create_task(self.warm_up())
        yield
        self.ready = False
        warming.cancel()
        await self.batcher.stop()

    async def warm_up(self) -> None:
        """Run the first forward passes, which are slow, before the first client comes."""
        for kind in self.engine.kinds[:1]:
            items = [{"detect": (text, 0.0, 1), "embed": (text, None)}.get(kind, text) for text in WARM_UP]
            with contextlib.suppress(Exception):  # a task may need pairs
                await self.batcher.submit(kind, items, [len(text) for text in WARM_UP])
        self.ready = True

    @property
    def threshold(self) -> float:
        """The default detection threshold."""
        return self.engine.threshold if self.config.threshold is None else self.config.threshold

    async def infer(self, request: Request, kind: str, items: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
        """Check the limits and return one answer per item; stop when the client disconnects or it takes too long.

        inputs: what the client sent for each item, a text, a list of texts, or token ids.
        """
        sizes = list(map(characters, inputs))
        self.check_limits(kind, sizes)
        work = asyncio.ensure_future(self.batcher.submit(kind, items, sizes))
        gone = asyncio.ensure_future(disconnected(request))
        try:
            await asyncio.wait((work, gone), timeout=self.config.answer_seconds, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            if gone.done():
                raise HTTPException(499, "the client has disconnected")
            raise Expired  # so that it is said before the connection is cut
        finally:
            gone.cancel()
            work.cancel()

    def check_limits(self, kind: str, sizes: Sequence[int]) -> None:
        """Raise HTTPException if the model cannot answer this kind, or the request exceeds a limit."""
        config = self.config
        if kind not in self.engine.kinds:
            raise HTTPException(422, f"this model does not {kind}; it can {', '.join(self.engine.kinds)}")
        if len(sizes) > config.max_items:
            raise HTTPException(422, f"a request may hold at most {config.max_items} inputs")
        if max(sizes) > config.max_text_chars:
            raise TooLong("a text", config.max_text_chars, "max_text_chars")
        if sum(sizes) > config.max_request_chars:
            raise TooLong("the texts of a request together", config.max_request_chars, "max_request_chars")


def characters(given: str | Sequence[str] | Sequence[int]) -> int:
    """Return the characters of a text, of several, or about those of token ids."""
    if isinstance(given, str):
        return len(given)
    return sum(len(each) if isinstance(each, str) else ID_CHARACTERS for each in given)


async def disconnected(request: Request) -> None:
    """Wait until the client disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
