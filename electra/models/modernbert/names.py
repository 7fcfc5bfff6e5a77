"""The names that `transformers` has for ModernBERT's modules."""

from __future__ import annotations

from electra.models.kinds import Kind
from electra.models.names import Names

ENCODER: Names = {
    "encoder.embeddings.memory.table": "model.embeddings.memory.table",  # ours, as the next is
    "encoder.embeddings.memory.mix": "model.embeddings.memory.mix",
    "encoder.embeddings.word": "model.embeddings.tok_embeddings",
    "encoder.embeddings.norm": "model.embeddings.norm",
    "encoder.layers.{i}.attention_norm": "model.layers.{i}.attn_norm",
    "encoder.layers.{i}.attention.qkv": "model.layers.{i}.attn.Wqkv",
    "encoder.layers.{i}.attention.out": "model.layers.{i}.attn.Wo",
    "encoder.layers.{i}.mlp_norm": "model.layers.{i}.mlp_norm",
    "encoder.layers.{i}.intermediate": "model.layers.{i}.mlp.Wi",
    "encoder.layers.{i}.output": "model.layers.{i}.mlp.Wo",
    "encoder.final_norm": "model.final_norm",
}
HIDDEN: Names = {"head.dense": "head.dense", "head.norm": "head.norm"}
LABELS: Names = {**HIDDEN, "head.out_proj": "classifier"}
JOINT = ("start", "end_dense", "end", "answerable_dense", "answerable")
HEADS: dict[Kind, Names] = {
    Kind.HEADLESS: {},
    Kind.DISCRIMINATOR: LABELS,
    Kind.MASKED_LM: {**HIDDEN, "head": "decoder"},
    Kind.CLASSIFIER: LABELS,
    Kind.MULTIPLE_CHOICE: LABELS,
    Kind.TAGGER: LABELS,
    Kind.ANSWERER: {ours.replace("head.", "head.outputs."): theirs for ours, theirs in LABELS.items()},
    Kind.JOINT_ANSWERER: {f"head.{name}": f"qa_joint.{name}" for name in JOINT},
}
NAMES: dict[Kind, Names] = {kind: {**ENCODER, **head} for kind, head in HEADS.items()}
REDUNDANT = frozenset({"decoder.weight"})  # the word embeddings again


def respell(name: str) -> str:
    """Return the name that a tensor of a bare encoder has below a head."""
    return "model." + name if name.startswith(("embeddings.", "layers.", "final_norm.")) else name
