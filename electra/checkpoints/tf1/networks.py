"""Read the networks of google-research's TensorFlow checkpoints."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch

from electra.checkpoints.huggingface import Pair
from electra.checkpoints.tf1.bundle import TensorBundle
from electra.checkpoints.tf1.names import HEADS, NOT_WEIGHTS, shape_of, size_name, weights_of
from electra.checkpoints.weights import fill
from electra.config import ConvertConfig, require
from electra.core.log import logger
from electra.models.electra.backbone import BACKBONE
from electra.models.heads import Network
from electra.models.kinds import Kind
from electra.models.networks import NETWORKS
from electra.text.tokenizer import load_tokenizer


def checkpoint_prefix(source: Path) -> Path | None:
    """Return the prefix of the TensorFlow checkpoint that `source` names: itself, its .index, or its folder."""
    if source.suffix == ".index":
        source = source.with_suffix("")
    if source.with_name(source.name + ".index").is_file():
        return source
    found = sorted(source.glob("*.index")) if source.is_dir() else []
    if len(found) > 1:
        raise ValueError(f"{source} holds several checkpoints; name one of {', '.join(p.stem for p in found)} in it")
    return found[0].with_suffix("") if found else None


def read_tf1(prefix: Path, config: ConvertConfig) -> Pair:
    """Read the networks of a google-research checkpoint, and log the tensors that none of them uses."""
    vocab = Path(config.vocab) if config.vocab else prefix.with_name("vocab.txt")
    require(vocab.is_file(), f"{vocab}: no such file; name the checkpoint's vocabulary with --vocab")
    tokenizer, bundle = load_tokenizer(vocab, config.lowercase), TensorBundle(prefix)
    networks: dict[str, Network] = {}
    read: set[str] = set()
    for name, kind in (("discriminator", Kind.DISCRIMINATOR), ("generator", Kind.MASKED_LM)):
        if any(tensor.startswith(HEADS[name]) for tensor in bundle.entries):
            names = weights_of(bundle.entries, name)
            heads = config.num_attention_heads if not networks else 0
            networks[name] = build(kind, {new: as_weight(bundle, old) for old, new in names.items()}, heads, prefix)
            read |= names.keys()
    require(bool(networks), f"{prefix} holds no ELECTRA but {', '.join(list(bundle.entries)[:8])} ...")
    log_left_out(prefix, bundle.entries.keys() - read)
    shapes = [network.encoder.config for network in networks.values()]
    require(
        tokenizer.vocab_size <= shapes[0].vocab_size,
        f"{vocab} has {tokenizer.vocab_size} entries, the model {shapes[0].vocab_size}; they do not belong together",
    )
    size = size_name(shapes[0], shapes[1] if len(shapes) > 1 else None) if "discriminator" in networks else ""
    origin = f"Converted from {prefix.name}, a TensorFlow checkpoint" + (f" of the size {size}" if size else "")
    logger.info(origin)
    return Pair(networks, tokenizer, shapes[0].max_position_embeddings, origin, {})


def as_weight(bundle: TensorBundle, name: str) -> torch.Tensor:
    """Read a tensor in torch's layout: TensorFlow's kernels are transposed."""
    tensor = torch.from_numpy(bundle.read(name)).float()
    return tensor.T.contiguous() if name.endswith("/kernel") else tensor


def build(kind: Kind, weights: dict[str, torch.Tensor], heads: int, where: Path) -> Network:
    """Build a network of the size of its tensors, and fill it."""
    try:
        shape = shape_of(weights, heads)
    except KeyError as error:
        raise ValueError(f"{where}: the tensor {error} is missing") from None
    network = NETWORKS[kind](BACKBONE.encoder(shape), 0)
    fill(network, *BACKBONE.from_huggingface(weights, kind), where)
    return network


def log_left_out(where: Path, names: Collection[str]) -> None:
    """Log the tensors that were not read: the number of the optimizer's, and the names of others."""
    others = sorted(name for name in names if not NOT_WEIGHTS.search(name))
    if len(names) > len(others):
        logger.info(f"{where}: left out {len(names) - len(others)} tensors of the optimizer and counters")
    if others:
        logger.warning(f"{where}: left out, as no network has a place for them: {', '.join(others)}")
