"""The pre-training objectives by name: a new one is a file here and a line in this dictionary.

Or a class anywhere, named `module:Class` (docs/objectives.md).
"""

import importlib

from electra.objectives.adversarial import Adversarial
from electra.objectives.all_tokens_mlm import AllTokensMLM
from electra.objectives.base import Objective
from electra.objectives.electra import Electra
from electra.objectives.electra_15 import Electra15
from electra.objectives.electric import Electric
from electra.objectives.mlm import MLM
from electra.objectives.replace_mlm import ReplaceMLM
from electra.objectives.two_stage import TwoStage

OBJECTIVES: dict[str, type[Objective]] = {
    "electra": Electra,
    "mlm": MLM,
    "electra_15": Electra15,
    "replace_mlm": ReplaceMLM,
    "all_tokens_mlm": AllTokensMLM,
    "two_stage": TwoStage,
    "adversarial": Adversarial,
    "electric": Electric,
}


def find_objective(name: str) -> type[Objective]:
    """The class of an objective: a name of ours, or `module:Class`; ValueError where there is none."""
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    module, colon, attribute = name.partition(":")
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
