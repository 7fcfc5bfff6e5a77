"""Memory of the process between steps."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # names of malloc.h
LARGE = 1 << 30


def keep_freed_memory() -> None:
    """Let glibc keep the memory that a step frees, as the next step allocates the same again.

    By default glibc returns large blocks to the system and gets them back as untouched pages, with a page fault each.
    With a fragmented heap, that is a quarter of a tiny model's step (docs/lab/speed.md). Without glibc this does
    nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in ((MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, LARGE), (TOP_PAD, LARGE >> 4)):
            mallopt(name, value)
