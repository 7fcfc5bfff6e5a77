"""Errors that a user can fix, and their exit codes."""

from __future__ import annotations


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


def exit_code(error: BaseException) -> int | None:
    """Return the exit code for an error, or None if the error is a bug."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), None)
