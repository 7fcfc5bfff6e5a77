"""Pre-train text encoders by replaced token detection (ELECTRA, Clark et al., 2020), and use them.

The public names are loaded when they are first used, so that `import electra` costs nothing.
"""

import importlib
import sys
import types
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "prepare": "electra.prepare",
    "pretrain": "electra.pretrain",
    "convert": "electra.convert",
    "export": "electra.export",
    "finetune": "electra.finetune",
    "evaluate": "electra.evaluate",
    "compare": "electra.compare",
    "load": "electra.predict",
    "CompareConfig": "electra.config",
    "ConvertConfig": "electra.config",
    "ElectraConfig": "electra.config",
    "ExportConfig": "electra.config",
    "EvaluateConfig": "electra.config",
    "FinetuneConfig": "electra.config",
    "PrepareConfig": "electra.config",
    "PretrainConfig": "electra.config",
    "PRESETS": "electra.config",
}
__all__ = [*_HOME, "__version__"]


class _Package(types.ModuleType):
    """A verb and its module share a name; under the package's name the verb itself answers."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'electra' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOME[name]), name)

    def __setattr__(self, name: str, value: Any) -> None:
        is_verb = isinstance(value, types.ModuleType) and _HOME.get(name) == value.__name__
        super().__setattr__(name, getattr(value, name) if is_verb else value)

    def __dir__(self) -> list[str]:
        return sorted(__all__)


sys.modules[__name__].__class__ = _Package
