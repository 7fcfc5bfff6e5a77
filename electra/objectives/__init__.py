"""The pre-training objectives by name: a new one is a file here and a line in this dictionary."""

from electra.objectives.base import Objective
from electra.objectives.electra import Electra
from electra.objectives.mlm import MLM

OBJECTIVES: dict[str, type[Objective]] = {"electra": Electra, "mlm": MLM}
