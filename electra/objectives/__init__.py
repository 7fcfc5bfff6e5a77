"""The pre-training objectives, one file each; config/objectives.py registers them by name.

A class elsewhere, named `module:Class`, is found too (docs/objectives.md).
"""

from __future__ import annotations

import importlib

from electra.config.objectives import OBJECTIVES, traits_of
from electra.objectives.base import Objective


def find_objective(name: str) -> type[Objective]:
    """Return the class of a registered objective or of `module:Class`.

    Raises:
        ValueError: there is no such objective, module or class.
    """
    module, colon, attribute = (traits_of(name).home or name).partition(":")
    if not colon:
        raise ValueError(f"unknown objective {name!r}; there are {', '.join(OBJECTIVES)}, or your own as module:Class")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ValueError(f"objective {name!r}: no module {module!r}; is its folder in PYTHONPATH?") from None
    if not (isinstance(found, type) and issubclass(found, Objective)):
        raise ValueError(f"objective {name!r}: {module} has no class {attribute!r} that is an Objective")
    return found
