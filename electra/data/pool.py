"""A pool of processes that write chunks, and whose notes come back in order."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from electra.data.chunks import Chunk, Recipe, finished, start_worker, work, write_chunk
from electra.text.tokenizer import Tokenizer
from electra.text.word_cache import WordCache

WORTH_A_POOL = 4_000_000  # bytes of sources below which starting processes costs more than it saves


def number_of_workers(wanted: int, total_bytes: int | None) -> int:
    """As many processes as asked for or as there are cores; one where there is little to do."""
    if wanted:
        return wanted
    small = total_bytes is not None and total_bytes < WORTH_A_POOL
    return 1 if small else len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    chunks: Iterator[Chunk], tokenizer: Tokenizer, recipe: Recipe, workers: int
) -> Iterator[dict[str, Any]]:
    """Write chunks in processes, two more in flight than there are processes; yield their notes in order."""
    if workers == 1:
        cache = WordCache(tokenizer)
        for chunk in chunks:
            yield finished(recipe.folder, chunk) or write_chunk(chunk, cache, recipe)
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, start_worker, (recipe,))
    waiting: deque[Future[dict[str, Any]]] = deque()
    try:
        for chunk in chunks:
            waiting.append(done(note) if (note := finished(recipe.folder, chunk)) else pool.submit(work, chunk))
            if len(waiting) > workers + 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise ValueError(
            "a process ended by itself: out of memory, most likely (fewer --num-workers need less); or, where this was "
            'called from a script, the script lacks `if __name__ == "__main__":`'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def done(note: dict[str, Any]) -> Future[dict[str, Any]]:
    """A future that is already over."""
    future: Future[dict[str, Any]] = Future()
    future.set_result(note)
    return future
