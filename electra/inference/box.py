"""The model in the box: a detector of English errors that comes with the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from electra.checkpoints.locate import is_exported

BOX = Path(__file__).parents[1] / "box"
STDIN = "-"


def or_box(model: str) -> str:
    """Return the model that is named, or the one in the box."""
    return model or str(BOX)


def model_and_texts(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Tell the model from the texts among the words of a command: the first word, if it is a folder.

    Without a model the one in the box is meant, without a text standard input.

    Raises:
        ValueError: the first word is neither a folder nor a file, or a folder comes later.
    """
    first, *rest = [word for word in words if word] or [STDIN]
    folders = [word for word in rest if Path(word).is_dir()]
    if folders and not Path(first).is_dir():
        raise ValueError(f"{folders[0]} is a folder: name the model first, then the texts")
    if Path(first).is_dir():
        return first, tuple(rest) or (STDIN,)
    if first != STDIN and not Path(first).is_file():
        raise ValueError(f"{first}: no such file, and no folder of a model; check the name")
    return str(BOX), (first, *rest)


def is_box(model: str | Path) -> bool:
    """Return whether a folder is the box."""
    return is_exported(model) and Path(model).resolve() == BOX.resolve()
