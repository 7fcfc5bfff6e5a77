"""Map names in google-research's TensorFlow checkpoints to those of `transformers`, and infer sizes from shapes.

One checkpoint holds both networks: the discriminator and shared embeddings are under `electra/`, the rest of the
generator under `generator/`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from torch import Tensor

from electra.config import PRESETS, ElectraConfig, EncoderConfig

NOT_WEIGHTS = re.compile(r"/(adam_[mv]|Adam(_1)?)$|^(global_step|temperature|beta[12]_power)$")
SPELLING = (
    (r"layer_(\d+)/", r"layer/\1/"),
    (r"_embeddings$", "_embeddings/weight"),
    (r"/(kernel|gamma)$", "/weight"),
    (r"/beta$", "/bias"),
    (r"/dense_1/", "/dense_prediction/"),
    (r"^generator_predictions/output_bias$", "generator_lm_head/bias"),
)
HEADS = {"discriminator": "discriminator_predictions/", "generator": "generator_predictions/"}
HEAD_SIZE = 64


def weights_of(names: Collection[str], network: str) -> dict[str, str]:
    """Return the tensors of "discriminator" or "generator": TensorFlow's name -> Hugging Face's."""
    has_own_body = any(name.startswith("generator/encoder/") for name in names)
    body = "generator/" if network == "generator" and has_own_body else "electra/"
    shares = not any(name.startswith(f"{body}embeddings/") for name in names)
    prefixes = (body, HEADS[network], *(["electra/embeddings/"] if shares else []))
    own = [name for name in names if name.startswith(prefixes) and not NOT_WEIGHTS.search(name)]
    return {
        name: huggingface_name(name.replace(body, "electra/", 1) if name.startswith(body) else name) for name in own
    }


def huggingface_name(name: str) -> str:
    """Return the name in Hugging Face's spelling."""
    for pattern, replacement in SPELLING:
        name = re.sub(pattern, replacement, name)
    return name.replace("/", ".")


def shape_of(weights: Mapping[str, Tensor], num_attention_heads: int) -> ElectraConfig:
    """Infer sizes from the shapes of tensors; 0 heads means heads 64 wide, as released, which no shape shows."""
    layers = {int(found[1]) for name in weights if (found := re.search(r"\.layer\.(\d+)\.", name))}
    hidden_size, _ = weights["electra.encoder.layer.0.attention.self.query.weight"].shape
    vocab_size, embedding_size = weights["electra.embeddings.word_embeddings.weight"].shape
    return ElectraConfig(
        vocab_size=vocab_size,
        embedding_size=embedding_size,
        hidden_size=hidden_size,
        num_hidden_layers=len(layers),
        num_attention_heads=num_attention_heads or max(1, hidden_size // HEAD_SIZE),
        intermediate_size=weights["electra.encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=weights["electra.embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=weights["electra.embeddings.token_type_embeddings.weight"].shape[0],
    )


def size_name(discriminator: EncoderConfig, generator: EncoderConfig | None) -> str:
    """Return the preset of this size, or ''; small and small++ differ only in the generator."""
    for name, preset in PRESETS.items():
        pairs = [(discriminator, preset.model)]
        if generator:
            pairs.append((generator, preset.model.generator(preset.generator_width, preset.generator_depth)))
        if all(sizes(ours) == sizes(theirs) for ours, theirs in pairs):
            return name
    return ""


def sizes(config: EncoderConfig) -> tuple[int, ...]:
    """Return the sizes in which presets differ."""
    return config.embedding_width, config.hidden_size, config.num_hidden_layers, config.intermediate_size
