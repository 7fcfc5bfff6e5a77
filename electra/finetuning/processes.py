"""Run calls in parallel processes; results go through files."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Callable, Sequence
from logging.handlers import QueueHandler, QueueListener
from typing import Any

from electra.core.errors import NOT_FINITE, STOPPED, Interrupted, exit_code
from electra.core.log import logger
from electra.training.signals import ctrl_c_blocked, handled_by


def side_by_side(function: Callable[..., object], arguments: Sequence[tuple[Any, ...]], at_once: int) -> None:
    """Call `function` with each of `arguments`, `at_once` processes at a time.

    Raises:
        Interrupted: a signal asked to stop; every call has saved.
        FloatingPointError, RuntimeError: a call failed and has logged why.
    """
    for first in range(0, len(arguments), at_once):
        codes = exit_codes(function, arguments[first : first + at_once])
        if {STOPPED, -signal.SIGTERM} & set(codes):
            raise Interrupted("stopped; run the same command again to continue")
        if NOT_FINITE in codes:
            raise FloatingPointError("a loss was not finite; see the warning above")
        if any(codes):
            raise RuntimeError(f"a process ended with exit code {max(codes, key=abs)}")


def exit_codes(function: Callable[..., object], group: Sequence[tuple[Any, ...]]) -> list[int]:
    """Run a group of calls and return their exit codes; pass SIGTERM on, and Ctrl-C as SIGTERM."""
    context = multiprocessing.get_context("spawn")
    messages: Any = context.Queue()
    processes = [context.Process(target=call, args=(function, given, messages)) for given in group]
    listener = QueueListener(messages, *logger.handlers)

    asked: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        asked.append(number)
        for process in started(processes):
            process.terminate()

    with handled_by(pass_on):
        listener.start()
        with ctrl_c_blocked():
            for process in processes:
                if not asked:
                    process.start()
        for process in started(processes):
            process.join()
        listener.stop()
    return [process.exitcode or 0 for process in started(processes)] + [-signal.SIGTERM] * bool(asked)


def started(processes: Sequence[Any]) -> list[Any]:
    """Return the processes that run or have run."""
    return [process for process in processes if process.pid]


def call(function: Callable[..., object], given: tuple[Any, ...], messages: Any) -> None:
    """Make one call; send its log messages to the parent and turn an error into an exit code."""
    logger.addHandler(QueueHandler(messages))
    logger.setLevel(logging.INFO)
    try:
        function(*given)
    except (Interrupted, FloatingPointError, ValueError, OSError) as error:
        if not isinstance(error, Interrupted):
            logger.warning(str(error))
        raise SystemExit(exit_code(error)) from None
