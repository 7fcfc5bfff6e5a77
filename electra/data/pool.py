"""A pool of processes that write chunks and return their notes in order."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from electra.core.hardware import usable_cores
from electra.data.chunks import Chunk, Recipe, finished, start_worker, write_chunk, write_in_worker
from electra.text.tokenizer import Tokenizer
from electra.text.word_cache import WordCache

WORTH_A_POOL = 4_000_000  # bytes of sources below which starting processes costs more than it saves


def number_of_workers(wanted: int, total_bytes: int | None) -> int:
    """Return `wanted`; 0 means the number of cores, or one for a small corpus."""
    if wanted:
        return wanted
    small = total_bytes is not None and total_bytes < WORTH_A_POOL
    return 1 if small else usable_cores()


def in_processes(
    chunks: Iterator[Chunk], tokenizer: Tokenizer, recipe: Recipe, workers: int
) -> Iterator[dict[str, Any]]:
    """Write chunks in worker processes and yield their notes in order; at most workers + 2 chunks are in flight."""
    if workers == 1:
        cache = WordCache(tokenizer)
        for chunk in chunks:
            yield finished(recipe.destination, chunk) or write_chunk(chunk, cache, recipe)
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, start_worker, (recipe,))
    waiting: deque[Future[dict[str, Any]]] = deque()
    try:
        for chunk in chunks:
            note = finished(recipe.destination, chunk)
            waiting.append(completed(note) if note else pool.submit(write_in_worker, chunk))
            if len(waiting) > workers + 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise ValueError(
            "a worker process died, most likely out of memory (fewer --num-workers need less); or, if this was called "
            'from a script, the script lacks `if __name__ == "__main__":`'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def completed(note: dict[str, Any]) -> Future[dict[str, Any]]:
    """Return a completed future."""
    future: Future[dict[str, Any]] = Future()
    future.set_result(note)
    return future
