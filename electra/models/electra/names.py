"""Our names and Hugging Face's: for the discriminator, the generator, and the networks of fine-tuning."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

# Ours -> theirs; {i} is the layer. The same list serves both networks.
NAMES = {
    "encoder.embeddings.word": "electra.embeddings.word_embeddings",
    "encoder.embeddings.position": "electra.embeddings.position_embeddings",
    "encoder.embeddings.token_type": "electra.embeddings.token_type_embeddings",
    "encoder.embeddings.norm": "electra.embeddings.LayerNorm",
    "encoder.project": "electra.embeddings_project",
    "encoder.layers.{i}.attention.out": "electra.encoder.layer.{i}.attention.output.dense",
    "encoder.layers.{i}.attention_norm": "electra.encoder.layer.{i}.attention.output.LayerNorm",
    "encoder.layers.{i}.intermediate": "electra.encoder.layer.{i}.intermediate.dense",
    "encoder.layers.{i}.output": "electra.encoder.layer.{i}.output.dense",
    "encoder.layers.{i}.output_norm": "electra.encoder.layer.{i}.output.LayerNorm",
}
DISCRIMINATOR_NAMES = NAMES | {
    "head.dense": "discriminator_predictions.dense",
    "head.prediction": "discriminator_predictions.dense_prediction",
}
GENERATOR_NAMES = NAMES | {
    "head.dense": "generator_predictions.dense",
    "head.norm": "generator_predictions.LayerNorm",
    "head": "generator_lm_head",
}
CLASSIFIER_NAMES = NAMES | {"head.dense": "classifier.dense", "head.out_proj": "classifier.out_proj"}
MULTIPLE_CHOICE_NAMES = NAMES | {"head.dense": "sequence_summary.summary", "head.out_proj": "classifier"}
TAGGER_NAMES = NAMES | {"head.out_proj": "classifier"}  # and the linear classifier, under our own architecture's name
ANSWERER_NAMES = NAMES | {
    "head.outputs": "qa_outputs",
    **{f"head.{name}": f"qa_joint.{name}" for name in ("start", "end_dense", "end", "answerable_dense", "answerable")},
}
QKV = "encoder.layers.{i}.attention.qkv"
QKV_PARTS = tuple("electra.encoder.layer.{i}.attention.self." + part for part in ("query", "key", "value"))


def to_huggingface(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Rename our tensors, cutting the fused projection in three."""
    theirs: dict[str, Tensor] = {}
    for name, tensor in state.items():
        module, kind = name.rsplit(".", 1)
        pattern, layer = without_layer(module, r"\.layers\.(\d+)\.", ".layers.{i}.")
        if pattern == QKV:
            parts = tensor.chunk(3)
            theirs |= {
                f"{part.format(i=layer)}.{kind}": chunk.clone() for part, chunk in zip(QKV_PARTS, parts, strict=True)
            }
        else:
            theirs[f"{names[pattern].format(i=layer)}.{kind}"] = tensor
    return theirs


def from_huggingface(state: Mapping[str, Tensor], names: Mapping[str, str]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename their tensors, joining query, key and value; also the names that mean nothing here."""
    back = {theirs: ours for ours, theirs in names.items()}
    ours: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, tensor in state.items():
        module, _, kind = name.rpartition(".")
        pattern, layer = without_layer(module, r"\.layer\.(\d+)\.", ".layer.{i}.")
        if pattern == QKV_PARTS[0]:
            named = [f"{part.format(i=layer)}.{kind}" for part in QKV_PARTS]
            parts = [state[part] for part in named if part in state]  # one that is missing leaves too few rows
            if any(part.ndim == 0 or part.shape[1:] != tensor.shape[1:] for part in parts):
                raise ValueError(f"query, key and value of layer {layer} differ in width; the file was altered")
            ours[f"{QKV.format(i=layer)}.{kind}"] = torch.cat(parts)
        elif pattern in back:
            ours[f"{back[pattern].format(i=layer)}.{kind}"] = tensor
        elif pattern not in QKV_PARTS:
            unknown.append(name)
    return ours, unknown


def without_layer(module: str, layer: str, placeholder: str) -> tuple[str, str]:
    """Split a module's name into its pattern and the number of its layer ('' where it has none)."""
    found = re.search(layer, module)
    return (module.replace(found[0], placeholder, 1), found[1]) if found else (module, "")
