"""Pre-train text encoders by replaced token detection (ELECTRA, Clark et al., 2020), and use them.

The public names are imported when they are first used, so `import electra` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from electra.checkpoints.convert import convert as convert
    from electra.comparison.compare import compare as compare
    from electra.config import PRESETS as PRESETS
    from electra.config import CompareConfig as CompareConfig
    from electra.config import ConvertConfig as ConvertConfig
    from electra.config import ElectraConfig as ElectraConfig
    from electra.config import EvaluateConfig as EvaluateConfig
    from electra.config import ExportConfig as ExportConfig
    from electra.config import FinetuneConfig as FinetuneConfig
    from electra.config import ModernBertConfig as ModernBertConfig
    from electra.config import PrepareConfig as PrepareConfig
    from electra.config import PretrainConfig as PretrainConfig
    from electra.data.prepare import prepare as prepare
    from electra.exporting.export import export as export
    from electra.finetuning.evaluate import evaluate as evaluate
    from electra.finetuning.run import finetune as finetune
    from electra.inference.detector import Detector as Detector
    from electra.inference.embedder import Embedder as Embedder
    from electra.inference.load import load as load
    from electra.inference.marked_text import Words as Words
    from electra.inference.task_model import TaskModel as TaskModel
    from electra.inference.words import Word as Word
    from electra.pretraining.run import pretrain as pretrain

__version__ = "0.1.0"

_HOME = {
    "prepare": "electra.data.prepare",
    "pretrain": "electra.pretraining.run",
    "convert": "electra.checkpoints.convert",
    "export": "electra.exporting.export",
    "finetune": "electra.finetuning.run",
    "evaluate": "electra.finetuning.evaluate",
    "compare": "electra.comparison.compare",
    "load": "electra.inference.load",
    "Detector": "electra.inference.detector",
    "Embedder": "electra.inference.embedder",
    "TaskModel": "electra.inference.task_model",
    "Word": "electra.inference.words",
    "Words": "electra.inference.marked_text",
    **dict.fromkeys(
        (
            "CompareConfig", "ConvertConfig", "ElectraConfig", "ExportConfig", "EvaluateConfig", "FinetuneConfig",
            "ModernBertConfig", "PrepareConfig", "PretrainConfig", "PRESETS",
        ),
        "electra.config",
    ),
}  # fmt: skip
__all__ = [*_HOME, "__version__"]


if not TYPE_CHECKING:  # a checker that saw this would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'electra' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
