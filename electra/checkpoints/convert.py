"""Convert: networks in and out as Hugging Face directories; TensorFlow checkpoints in."""

from __future__ import annotations

from pathlib import Path

from electra.checkpoints.card import write_card
from electra.checkpoints.huggingface import read_huggingface, save_network
from electra.checkpoints.locate import stated_architecture
from electra.config import ConvertConfig, require
from electra.core.log import logger
from electra.core.storage import read_json


def convert(config: ConvertConfig) -> Path:
    """Write the networks of `config.source` as Hugging Face directories with model cards; return the folder.

    Raises:
        ValueError: there is nothing to convert, a tensor is missing, or the folder is not empty.
    """
    require(
        bool(config.source), "convert what? name a run, a Hugging Face ELECTRA directory or a TensorFlow checkpoint"
    )
    require(bool(config.out), "where to? name a folder with --out")
    out = Path(config.out)
    require(not out.exists() or not any(out.iterdir()), f"{out} is not empty; choose another --out")
    from electra.checkpoints.tf1.networks import checkpoint_prefix, read_tf1

    source = Path(config.source)
    prefix = checkpoint_prefix(source)
    pair = read_tf1(prefix, config) if prefix else read_huggingface(source)
    run = next((folder for folder in (source, source.parent) if (folder / "metrics.jsonl").exists()), None)
    for name, network in reversed(pair.networks.items()):  # the kept one last: with it the folder is complete
        folder = out if network is next(iter(pair.networks.values())) else out / name
        save_network(folder, network, pair.tokenizer, config.max_length or pair.longest, **pair.stated.get(name, {}))
        write_card(folder, network, pair.origin, run)
        logger.info(f"wrote {folder}: {stated_architecture(read_json(folder / 'config.json'))}")
    return out
