"""Errors that a user can fix, and their exit codes."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence


class WrongInput(ValueError):
    """An input that a model cannot process. The message quotes none of it, so that a server may send it."""

    def __init__(self, number: int, needed: str) -> None:
        super().__init__(f"input {number}: give {needed}")
        self.number, self.needed = number, needed


class Unanswerable(ValueError):
    """An input that a model cannot process as it was asked to. The message quotes none of it."""


class Interrupted(RuntimeError):
    """A signal stopped a run, after it saved its state."""


class Lost(RuntimeError):
    """Another process of a run ended or does not answer; the last checkpoint is good."""


STOPPED, NOT_FINITE, LOST = 75, 4, 6
EXIT_CODES: dict[type[Exception], int] = {
    ValueError: 2, FloatingPointError: NOT_FINITE, OSError: 5, Lost: LOST, Interrupted: STOPPED,
}  # fmt: skip
REMEDIES = {
    errno.ENOENT: "no such file or folder; check the name",
    errno.EISDIR: "it is a folder where a file is wanted; name a file in it",
    errno.ENOTDIR: "it is a file, or lies below one, where a folder is wanted; name a folder",
    errno.EEXIST: "it exists already; name another",
    errno.EACCES: "you may not read or write there; change its permissions, or name another",
    errno.EPERM: "nothing can be written there; name another",
    errno.EROFS: "nothing can be written there; name another",
    errno.ENOSPC: "the disk is full; make room and run the same command again",
    errno.EDQUOT: "your share of the disk is full; make room and run the same command again",
}


def some_of(names: Sequence[object], most: int = 3) -> str:
    """Return the first names, for a message, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def in_words(error: BaseException) -> str:
    """Return what an error says; one of the system without its number, with the file and, if known, what to do."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    place = error.filename if error.filename2 is None else error.filename2  # of a renaming, what the user named
    is_explained = error.strerror != os.strerror(error.errno)
    said = error.strerror if is_explained else REMEDIES.get(error.errno, error.strerror)
    return str(said) if place is None else f"{place}: {said}"


def exit_code(error: BaseException) -> int | None:
    """Return the exit code for an error, or None if the error is a bug."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), None)
