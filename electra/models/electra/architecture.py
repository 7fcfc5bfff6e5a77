"""ELECTRA's backbone: BERT's, with a separate embedding width (Clark et al., 2020). No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from electra.config.model import ElectraConfig
from electra.models.architecture import Architecture, read_fields, require_known, stated_fields
from electra.models.electra.matrices import sizes
from electra.models.kinds import Kind

if TYPE_CHECKING:
    from electra.models.backbone import Backbone

CLASSES = {
    "ElectraForPreTraining": Kind.DISCRIMINATOR,
    "ElectraForMaskedLM": Kind.MASKED_LM,
    "ElectraForSequenceClassification": Kind.CLASSIFIER,
    "ElectraForTokenClassification": Kind.TAGGER,
    "ElectraForQuestionAnswering": Kind.ANSWERER,
    "ElectraForCausalLM": Kind.MASKED_LM,
    "ElectraForMultipleChoice": Kind.MULTIPLE_CHOICE,
    "ElectraModel": Kind.HEADLESS,
    "ElectraLinearClassifier": Kind.LINEAR_CLASSIFIER,  # this class and the next are ours, not in transformers
    "ElectraJointAnswerer": Kind.JOINT_ANSWERER,
}
KNOWN = {"hidden_act": "gelu", "position_embedding_type": "absolute"}


def read_config(content: Mapping[str, Any], where: object) -> ElectraConfig:
    """Return the configuration in the config.json of an ELECTRA or a BERT.

    Raises:
        ValueError: a size is not a number, or the activation or the positions are not supported.
    """
    require_known(KNOWN, content, where)
    given = read_fields(ElectraConfig, content, where)
    if content.get("model_type") == "bert" and "hidden_size" in given:
        given["embedding_size"] = given["hidden_size"]
    return ElectraConfig(**given)


def write_config(config: ElectraConfig, kind: Kind) -> dict[str, Any]:
    """Return the content of config.json for `transformers`."""
    return {"hidden_act": "gelu", "dtype": "float32", "tie_word_embeddings": True} | stated_fields(config)


def backbone() -> Backbone:
    """Import the networks."""
    from electra.models.electra.backbone import BACKBONE

    return BACKBONE


ELECTRA = Architecture(
    model_type="electra",
    name="an ELECTRA",
    paper="Clark et al., 2020",
    classes=CLASSES,
    read_config=read_config,
    write_config=write_config,
    sizes=sizes,
    backbone=backbone,
    fused={"qkv": 3},
)
# BERT is an ELECTRA encoder with embedding_size == hidden_size; its masked language model loads as a generator.
BERT = replace(
    ELECTRA,
    model_type="bert",
    classes={"BertForMaskedLM": Kind.MASKED_LM, "BertModel": Kind.HEADLESS},
    whole_masked_lm=True,
)
