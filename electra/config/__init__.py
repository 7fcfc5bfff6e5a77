"""Everything a user can configure, one file per verb. Standard library only.

Each field is a command-line flag (cli/flags.py); the names are those of Hugging Face's `config.json` and the paper.
"""

from electra.config.base import refuse_unknown, require, to_dict
from electra.config.compare import CompareConfig
from electra.config.convert import ConvertConfig
from electra.config.cost import BenchConfig, FlopsConfig
from electra.config.demo import DemoConfig
from electra.config.detect import DetectConfig
from electra.config.export import ExportConfig
from electra.config.finetune import EvaluateConfig, FinetuneConfig
from electra.config.model import ElectraConfig, EncoderConfig
from electra.config.modernbert import ModernBertConfig
from electra.config.predict import PredictConfig
from electra.config.prepare import PrepareConfig
from electra.config.presets import PRESETS, RECIPES, SEQ_LENGTHS, SIZES, continued, find_preset
from electra.config.pretrain import PretrainConfig, pretrain_config_from_dict
from electra.config.push import PushConfig
from electra.config.serve import ServeConfig
from electra.config.training import TrainConfig

__all__ = [
    "PRESETS",
    "RECIPES",
    "SEQ_LENGTHS",
    "SIZES",
    "BenchConfig",
    "CompareConfig",
    "ConvertConfig",
    "DemoConfig",
    "DetectConfig",
    "ElectraConfig",
    "EncoderConfig",
    "EvaluateConfig",
    "ExportConfig",
    "FinetuneConfig",
    "FlopsConfig",
    "ModernBertConfig",
    "PredictConfig",
    "PrepareConfig",
    "PretrainConfig",
    "PushConfig",
    "ServeConfig",
    "TrainConfig",
    "continued",
    "find_preset",
    "pretrain_config_from_dict",
    "refuse_unknown",
    "require",
    "to_dict",
]
