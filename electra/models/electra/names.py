"""Names of ELECTRA's modules in `transformers`, and BERT's names of the same modules."""

from __future__ import annotations

from electra.models.kinds import Kind
from electra.models.names import Names

ENCODER: Names = {
    "encoder.embeddings.memory.table": "electra.embeddings.memory.table",  # ours, as the next is
    "encoder.embeddings.memory.mix": "electra.embeddings.memory.mix",
    "encoder.embeddings.word": "electra.embeddings.word_embeddings",
    "encoder.embeddings.position": "electra.embeddings.position_embeddings",
    "encoder.embeddings.token_type": "electra.embeddings.token_type_embeddings",
    "encoder.embeddings.norm": "electra.embeddings.LayerNorm",
    "encoder.project": "electra.embeddings_project",
    "encoder.layers.{i}.attention.qkv": tuple(
        "electra.encoder.layer.{i}.attention.self." + part for part in ("query", "key", "value")
    ),
    "encoder.layers.{i}.attention.out": "electra.encoder.layer.{i}.attention.output.dense",
    "encoder.layers.{i}.attention_norm": "electra.encoder.layer.{i}.attention.output.LayerNorm",
    "encoder.layers.{i}.intermediate": "electra.encoder.layer.{i}.intermediate.dense",
    "encoder.layers.{i}.output": "electra.encoder.layer.{i}.output.dense",
    "encoder.layers.{i}.output_norm": "electra.encoder.layer.{i}.output.LayerNorm",
}
JOINT = ("start", "end_dense", "end", "answerable_dense", "answerable")
HEADS: dict[Kind, Names] = {
    Kind.HEADLESS: {},
    Kind.DISCRIMINATOR: {
        "head.dense": "discriminator_predictions.dense",
        "head.prediction": "discriminator_predictions.dense_prediction",
    },
    Kind.MASKED_LM: {
        "head.dense": "generator_predictions.dense",
        "head.norm": "generator_predictions.LayerNorm",
        "head": "generator_lm_head",
    },
    Kind.CLASSIFIER: {"head.dense": "classifier.dense", "head.out_proj": "classifier.out_proj"},
    Kind.LINEAR_CLASSIFIER: {"head.out_proj": "classifier"},
    Kind.MULTIPLE_CHOICE: {"head.dense": "sequence_summary.summary", "head.out_proj": "classifier"},
    Kind.TAGGER: {"head.out_proj": "classifier"},
    Kind.ANSWERER: {"head.outputs": "qa_outputs"},
    Kind.JOINT_ANSWERER: {f"head.{name}": f"qa_joint.{name}" for name in JOINT},
}
NAMES: dict[Kind, Names] = {kind: {**ENCODER, **head} for kind, head in HEADS.items()}
REDUNDANT = frozenset(
    {"electra.embeddings.position_ids", "generator_lm_head.weight"}  # a counter; a copy of the word embeddings
)
BERT_HEAD = {
    "cls.predictions.transform": "generator_predictions",
    "cls.predictions.decoder": "generator_lm_head",
    "cls.predictions.bias": "generator_lm_head.bias",
}


def respell(name: str) -> str:
    """Map a tensor name from BERT, a bare encoder or an older file to ELECTRA's name."""
    name = name.removeprefix("bert.").removeprefix("electra.")
    name = name.replace(".gamma", ".weight").replace(".beta", ".bias")
    for theirs, ours in BERT_HEAD.items():
        name = name.replace(theirs, ours)
    return "electra." + name if name.startswith(("embeddings", "encoder.")) else name
