"""The verb `convert`: read runs, Hugging Face directories or TensorFlow checkpoints; write Hugging Face directories."""

from __future__ import annotations

from pathlib import Path

from electra.checkpoints.card import write_card
from electra.checkpoints.huggingface import read_huggingface, save_network
from electra.checkpoints.locate import stated_architecture
from electra.config import ConvertConfig, require
from electra.core.log import logger
from electra.core.storage import read_json, written_whole


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
    with written_whole(out) as partial:
        for name, shape in write(partial, config):
            logger.info(f"wrote {out / name}: {shape}")
    return out


def write(out: Path, config: ConvertConfig) -> list[tuple[str, str]]:
    """Write the networks' directories below `out`; return the name and the shape of each."""
    from electra.checkpoints.tf1.networks import checkpoint_prefix, read_tf1

    source = Path(config.source)
    prefix = checkpoint_prefix(source)
    pair = read_tf1(prefix, config) if prefix else read_huggingface(source)
    run = next((folder for folder in (source, source.parent) if (folder / "metrics.jsonl").exists()), None)
    written = list[tuple[str, str]]()
    for name, network in pair.networks.items():
        place = name if written else ""  # the first is the main one
        folder = out / place
        save_network(folder, network, pair.tokenizer, config.max_length or pair.longest, **pair.stated.get(name, {}))
        write_card(folder, network, pair.origin, run)
        written.append((place, stated_architecture(read_json(folder / "config.json"))))
    return written
