"""Convert: networks in and out as Hugging Face directories; TensorFlow checkpoints in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from electra.card import write_card
from electra.config import ConvertConfig, ElectraConfig, require
from electra.console import say, warn
from electra.data.tensor_bundle import TensorBundle
from electra.data.tokenizer import Tokenizer, load_tokenizer
from electra.model.encoder import Encoder
from electra.model.heads import Discriminator, MaskedLM
from electra.model.names import DISCRIMINATOR_NAMES, GENERATOR_NAMES, from_huggingface, to_huggingface
from electra.model.tf1_names import HEADS, NOT_WEIGHTS, shape_of, size_name, weights_of
from electra.storage import read_json, write_json, write_tensors

WITHOUT_MEANING = {
    "electra.embeddings.position_ids",
    "generator_lm_head.weight",
}  # a counter; the word embeddings again
OTHER_FORMATS = ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack")
KEPT = ("detection_threshold",)  # what config.json says beyond the shape and survives conversion
ARCHITECTURES = {"ElectraForPreTraining": Discriminator, "ElectraForMaskedLM": MaskedLM}


def save_network(
    folder: Path, network: Discriminator | MaskedLM, tokenizer: Tokenizer, max_length: int, **extra: Any
) -> None:
    """Write a directory that `transformers` loads with the same outputs; `extra` goes into config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    is_discriminator = isinstance(network, Discriminator)
    names = DISCRIMINATOR_NAMES if is_discriminator else GENERATOR_NAMES
    weights = to_huggingface({name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}, names)
    write_tensors(folder / "model.safetensors", weights, {"format": "pt"})
    tokenizer.save(folder, max_length)
    write_json(
        folder / "config.json",
        {
            "architectures": ["ElectraForPreTraining" if is_discriminator else "ElectraForMaskedLM"],
            "model_type": "electra",
            "hidden_act": "gelu",
            "dtype": "float32",
            "tie_word_embeddings": True,
            **asdict(network.encoder.config),
            **extra,
        },
    )


