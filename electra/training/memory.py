"""How the process keeps memory between steps."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # names of malloc.h
LARGE = 1 << 30


def keep_freed_memory() -> None:
    """Let glibc keep what a step frees, for the next step asks for the same again.

    By default large blocks go back to the system and come again as untouched pages, a fault each: a quarter of a tiny
    model's step, once the heap is fragmented (docs/speed.md). Elsewhere than on Linux with glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in ((MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, LARGE), (TOP_PAD, LARGE >> 4)):
            mallopt(name, value)
