"""ModernBERT's backbone (Warner et al., 2024). No torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from electra.config.base import require
from electra.config.modernbert import ModernBertConfig
from electra.models.architecture import Architecture, read_fields, require_known, stated_fields
from electra.models.kinds import Kind
from electra.models.modernbert.matrices import sizes

if TYPE_CHECKING:
    from electra.models.backbone import Backbone

CLASSES = {
    "ModernBertForMaskedLM": Kind.MASKED_LM,
    "ModernBertForSequenceClassification": Kind.CLASSIFIER,
    "ModernBertForTokenClassification": Kind.TAGGER,  # with the one label "replaced": a discriminator
    "ModernBertForQuestionAnswering": Kind.ANSWERER,
    "ModernBertForMultipleChoice": Kind.MULTIPLE_CHOICE,
    "ModernBertModel": Kind.HEADLESS,
    "ModernBertJointAnswerer": Kind.JOINT_ANSWERER,  # ours, not in transformers
}
KNOWN = {"hidden_activation": "gelu", "classifier_activation": "gelu", "tie_word_embeddings": True}
GLOBAL, LOCAL = "full_attention", "sliding_attention"
REPLACED = "replaced"
THETAS = {GLOBAL: "global_rope_theta", LOCAL: "local_rope_theta"}


class ModernBertArchitecture(Architecture):
    """A discriminator is a tagger whose one label is "replaced", and a LayerNorm belongs to the top layer."""

    def kind(self, name: str, labels: Collection[str]) -> Kind | None:
        found = super().kind(name, labels)
        return Kind.DISCRIMINATOR if found is Kind.TAGGER and set(labels) == {REPLACED} else found

    def class_of(self, kind: Kind) -> str:
        return super().class_of(Kind.TAGGER if kind is Kind.DISCRIMINATOR else kind)

    def offers(self, kind: Kind) -> bool:
        return kind is Kind.DISCRIMINATOR or super().offers(kind)

    def depth(self, name: str, num_layers: int) -> int:
        return num_layers if "encoder.final_norm" in name else super().depth(name, num_layers)


def read_config(content: Mapping[str, Any], where: object) -> ModernBertConfig:
    """Return the sizes that a config.json states, in the spelling of any version of `transformers`.

    Raises:
        ValueError: a size is of the wrong type, or the network has what is not known here.
    """
    require_known(KNOWN, content, where)
    given = read_fields(ModernBertConfig, content, where)
    ropes = content.get("rope_parameters") or {}
    require(isinstance(ropes, dict), f"{where}: rope_parameters in config.json must be an object")
    for kind, name in THETAS.items():
        rope = ropes.get(kind) or {}
        plain = isinstance(rope, dict) and rope.get("rope_type", "default") == "default"
        require(plain, f"{where}: rope_parameters of {kind} are {rope!r}; only the rope_type 'default' is supported")
        given |= read_fields(ModernBertConfig, {name: rope["rope_theta"]} if "rope_theta" in rope else {}, where)
    config = ModernBertConfig(**given)
    types = content.get("layer_types")
    return config if types is None else with_layer_types(config, types, where)


def with_layer_types(config: ModernBertConfig, types: object, where: object) -> ModernBertConfig:
    """Return the configuration that has these types of layers; ValueError where global ones come irregularly."""
    values = asdict(config)
    every = (config.global_attn_every_n_layers, *range(1, config.num_hidden_layers + 1))
    for number in every if config.num_hidden_layers <= 4096 else ():
        found = ModernBertConfig(**(values | {"global_attn_every_n_layers": number}))
        if layer_types(found) == types:
            return found
    raise ValueError(f"{where}: layer_types in config.json are not one {GLOBAL!r} in every n layers, first of all")


def layer_types(config: ModernBertConfig) -> list[str]:
    """Return the kind of attention of each layer, in the words of `transformers`."""
    return [GLOBAL if config.is_global(number) else LOCAL for number in range(config.num_hidden_layers)]


def write_config(config: ModernBertConfig, kind: Kind) -> dict[str, Any]:
    """Return the content of config.json for `transformers`, in the spelling of its older and newer versions."""
    fixed = {"dtype": "float32", **KNOWN}
    newer = {
        "layer_types": layer_types(config),
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": getattr(config, name)} for kind, name in THETAS.items()
        },
    }
    unknown: dict[str, Any] = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"))
    one_label = {"id2label": {"0": REPLACED}, "label2id": {REPLACED: 0}} if kind is Kind.DISCRIMINATOR else {}
    return fixed | stated_fields(config) | newer | unknown | one_label


def backbone() -> Backbone:
    """Import the networks."""
    from electra.models.modernbert.backbone import BACKBONE

    return BACKBONE


MODERNBERT = ModernBertArchitecture(
    model_type="modernbert",
    name="a ModernBERT",
    paper="Warner et al., 2024",
    classes=CLASSES,
    read_config=read_config,
    write_config=write_config,
    sizes=sizes,
    backbone=backbone,
    fused={"qkv": 3, "intermediate": 2},
    whole_masked_lm=True,
    reading="`transformers` has no class for this head: it loads as a token classifier with one label, whose logit "
    "says of each token whether it was replaced; the probability is its sigmoid (a softmax of one logit is always 1).",
)
