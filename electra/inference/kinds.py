"""The kind of network that a config.json describes, by the class it names. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from electra.checkpoints.locate import stated_architecture

KINDS = {
    "ElectraForPreTraining": "discriminator",
    "ElectraForMaskedLM": "masked language model",
    "ElectraForCausalLM": "masked language model",
    "BertForMaskedLM": "masked language model",
    "ElectraForMultipleChoice": "multiple choice",
    "ElectraForSequenceClassification": "classifier",
    "ElectraLinearClassifier": "classifier",
    "ElectraForTokenClassification": "tagger",
    "ElectraForQuestionAnswering": "answerer",
    "ElectraJointAnswerer": "joint answerer",
    "ElectraModel": "encoder",
}


def kind_of(content: Mapping[str, Any]) -> str:
    """Return the kind of network of a config.json; '' where it names no class that is known here."""
    return KINDS.get(stated_architecture(content), "")
