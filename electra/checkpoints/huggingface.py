"""Read and write networks as Hugging Face directories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from electra.checkpoints.locate import (
    model_folder,
    network_kind,
    num_labels,
    stated_architecture,
    stated_backbone,
    stated_type,
)
from electra.checkpoints.weights import build_to_fit, fill, read_weights, take_weights
from electra.config.base import require
from electra.core.log import logger
from electra.core.storage import read_json, read_object, write_json, write_tensors
from electra.models.backbone import Backbone
from electra.models.encoder import Encoder
from electra.models.heads import Headless, Network
from electra.models.kinds import NOT_IN_TRANSFORMERS, Kind
from electra.models.networks import NETWORKS
from electra.models.registry import architecture_of
from electra.text.tokenizer import Tokenizer, load_tokenizer, stated_length


def save_network(folder: Path, network: Network, tokenizer: Tokenizer, max_length: int, **extra: Any) -> None:
    """Write a directory that `transformers` loads with the same outputs; `extra` goes into config.json.

    `transformers` has no class for the joint answer head, nor for a linear head with more than hidden_size / 2 labels;
    they are written under class names of this package.
    """
    folder.mkdir(parents=True, exist_ok=True)
    architecture = architecture_of(network.encoder.config)
    backbone = architecture.backbone()
    network = backbone.to_transformers_form(network)
    config, kind = network.encoder.config, network.kind
    content = {"architectures": [architecture.class_of(kind)], **architecture.write_config(config, kind), **extra}
    name, kind = stated_architecture(content), network_kind(content) or kind
    if kind in NOT_IN_TRANSFORMERS:
        other = "; --head dense has one" if kind is Kind.LINEAR_CLASSIFIER else ""
        logger.info(f"{folder}: transformers has no class for this head{other}; electra.load reads it ({name})")
    state = {module: tensor.detach().cpu() for module, tensor in network.state_dict().items()}
    write_tensors(folder / "model.safetensors", backbone.to_huggingface(state, kind), {"format": "pt"})
    tokenizer.save(folder, max_length)
    write_json(folder / "config.json", content)


def load_network(folder: Path) -> Network:
    """Read the network in a Hugging Face directory.

    Raises:
        ValueError: config.json names an unknown network, or the weights do not fit it.
    """
    content = read_object(folder / "config.json")
    architecture, kind = stated_backbone(content, folder), network_kind(content)
    config, labels = architecture.read_config(content, folder), num_labels(content, folder)
    backbone = architecture.backbone()
    weights = read_weights(folder)
    if kind is None:
        kind = unnamed_kind(backbone, weights)
        is_own = config.model_type == architecture.model_type or kind is Kind.HEADLESS
        name = stated_architecture(content) or architecture.model_type
        require(
            is_own,
            f"{folder} holds {name}; of {content.get('model_type')} only its encoder and masked language model load",
        )
    ours, unknown = backbone.from_huggingface(weights, kind)
    build = NETWORKS[kind]
    network = build_to_fit(lambda: build(backbone.encoder(config), labels), config, ours, unknown, folder)
    fill(network, ours, unknown, folder)
    return network


def unnamed_kind(backbone: Backbone, weights: Mapping[str, Tensor]) -> Kind:
    """Return what weights without a known class are: a discriminator if they have a head, otherwise an encoder."""
    ours, unknown = backbone.from_huggingface(weights, Kind.DISCRIMINATOR)
    pooler_only = all("pooler" in name for name in unknown)
    return Kind.HEADLESS if pooler_only and not any(n.startswith("head.") for n in ours) else Kind.DISCRIMINATOR


def load_encoder(folder: Path) -> Encoder:
    """Read the encoder of a directory and ignore the head."""
    content = read_object(folder / "config.json")
    architecture = stated_backbone(content, folder)
    config, backbone = architecture.read_config(content, folder), architecture.backbone()
    ours, unknown = backbone.from_huggingface(read_weights(folder), Kind.HEADLESS)
    network = build_to_fit(lambda: Headless(backbone.encoder(config)), config, ours, unknown, folder)
    take_weights(network, ours, unknown, folder)
    return network.encoder


class Pair(NamedTuple):
    """Networks to convert by name, the main one first, with their tokeniser and settings."""

    networks: dict[str, Network]
    tokenizer: Tokenizer
    longest: int  # row length in training, in tokens
    origin: str  # in words
    stated: dict[str, dict[str, Any]]  # other settings in each config.json


def read_huggingface(source: Path) -> Pair:
    """Read the networks of a run or of a Hugging Face directory."""
    folder = model_folder(source)
    folders = {"kept": folder} | ({"generator": folder / "generator"} if (folder / "generator").is_dir() else {})
    networks = {name: load_network(place) for name, place in folders.items()}
    stated = {name: beyond_the_shape(read_json(folders[name] / "config.json"), n) for name, n in networks.items()}
    longest = min(stated_length(folder), networks["kept"].encoder.config.max_position_embeddings)
    origin = f"Converted from {source.name}, a Hugging Face directory" if folder == source else "The end of a run"
    return Pair(networks, load_tokenizer(folder), longest, origin, stated)


def beyond_the_shape(content: dict[str, Any], network: Network) -> dict[str, Any]:
    """Return the settings in config.json that `write_config` does not produce: the class, labels, a threshold."""
    config = network.encoder.config
    architecture = architecture_of(config)
    written = {*architecture.write_config(config, network.kind), "torch_dtype", "transformers_version"}
    if stated_type(content) != architecture.model_type:  # a BERT is written as an ELECTRA
        written |= {"architectures"}
    return {key: value for key, value in content.items() if key not in written}
