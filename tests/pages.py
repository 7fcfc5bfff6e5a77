"""The code blocks of a Markdown page, and how a test runs them.

A comment on the line before a block says how:

    <!-- run: no, REASON -->        the block is not run; its commands are still parsed
    <!-- run: background -->        the block starts a server, which the next blocks may ask
    <!-- run: as swapped.py -->     the block is written to this file
    <!-- output -->                 the text block shows what was printed last; numbers and durations may be others
    <!-- output: exact -->          numbers must be the same
    <!-- output: loose -->          the model's suggestions may be others

A line `...` stands for any lines. A `console` block holds commands after `$ ` and what they printed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^(`{3,})\s*(\w*)")
COMMENT = re.compile(r"^<!-- (run|output)(?:: (as [\w.]+|\w+))?.*-->$")
NUMBER = re.compile(r"(?<![A-Za-z])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
DURATION = re.compile(r"\b\d+(?:s|m\d\ds|h\d\dm)\b")  # as electra.core.log.duration writes it
LANGUAGES = {
    "sh",
    "python",
    "console",
    "text",
    "json",
    "yaml",
    "toml",
    "nginx",
    "dockerfile",
    "html",
    "javascript",
    "diff",
}


class Block(NamedTuple):
    """A code block of a page."""

    page: str
    line: int  # of its first line in the page, from 1
    language: str
    code: str
    run: str  # "", "no", "background" or "as FILE"
    output: str | None  # "", "exact" or "loose" where it shows what the block before it printed


def blocks(path: Path) -> list[Block]:
    """Return the code blocks of a page in order."""
    found, comments, fence, code = [], {}, None, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if fence and line.rstrip() == fence[0]:
            name = path.relative_to(ROOT).as_posix()
            found.append(
                Block(name, fence[2], fence[1], "\n".join(code) + "\n", comments.get("run", ""), comments.get("output"))
            )
            fence, comments = None, {}
        elif fence:
            code.append(line)
        elif opening := FENCE.match(line):
            fence, code = (opening[1], opening[2], number), []
        elif comment := COMMENT.match(line):
            comments[comment[1]] = comment[2] or ""
        elif line.strip():
            comments = {}
    return found


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each `electra` command in a block of the shell."""
    code = block.code.replace("\\\n", " ")
    for line in code.splitlines():
        line = line.removeprefix("$ ")
        if found := re.search(r"(?:^|[|&;]\s*|m )electra\s+(?=[a-z])(.*)", line):
            shell = shlex.shlex(found[1], posix=True, punctuation_chars="|&;<>")
            shell.whitespace_split = True
            yield list(until_operator(shell))


def until_operator(words: Iterator[str]) -> Iterator[str]:
    """Yield the words of a command up to a pipe, a redirection or the like."""
    for word in words:
        if set(word) <= set("|&;<>"):
            return
        yield word


def explain(shown: str, printed: str, how: str) -> str:
    """Return why a page does not show what was printed, or an empty string if it does."""
    wanted, found = normal(shown, how), normal(printed, how)
    parts = [part.strip("\n") for part in re.split(r"(?m)^\.\.\.$", wanted)]
    place = 0
    for number, part in enumerate(parts):
        at = found.find(part, place)
        if at < 0 or (number == 0 and at > 0):
            return f"the page shows\n{shown}\nbut this was printed\n{printed}"
        place = at + len(part)
    return "" if not parts[-1] or not found[place:].strip() else f"the page leaves out\n{found[place:]}"


def normal(text: str, how: str) -> str:
    """Return text with runs of blanks as one, and numbers and suggestions as placeholders unless they count."""
    if how == "loose":
        text = re.sub(r"\s*\[[^\[\]]*\]|\s*\('[^()]*\)", "", text)
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.strip().splitlines()]
    text = "\n".join(lines)
    if how == "loose" or how == "exact":
        text = re.sub(r"\s+", " ", text)
    return text if how == "exact" else NUMBER.sub("#", DURATION.sub("1", text))