def load_network(folder: Path) -> Discriminator | MaskedLM:
    """Read a Hugging Face ELECTRA directory; which network it is, its config.json says."""
    content = read_json(folder / "config.json")
    if content.get("model_type") != "electra":
        raise ValueError(f"{folder} holds a {content.get('model_type')!r} model, not an ELECTRA")
    for name, known in (("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if content.get(name, known) != known:
            raise ValueError(f"{folder} has {name} {content[name]!r}; only {known!r} is known here")
    config = ElectraConfig(**{f.name: content[f.name] for f in fields(ElectraConfig) if f.name in content})
    kind = ARCHITECTURES.get(next(iter(content.get("architectures") or ["ElectraForPreTraining"])), Discriminator)
    network = Discriminator(Encoder(config)) if kind is Discriminator else MaskedLM(Encoder(config))
    fill(network, read_weights(folder), folder)
    return network


def fill(network: Discriminator | MaskedLM, weights: Mapping[str, torch.Tensor], where: Path) -> None:
    """Put tensors under Hugging Face's names into a network; say which have no place in it."""
    ours, unknown = from_huggingface(
        weights, DISCRIMINATOR_NAMES if isinstance(network, Discriminator) else GENERATOR_NAMES
    )
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    missing = sorted(wanted.keys() - ours.keys())
    wrong = sorted(name for name in wanted.keys() & ours.keys() if wanted[name] != ours[name].shape)
    if missing or wrong:
        raise ValueError(
            f"{where}: the weights do not fit the model; missing {missing}, of another shape {wrong}, unknown {unknown}"
        )
    unexpected = sorted((ours.keys() - wanted.keys()) | (set(unknown) - WITHOUT_MEANING))
    if unexpected:
        warn(f"{where}: left out, as the model has no place for them: {', '.join(unexpected)}")
    network.load_state_dict({name: ours[name] for name in wanted})
    network.eval()


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a model folder; safetensors only, as loading a pickle runs what is in it."""
    path = folder / "model.safetensors"
    if not path.exists():
        other = next((name for name in OTHER_FORMATS if (folder / name).exists()), "")
        hint = f"; loading {other} could run code that is in it: convert it to safetensors first" if other else ""
        raise ValueError(f"{folder} has no model.safetensors{hint}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} was cut short or altered ({error})") from None


# -- the verb ----------------------------------------------------------------------------------------------------------


def convert(config: ConvertConfig) -> Path:
    """Write the networks of `config.source` as Hugging Face directories with model cards; returns the folder.

    Raises:
        ValueError: there is nothing to convert, a tensor is missing, or the folder is not empty.
    """
    require(
        bool(config.source), "convert what? name a run, a Hugging Face ELECTRA directory or a TensorFlow checkpoint"
    )
    require(bool(config.out), "where to? name a folder with --out")
    out = Path(config.out)
    require(not out.exists() or not any(out.iterdir()), f"{out} is not empty; choose another --out")
    source = Path(config.source)
    prefix = checkpoint_prefix(source)
    pair = read_tf1(prefix, config) if prefix else read_huggingface(source)
    run = next((folder for folder in (source, source.parent) if (folder / "metrics.jsonl").exists()), None)
    for name, network in reversed(pair.networks.items()):  # the kept one last: a folder that has it is whole
        folder = out if network is next(iter(pair.networks.values())) else out / name
        save_network(folder, network, pair.tokenizer, config.max_length or pair.longest, **pair.stated.get(name, {}))
        architecture = read_json(folder / "config.json")["architectures"][0]
        write_card(folder, architecture, network.encoder.config, pair.origin, run)
        say(f"wrote {folder}: {architecture}")
    return out


class Pair(NamedTuple):
    """What was read: networks by name, the kept one first, and what goes with them."""

    networks: dict[str, Discriminator | MaskedLM]
    tokenizer: Tokenizer
    longest: int  # tokens the networks were trained to read
    origin: str  # in words
    stated: dict[str, dict[str, Any]]  # what else each config.json says


def read_huggingface(source: Path) -> Pair:
    """A run's or a Hugging Face directory's networks."""
    from electra.predict import model_folder, stated_length

    folder = model_folder(source)
    folders = {"kept": folder} | ({"generator": folder / "generator"} if (folder / "generator").is_dir() else {})
    networks = {name: load_network(place) for name, place in folders.items()}
    stated = {name: read_json(place / "config.json") for name, place in folders.items()}
    kept = {key: stated["kept"][key] for key in KEPT if key in stated["kept"]}
    longest = min(stated_length(folder), networks["kept"].encoder.config.max_position_embeddings)
    origin = f"Converted from {source.name}, a Hugging Face directory" if folder == source else "The end of a run"
    return Pair(networks, load_tokenizer(folder), longest, origin, {"kept": kept})


def checkpoint_prefix(source: Path) -> Path | None:
    """The prefix of the TensorFlow checkpoint that `source` names: itself, its .index, or a folder with one in it."""
    if source.suffix == ".index":
        source = source.with_suffix("")
    if source.with_name(source.name + ".index").is_file():
        return source
    found = sorted(source.glob("*.index")) if source.is_dir() else []
    if len(found) > 1:
        raise ValueError(f"{source} holds several checkpoints; name one of {', '.join(p.stem for p in found)} in it")
    return found[0].with_suffix("") if found else None


def read_tf1(prefix: Path, config: ConvertConfig) -> Pair:
    """The networks of a google-research checkpoint; what has no place in them is said."""
    vocab = Path(config.vocab) if config.vocab else prefix.with_name("vocab.txt")
    require(vocab.is_file(), f"{vocab}: no such file; name the checkpoint's vocabulary with --vocab")
    tokenizer, bundle = load_tokenizer(vocab, config.lowercase), TensorBundle(prefix)
    networks: dict[str, Discriminator | MaskedLM] = {}
    read: set[str] = set()
    for name, kind in (("discriminator", Discriminator), ("generator", MaskedLM)):
        if any(tensor.startswith(HEADS[name]) for tensor in bundle.entries):
            names = weights_of(bundle.entries, name)
            heads = config.num_attention_heads if not networks else 0
            networks[name] = build(kind, {new: as_weight(bundle, old) for old, new in names.items()}, heads, prefix)
            read |= names.keys()
    require(bool(networks), f"{prefix}: no ELECTRA is in it; it holds {', '.join(list(bundle.entries)[:8])} ...")
    say_left_out(prefix, bundle.entries.keys() - read)
    shapes = [network.encoder.config for network in networks.values()]
    require(
        tokenizer.vocab_size <= shapes[0].vocab_size,
        f"{vocab} has {tokenizer.vocab_size} entries, the model {shapes[0].vocab_size}; they do not belong together",
    )
    size = size_name(shapes[0], shapes[1] if len(shapes) > 1 else None) if "discriminator" in networks else ""
    origin = f"Converted from {prefix.name}, a TensorFlow checkpoint" + (f" of the size {size}" if size else "")
    say(origin)
    return Pair(networks, tokenizer, shapes[0].max_position_embeddings, origin, {})


def as_weight(bundle: TensorBundle, name: str) -> torch.Tensor:
    """A tensor as torch has it: what TensorFlow calls a kernel is transposed."""
    tensor = torch.from_numpy(bundle.read(name)).float()
    return tensor.T.contiguous() if name.endswith("/kernel") else tensor


def build(
    kind: type[Discriminator | MaskedLM], weights: dict[str, torch.Tensor], heads: int, where: Path
) -> Discriminator | MaskedLM:
    """A network as large as its tensors."""
    try:
        shape = shape_of(weights, heads)
    except KeyError as error:
        raise ValueError(f"{where}: the tensor {error} is missing") from None
    network = kind(Encoder(shape))
    fill(network, weights, where)
    return network


def say_left_out(where: Path, names: Collection[str]) -> None:
    """List what was not read: the optimizer's tensors by number, others by name."""
    others = sorted(name for name in names if not NOT_WEIGHTS.search(name))
    if len(names) > len(others):
        say(f"{where}: left out {len(names) - len(others)} tensors of the optimizer and counters")
    if others:
        warn(f"{where}: left out, as no network of ours has a place for them: {', '.join(others)}")
