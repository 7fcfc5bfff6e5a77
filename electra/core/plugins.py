"""Import classes that a user names as `module:Class`."""

from __future__ import annotations

import importlib
from typing import TypeVar

T = TypeVar("T")


def find_class(name: str, base: type[T], kind: str) -> type[T]:
    """Import the subclass of `base` named `module:Class`; `kind` describes it in messages.

    Raises:
        ValueError: the module or the class does not exist.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ValueError(f"{kind} {name!r}: no module {module!r}; is its folder in PYTHONPATH?") from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{kind} {name!r}: {module} has no class {attribute!r} derived from {base.__name__}")
    return found
