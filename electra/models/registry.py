"""Backbones by the `model_type` of their configuration. No torch.

A new one is a folder beside models/electra/ and a line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from electra.config.model import EncoderConfig
from electra.models.architecture import Architecture
from electra.models.electra.architecture import BERT, ELECTRA
from electra.models.modernbert.architecture import MODERNBERT

if TYPE_CHECKING:
    from electra.models.backbone import Backbone

ARCHITECTURES: dict[str, Architecture] = {
    "electra": ELECTRA,
    "bert": BERT,  # read as an ELECTRA, and saved as one
    "modernbert": MODERNBERT,
}


def architecture_of(config: EncoderConfig) -> Architecture:
    """Return the architecture of a configuration."""
    return ARCHITECTURES[config.model_type]


def backbone_of(config: EncoderConfig) -> Backbone:
    """Return the backbone of a configuration; imports torch."""
    return architecture_of(config).backbone()
