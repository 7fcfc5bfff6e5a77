"""The verb `convert`: read runs, Hugging Face directories or TensorFlow checkpoints; write Hugging Face directories."""

from __future__ import annotations

from pathlib import Path

from electra.checkpoints.card import write_card
from electra.checkpoints.huggingface import read_huggingface, save_network
from electra.checkpoints.locate import stated_architecture
from electra.config import ConvertConfig, require
from electra.core.log import logger
from electra.core.storage import read_json, require_no_file


def convert(config: ConvertConfig) -> Path:
    """Write the networks of `config.source` as Hugging Face directories with model cards; return the folder.

    Raises:
        ValueError: there is nothing to convert, a tensor is missing, a checksum is wrong, or the folder is not empty.
        OSError: a file is missing or torn, or the folder cannot be written.
    """
    require(
        bool(config.source),
        "nothing to convert; name a run, a Hugging Face directory or a TensorFlow checkpoint",
    )
    require(bool(config.out), "no output folder; name one with --out")
    out = Path(config.out)
    require_no_file(out)
    require(not out.exists() or not any(out.iterdir()), f"{out} is not empty; choose another --out")
    from electra.checkpoints.tf1.networks import checkpoint_prefix, read_tf1

    source = Path(config.source)
    prefix = checkpoint_prefix(source)
    pair = read_tf1(prefix, config) if prefix else read_huggingface(source)
    run = next((folder for folder in (source, source.parent) if (folder / "metrics.jsonl").exists()), None)
    for name, network in reversed(pair.networks.items()):  # the main one last, as it completes the folder
        folder = out if network is next(iter(pair.networks.values())) else out / name
        save_network(folder, network, pair.tokenizer, config.max_length or pair.longest, **pair.stated.get(name, {}))
        write_card(folder, network, pair.origin, run)
        logger.info(f"wrote {folder}: {stated_architecture(read_json(folder / 'config.json'))}")
    return out
