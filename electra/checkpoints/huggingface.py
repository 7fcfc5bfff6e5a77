"""Networks in and out as Hugging Face directories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

from electra.checkpoints.locate import stated_architecture
from electra.checkpoints.weights import build_to_fit, fill, read_weights, take_weights
from electra.config.base import require
from electra.config.model import ElectraConfig
from electra.core.log import logger
from electra.core.storage import read_json, read_object, write_json, write_tensors
from electra.models.electra.encoder import Encoder
from electra.models.electra.names import (
    ANSWERER_NAMES,
    CLASSIFIER_NAMES,
    DISCRIMINATOR_NAMES,
    GENERATOR_NAMES,
    MULTIPLE_CHOICE_NAMES,
    NAMES,
    TAGGER_NAMES,
    from_huggingface,
    to_huggingface,
)
from electra.models.heads import Discriminator, Headless, MaskedLM
from electra.models.task_heads import Answerer, Classifier, DenseHead, LinearHead, SpanHead, Tagger
from electra.text.tokenizer import Tokenizer, load_tokenizer, stated_length

Network = Discriminator | MaskedLM | Classifier | Tagger | Answerer | Headless


class Kind(NamedTuple):
    """How a network of one architecture is built on an encoder, and how its tensors are named."""

    build: Callable[[Encoder, int], Network]
    names: Mapping[str, str]


# By the name that config.json gives; the last two are ours, transformers has no class for them.
# A BERT's masked language model is an ELECTRA generator whose embeddings are as wide as the rest.
ARCHITECTURES = {
    "ElectraForPreTraining": Kind(lambda encoder, _: Discriminator(encoder), DISCRIMINATOR_NAMES),
    "ElectraForMaskedLM": Kind(lambda encoder, _: MaskedLM(encoder), GENERATOR_NAMES),
    "ElectraForSequenceClassification": Kind(lambda encoder, C: Classifier(encoder, C, "dense"), CLASSIFIER_NAMES),
    "ElectraForTokenClassification": Kind(Tagger, TAGGER_NAMES),
    "ElectraForQuestionAnswering": Kind(lambda encoder, _: Answerer(encoder, "linear"), ANSWERER_NAMES),
    "ElectraForCausalLM": Kind(lambda encoder, _: MaskedLM(encoder), GENERATOR_NAMES),
    "ElectraForMultipleChoice": Kind(lambda encoder, _: Classifier(encoder, 1, "dense"), MULTIPLE_CHOICE_NAMES),
    "ElectraModel": Kind(lambda encoder, _: Headless(encoder), NAMES),
    "BertForMaskedLM": Kind(lambda encoder, _: MaskedLM(encoder), GENERATOR_NAMES),
    "ElectraLinearClassifier": Kind(lambda encoder, C: Classifier(encoder, C, "linear"), TAGGER_NAMES),
    "ElectraJointAnswerer": Kind(lambda encoder, _: Answerer(encoder, "joint"), ANSWERER_NAMES),
}


WITHOUT_TASK = ("ElectraForPreTraining", "ElectraForMaskedLM", "ElectraForCausalLM", "ElectraForMultipleChoice",
                "ElectraModel")  # fmt: skip


OURS = ("ElectraLinearClassifier", "ElectraJointAnswerer")


def save_network(folder: Path, network: Network, tokenizer: Tokenizer, max_length: int, **extra: Any) -> None:
    """Write a directory that `transformers` loads with the same outputs; `extra` goes into config.json.

    Two heads have no class there, the joint one for answers and a linear one with more than hidden_size / 2 labels:
    they are written under our own architecture's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = expressible(network)
    name = next(iter(extra.get("architectures", ())), "") or architecture(network)
    if name in OURS:
        other = "; --head dense has one" if name == "ElectraLinearClassifier" else ""
        logger.info(f"{folder}: transformers has no class for this head{other}; electra.load reads it ({name})")
    state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    weights = to_huggingface(state, ARCHITECTURES[name].names)
    write_tensors(folder / "model.safetensors", weights, {"format": "pt"})
    tokenizer.save(folder, max_length)
    write_json(
        folder / "config.json",
        {
            "architectures": [name],
            "model_type": "electra",
            "hidden_act": "gelu",
            "dtype": "float32",
            "tie_word_embeddings": True,
            **asdict(network.encoder.config),
            **extra,
        },
    )


def expressible(network: Network) -> Network:
    """The same function in a form that transformers has, where there is one: a linear head as a dense one."""
    if not isinstance(network, Classifier) or not isinstance(network.head, LinearHead):
        return network
    hidden, C = network.encoder.config.hidden_size, network.head.out_proj.out_features
    if hidden < 2 * C:
        return network
    dense = deepcopy(network).cpu()
    dense.head = DenseHead(hidden, C, network.head.dropout)
    dense.head.become(deepcopy(network.head).cpu())
    return dense


