"""What a process ends with: one number for each kind of error that its user can mend."""

from __future__ import annotations

STOPPED, NOT_FINITE = 75, 4
EXIT = {"ValueError": 2, "FloatingPointError": NOT_FINITE, "OSError": 5, "Interrupted": STOPPED}


def exit_code(error: BaseException) -> int | None:
    """The code of an error, by its class's name or that of one above; None where it is a fault of ours."""
    return next((EXIT[c.__name__] for c in type(error).__mro__ if c.__name__ in EXIT), None)
