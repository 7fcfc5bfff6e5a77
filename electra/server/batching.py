"""Dynamic batching: a bounded queue, deadlines, and one thread that runs texts of many requests in one forward pass."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import Any, Protocol

HANG_SECONDS = 60.0  # a forward pass that takes longer counts as hung
MAX_WAIT_SHARE = 0.5  # admit a text only if its expected wait is below this share of the deadline
MAX_AHEAD = 4000  # characters of a request that count as being ahead of another: requests take turns


class Engine(Protocol):
    """A model as the server sees it; only one thread calls `answer`."""

    name: str
    is_box: bool  # whether it is the model in the box
    kinds: tuple[str, ...]  # of requests: detect, predict, embed, tokenize
    threshold: float

    def tokens(self, kind: str, item: Any) -> int:
        """Count the tokens that the model reads for an item."""
        ...

    def answer(self, kind: str, items: list[Any]) -> list[Any]:
        """Return one answer per item; an exception is raised for its request."""
        ...


class Overloaded(Exception):
    """The queue is full; retry after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the queue is full")
        self.seconds = seconds


class Expired(Exception):
    """The deadline passed before the item reached the model."""


@dataclass(eq=False)
class Ticket:
    """What the jobs of one request share."""

    expires: float
    has_started: bool = False  # then it no longer expires: the work that is done would be lost


@dataclass(eq=False)
class Job:
    """One queued item."""

    kind: str
    item: Any
    size: int  # characters, known without running the tokenizer
    ticket: Ticket
    turn: float = 0.0  # jobs are taken in this order
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    tokens: int = 0


class Batcher:
    """The queue and the model thread. Call the public methods from the event loop's thread only.

    Requests take turns by size (start-time fair queueing, Goyal, Vin and Cheng 1996), so that a long one delays a short
    one by about the short one's own time.
    """

    def __init__(
        self, engine: Engine, max_tokens: int, max_jobs: int, deadline: float,
        observe: Callable[[int, int], None] = lambda jobs, tokens: None,
    ) -> None:  # fmt: skip
        self.engine, self.max_tokens, self.max_jobs, self.deadline = engine, max_tokens, max_jobs, deadline
        self.observe = observe
        self.queue: dict[Job, None] = {}  # a dictionary removes cancelled jobs in constant time
        self.turn = 0.0  # of the job taken last
        self.ahead = 0  # characters of open requests, of each at most MAX_AHEAD
        self.rate = 0.0  # characters per second, moving average
        self.busy_since = 0.0
        self.stopping = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Start the model thread."""
        self.loop = asyncio.get_running_loop()
        self.thread.start()

    async def stop(self) -> None:
        """Drain the queue, then end the thread."""
        with self.changed:
            self.stopping = True
            self.changed.notify()
        await asyncio.to_thread(self.thread.join, HANG_SECONDS)

    @property
    def healthy(self) -> bool:
        """Whether the thread is alive and its forward pass does not hang."""
        since = self.busy_since
        return self.thread.is_alive() and not (since and time.monotonic() - since > HANG_SECONDS)

    @property
    def expected_wait(self) -> float:
        """Seconds that a text arriving now is expected to wait."""
        return self.ahead / self.rate if self.rate else 0.0

    def admit(self, count: int = 1) -> None:
        """Raise Overloaded if the queue has no room for `count` more items, or they would wait too long."""
        wait = self.expected_wait
        if self.queue and (len(self.queue) + count > self.max_jobs or wait > MAX_WAIT_SHARE * self.deadline):
            raise Overloaded(max(1.0, wait))

    async def submit(self, kind: str, items: Sequence[Any], sizes: Sequence[int]) -> list[Any]:
        """Queue items and return their answers; cancelling the caller removes them from the queue.

        Raises:
            Overloaded: the queue has no room for all items.
            Expired: the deadline passed first.
        """
        self.admit(len(items))
        ticket, ahead = Ticket(time.monotonic() + self.deadline), min(sum(sizes), MAX_AHEAD)
        turns = accumulate((size + 1 for size in sizes), initial=self.turn)
        jobs = [Job(kind, *each) for each in zip(items, sizes, repeat(ticket), turns, strict=False)]
        with self.changed:
            self.queue.update(dict.fromkeys(jobs))
            self.changed.notify()
        self.ahead += ahead
        try:
            return list(await asyncio.gather(*(job.answer for job in jobs)))
        finally:
            self.ahead -= ahead
            self._remove(jobs)

    def _remove(self, jobs: Sequence[Job]) -> list[Job]:
        """Remove jobs from the queue and return those that were still in it."""
        with self.changed:
            return [job for job in jobs if self.queue.pop(job, self) is None]

    # -- the model thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                self._run_batch(batch)

    def _next_batch(self) -> list[Job] | None:
        """Wait for jobs and take a batch from the queue; return None when stopping and the queue is empty."""
        with self.changed:
            self.changed.wait_for(lambda: bool(self.queue) or self.stopping)
            waiting = sorted(self.queue, key=lambda job: job.turn)
        return self._remove(self._fill(self._drop_expired(waiting))) if waiting else None

    def _drop_expired(self, waiting: list[Job]) -> list[Job]:
        """Fail the expired jobs and return the others."""
        now = time.monotonic()
        late = [job for job in waiting if job.ticket.expires < now and not job.ticket.has_started]
        expired = self._remove(late)
        self._deliver(expired, [Expired()] * len(expired))
        return [job for job in waiting if job not in set(late)] if late else waiting

    def _fill(self, waiting: list[Job]) -> list[Job]:
        """Choose jobs of the first one's kind, in order, until the next would exceed `max_tokens`."""
        batch: list[Job] = []
        total = 0
        for job in waiting:
            if job.kind != waiting[0].kind:
                continue
            job.tokens = job.tokens or self._count_tokens(job)
            if batch and total + job.tokens > self.max_tokens:
                break
            batch.append(job)
            total += job.tokens
        return batch

    def _count_tokens(self, job: Job) -> int:
        """Count a job's tokens; 1 if that fails, since the forward pass then reports the error."""
        try:
            return self.engine.tokens(job.kind, job.item)
        except Exception:
            return 1

    def _run_batch(self, batch: list[Job]) -> None:
        """Run one forward pass, deliver its answers and update the measured rate."""
        self.busy_since = start = time.monotonic()
        self.turn, size = max(self.turn, batch[0].turn), sum(job.size for job in batch)
        for job in batch:
            job.ticket.has_started = True
        answers = self._answer(batch[0].kind, [job.item for job in batch])
        rate = (size + 1) / (time.monotonic() - start)
        self.rate = 0.8 * self.rate + 0.2 * rate if self.rate else rate
        self.busy_since = 0.0
        self.observe(len(batch), sum(job.tokens for job in batch))
        self._deliver(batch, answers)

    def _answer(self, kind: str, items: list[Any]) -> list[Any]:
        """Return answers; if the batch fails, run each item alone, so that only a bad one gets its error."""
        try:
            return self.engine.answer(kind, items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            return [self._answer(kind, [item])[0] for item in items]

    def _deliver(self, jobs: list[Job], answers: list[Any]) -> None:
        """Hand answers and errors to the event loop."""

        def deliver() -> None:
            for job, answer in zip(jobs, answers, strict=True):
                resolve(job.answer, answer)

        if jobs and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(deliver)


def resolve(future: asyncio.Future[Any], result: Any) -> None:
    """Set a future's result, or its exception if the result is one; leave a cancelled future alone."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
