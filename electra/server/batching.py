"""Texts of many requests in common forward passes: a bounded queue, one thread that owns the model, deadlines."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from electra.server.rounds import Rounds, settle

HANG_SECONDS = 60.0  # a pass that takes longer is taken for hung
LOAD = 0.5  # share of the deadline that the queue may need: what is let in is answered in time


class Engine(Protocol):
    """A model as the server sees it: `answer` is called by one thread only."""

    name: str
    kinds: tuple[str, ...]  # of questions: detect, predict, embed
    threshold: float

    def tokens(self, kind: str, item: Any) -> int:
        """What an item costs."""
        ...

    def answer(self, kind: str, items: list[Any]) -> list[Any]:
        """One answer an item."""
        ...


class Overloaded(Exception):
    """The queue is full; `seconds` later there may be room."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the queue is full")
        self.seconds = seconds


class Expired(Exception):
    """The deadline passed before a forward pass had room."""


@dataclass(eq=False)
class Job:
    """One item that waits for its answer."""

    kind: str
    item: Any
    size: int  # characters: known before the tokens are
    expires: float
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    tokens: int = 0


class Batcher:
    """The queue and the thread. All public methods belong to the event loop's thread."""

    def __init__(
        self, engine: Engine, max_tokens: int, max_jobs: int, deadline: float,
        observe: Callable[[int, int], None] = lambda jobs, tokens: None,
    ) -> None:  # fmt: skip
        self.engine, self.max_tokens, self.max_jobs, self.deadline = engine, max_tokens, max_jobs, deadline
        self.observe = observe
        self.queue: dict[Job, None] = {}  # in order of arrival; a dictionary, for what is cancelled leaves its middle
        self.waiting_size = self.running_size = 0
        self.rate = 0.0  # characters a second, of late
        self.busy_since = 0.0
        self.stopping = False
        self.rounds = Rounds()
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Start the thread that owns the model."""
        self.loop = asyncio.get_running_loop()
        self.thread.start()

    async def stop(self) -> None:
        """Answer what waits, then end the thread."""
        with self.changed:
            self.stopping = True
            self.changed.notify()
        await asyncio.to_thread(self.thread.join, HANG_SECONDS)

    @property
    def healthy(self) -> bool:
        """Whether the thread lives and is not stuck in a pass."""
        since = self.busy_since
        return self.thread.is_alive() and not (since and time.monotonic() - since > HANG_SECONDS)

    @property
    def wait(self) -> float:
        """The seconds a text that comes now is likely to wait."""
        return (self.waiting_size + self.running_size) / self.rate if self.rate else 0.0

    def admit(self, count: int = 1) -> None:
        """Raise Overloaded where `count` more items have no room, or would wait too long."""
        if self.queue and (len(self.queue) + count > self.max_jobs or self.wait > LOAD * self.deadline):
            raise Overloaded(max(1.0, self.wait))

    async def ask(self, kind: str, items: Sequence[Any], sizes: Sequence[int]) -> list[Any]:
        """The answers to all items; a caller that is cancelled takes them out of the queue.

        Raises:
            Overloaded: there is no room for all of them.
            Expired: the deadline passed first.
        """
        self.admit(len(items))
        expires = time.monotonic() + self.deadline
        jobs = [Job(kind, item, size, expires) for item, size in zip(items, sizes, strict=True)]
        with self.changed:
            self.queue.update(dict.fromkeys(jobs))
            self.waiting_size += sum(sizes)
            self.changed.notify()
        try:
            return list(await asyncio.gather(*(job.answer for job in jobs)))
        finally:
            self._remove(jobs)

    def _remove(self, jobs: Sequence[Job]) -> list[Job]:
        """Take jobs out of the queue; those that were still in it."""
        with self.changed:
            found = [job for job in jobs if self.queue.pop(job, self) is None]
            self.waiting_size -= sum(job.size for job in found)
            return found

    # -- the model's thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            if batch:
                self._answer(batch)

    def _take(self) -> list[Job] | None:
        """The next batch: items of one kind, in order, as many as fit; None when all is done."""
        with self.changed:
            self.changed.wait_for(lambda: bool(self.queue) or self.stopping)
            waiting = list(self.queue)
        if not waiting:
            return None
        now = time.monotonic()
        late = self._remove([job for job in waiting if job.expires < now])
        self._deliver(late, [Expired()] * len(late))
        batch: list[Job] = []
        total = 0
        for job in waiting:
            if job.expires < now or (batch and job.kind != batch[0].kind):
                continue
            job.tokens = job.tokens or self._tokens(job)
            if batch and total + job.tokens > self.max_tokens:
                break
            batch.append(job)
            total += job.tokens
        return self._remove(batch)

    def _tokens(self, job: Job) -> int:
        """What a job costs; one that cannot be counted fails later, with its own error."""
        try:
            return self.engine.tokens(job.kind, job.item)
        except Exception:
            return 1

    def _answer(self, batch: list[Job]) -> None:
        """One forward pass, and what it tells about speed."""
        self.busy_since = start = time.monotonic()
        self.running_size = size = sum(job.size for job in batch)
        answers = self._try(batch[0].kind, [job.item for job in batch])
        rate = (size + 1) / (time.monotonic() - start)
        self.rate = 0.8 * self.rate + 0.2 * rate if self.rate else rate
        self.busy_since, self.running_size = 0.0, 0
        self.observe(len(batch), sum(job.tokens for job in batch))
        self._deliver(batch, answers)

    def _try(self, kind: str, items: list[Any]) -> list[Any]:
        """The answers; where the batch fails each item is asked alone, so that only the bad one gets its error."""
        try:
            return self.engine.answer(kind, items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            return [self._try(kind, [item])[0] for item in items]

    def _deliver(self, jobs: list[Job], answers: list[Any]) -> None:
        """Hand answers and errors to the event loop."""

        def deliver() -> None:
            for job, answer in zip(jobs, answers, strict=True):
                self.rounds.call(settle, job.answer, answer)

        if jobs and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(deliver)
