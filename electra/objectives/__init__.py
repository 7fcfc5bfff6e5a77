"""The pre-training objectives, one file each; config/objectives.py registers them by name.

A class elsewhere, named `module:Class`, works too (docs/reference/objectives.md).
"""

from __future__ import annotations

from electra.config.objectives import OBJECTIVES, traits_of
from electra.core.plugins import find_class
from electra.objectives.base import Objective


def find_objective(name: str) -> type[Objective]:
    """Return the class of a registered objective or of `module:Class`.

    Raises:
        ValueError: there is no such objective, module or class.
    """
    home = traits_of(name).home or name
    if ":" not in home:
        raise ValueError(f"unknown objective {name!r}; there are {', '.join(OBJECTIVES)}, or your own as module:Class")
    return find_class(home, Objective, "objective")