def architecture(network: Network) -> str:
    """The name config.json gives a network."""
    if isinstance(network, Classifier):
        return "ElectraForSequenceClassification" if isinstance(network.head, DenseHead) else "ElectraLinearClassifier"
    if isinstance(network, Answerer):
        return "ElectraForQuestionAnswering" if isinstance(network.head, SpanHead) else "ElectraJointAnswerer"
    return {
        Discriminator: "ElectraForPreTraining",
        MaskedLM: "ElectraForMaskedLM",
        Tagger: "ElectraForTokenClassification",
        Headless: "ElectraModel",
    }[type(network)]


def load_network(folder: Path) -> Network:
    """Read a Hugging Face ELECTRA directory, or a BertForMaskedLM; which network it is, its config.json says."""
    content = read_object(folder / "config.json")
    name = stated_architecture(content)
    if content.get("model_type") != "electra" and name != "BertForMaskedLM":
        raise ValueError(f"{folder} holds a {content.get('model_type')!r} model, not an ELECTRA")
    kind = ARCHITECTURES.get(name, ARCHITECTURES["ElectraForPreTraining"])
    config, C = shape(content, folder), num_labels(content)
    ours, unknown = from_huggingface(read_weights(folder), kind.names)
    network = build_to_fit(lambda: kind.build(Encoder(config), C), config, ours, unknown, folder)
    fill(network, ours, unknown, folder)
    return network


def load_encoder(folder: Path) -> Encoder:
    """The body of any ELECTRA or BERT directory, whatever head it has."""
    content = read_object(folder / "config.json")
    if content.get("model_type") not in ("electra", "bert"):
        raise ValueError(f"{folder} holds a {content.get('model_type')!r} model, neither an ELECTRA nor a BERT")
    config = shape(content, folder)
    found, unknown = from_huggingface(read_weights(folder), NAMES)
    ours = {name.removeprefix("encoder."): tensor for name, tensor in found.items()}
    encoder = build_to_fit(lambda: Encoder(config), config, ours, unknown, folder)
    take_weights(encoder, ours, unknown, folder)
    return encoder


def is_masked_lm(folder: Path) -> bool:
    """Whether a directory holds a masked language model."""
    return "MaskedLM" in stated_architecture(read_object(folder / "config.json"))


def is_finetuned(folder: Path) -> bool:
    """Whether a directory holds a network that answers a task."""
    content = read_object(folder / "config.json")
    name = stated_architecture(content)
    return content.get("model_type") == "electra" and name in ARCHITECTURES and name not in WITHOUT_TASK


def shape(content: Mapping[str, Any], folder: Path) -> ElectraConfig:
    """The encoder's shape from a config.json."""
    for name, known in (("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if content.get(name, known) != known:
            raise ValueError(f"{folder} has {name} {content[name]!r}; only {known!r} is known here")
    given = {f.name: content[f.name] for f in fields(ElectraConfig) if f.name in content}
    whole = {f.name for f in fields(ElectraConfig) if f.type == "int"}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int if name in whole else int | float):
            raise ValueError(f"{folder}: {name} in config.json must be a {'whole ' * (name in whole)}number")
    if content.get("model_type") == "bert":
        given["embedding_size"] = content["hidden_size"]
    return ElectraConfig(**given)


def num_labels(content: Mapping[str, Any]) -> int:
    """How many labels a config.json names; transformers' default is two."""
    names, count = content.get("id2label"), content.get("num_labels", 2)
    count = len(names) if isinstance(names, dict) and names else count
    require(isinstance(count, int) and count > 0, "num_labels in config.json must be a whole number above 0")
    return int(count)


class Pair(NamedTuple):
    """What was read: networks by name, the kept one first, and what goes with them."""

    networks: dict[str, Network]
    tokenizer: Tokenizer
    longest: int  # tokens the networks were trained to read
    origin: str  # in words
    stated: dict[str, dict[str, Any]]  # what else each config.json says


def read_huggingface(source: Path) -> Pair:
    """A run's or a Hugging Face directory's networks."""
    from electra.checkpoints.locate import model_folder

    folder = model_folder(source)
    folders = {"kept": folder} | ({"generator": folder / "generator"} if (folder / "generator").is_dir() else {})
    networks = {name: load_network(place) for name, place in folders.items()}
    stated = {name: beyond_the_shape(read_json(place / "config.json")) for name, place in folders.items()}
    longest = min(stated_length(folder), networks["kept"].encoder.config.max_position_embeddings)
    origin = f"Converted from {source.name}, a Hugging Face directory" if folder == source else "The end of a run"
    return Pair(networks, load_tokenizer(folder), longest, origin, stated)


def beyond_the_shape(content: dict[str, Any]) -> dict[str, Any]:
    """What a config.json says beyond what is written anyway: the architecture, labels, a threshold."""
    written = {f.name for f in fields(ElectraConfig)} | {"dtype", "torch_dtype", "transformers_version"}
    return {key: value for key, value in content.items() if key not in written}
