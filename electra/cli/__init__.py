"""The command line: verbs, and the exit codes of errors that a user can fix."""

from __future__ import annotations

import os
import sys

from electra import __version__
from electra.cli.flags import parse
from electra.cli.verbs import VERBS
from electra.core.errors import STOPPED, exit_code, in_words

FIRST = "First: electra detect letter.txt    (a model of English comes with the package)"


def main(argv: list[str] | None = None) -> None:
    """Run one verb; an error that a user can fix ends in one line and an exit code, without a traceback."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return
    if words[0] == "--version":
        print(__version__)
        return
    from electra.cli.terminal import show_log  # rich takes longer to import than help to print

    show_log()
    try:
        run(words[0], words[1:])
        sys.stdout.flush()  # here, where an error is told: its disk may be full
    except (ValueError, FloatingPointError, OSError, RuntimeError) as error:
        code = exit_code(error)
        if code is None:
            raise
        if isinstance(error, OSError):
            release_output()
        if isinstance(error, BrokenPipeError):  # the reader of the output has closed the pipe
            raise SystemExit(0) from None
        print(f"{'' if code == STOPPED else 'error: '}{in_words(error)}", file=sys.stderr)
        raise SystemExit(code) from None
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None


def release_output() -> None:
    """Flush standard output, or drop what is left of it: Python would complain of it once more when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def usage() -> str:
    """Return the list of verbs, each with the first line of the docstring of its configuration."""
    lines = [f"  {verb:10} {(kind.__doc__ or '').splitlines()[0]}" for verb, (kind, _) in VERBS.items()]
    return "\n".join(["usage: electra VERB [options]      electra VERB --help", "", *lines, "", FIRST])


def run(verb: str, words: list[str]) -> None:
    """Parse the flags of a verb and call it."""
    if verb not in VERBS:
        raise ValueError(f"unknown verb {verb!r}; there are {', '.join(VERBS)}")
    kind, function = VERBS[verb]
    function(parse(kind, words, f"electra {verb}"))
