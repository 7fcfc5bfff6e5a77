"""The verb `prepare`: turn text into a tokeniser and shards, resumable, with the same result for any --num-workers."""

from __future__ import annotations

import itertools
import shutil
import sys
from pathlib import Path
from typing import Any

from electra.config import PrepareConfig, to_dict
from electra.config.prepare import TRAINABLE
from electra.core.log import logger
from electra.core.storage import (
    explained,
    only_writer,
    read_json,
    require_space,
    sync_folder,
    write_atomically,
    write_json,
)
from electra.data.chunks import SPLITS, Recipe, cut_chunks
from electra.data.corpus import Corpus
from electra.data.pool import in_processes, number_of_workers
from electra.data.report import Progress, report, report_extension
from electra.data.shards import FORMAT_VERSION, KINDS, read_manifest, shard_file
from electra.text.extension import extend
from electra.text.losses import merged
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.text.vocabulary import train_tokenizer

TRAINING_BYTES = 100_000_000  # of text to train a vocabulary on
COMPRESSION = 4  # bytes of text in a byte of a compressed file, roughly
OWN_FILES = ("prepare.json", "manifest.json", "stdin.partial", "chunks")


def prepare(config: PrepareConfig) -> dict[str, Any]:
    """Prepare text for pre-training; return the manifest, the content of manifest.json.

    A second call returns at once, or continues a preparation that was interrupted. The examples are those of the
    released code: one or two segments of at most `seq_length` tokens between [CLS] and [SEP].

    Raises:
        ValueError: a source, the tokeniser or the folder cannot be used; the message says what to change.
        OSError: the folder cannot be written, or the disk is full.
    """
    folder = Path(config.out)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; choose another --out")
    corpus = Corpus(config, stdin=folder / "stdin.partial")  # raises for a wrong source before anything is written
    try:
        with only_writer(folder):
            return prepare_folder(config, corpus, folder)
    except OSError as error:
        raise explained(error, folder) from error


def prepare_folder(config: PrepareConfig, corpus: Corpus, folder: Path) -> dict[str, Any]:
    """Prepare in a folder that this process has locked."""
    refuse_other_content(config, folder)
    if "-" in config.sources:
        copy_stdin(folder / "stdin.partial")
    plan = {**to_dict(config), "sources": list(config.sources)}
    plan |= {"files": corpus.file_sizes(), "text": f"samples {corpus.fingerprint()}"}
    refuse_other_plan(plan, folder)
    if (folder / "manifest.json").is_file():
        logger.info(f"{folder} is already prepared")
        (folder / "stdin.partial").unlink(missing_ok=True)
        return read_manifest(folder)
    write_json(folder / "prepare.json", plan)
    tokenizer = get_tokenizer(config, corpus, folder)
    notes = write_shards(config, corpus, tokenizer, folder)
    manifest = combine(config, tokenizer, notes)
    finish(folder, manifest)
    report(config, manifest)
    return manifest


# -- an existing folder ------------------------------------------------------------------------------------------------


def refuse_other_content(config: PrepareConfig, folder: Path) -> None:
    """Raise ValueError if a folder holds unrelated files."""
    foreign = [path.name for path in folder.iterdir() if path.name not in OWN_FILES and path.name[0] != "."]
    if foreign and not (folder / "prepare.json").is_file():
        raise ValueError(
            f"{folder} holds other files ({', '.join(sorted(foreign)[:3])}); choose an empty or new folder for --out"
        )


def refuse_other_plan(plan: dict[str, Any], folder: Path) -> None:
    """Raise ValueError with the differences from an earlier preparation, unless that finished no chunk."""
    path = folder / "prepare.json"
    if not path.is_file():
        return
    before = read_json(path)
    may_differ = ("out", "num_workers")
    changed = [name for name in plan if name not in may_differ and before.get(name, plan[name]) != plan[name]]
    if not changed:
        return
    if not any((folder / "chunks").glob("*")) and not (folder / "manifest.json").exists():
        logger.info(f"{folder}: an earlier, different preparation finished nothing; starting over")
        for name in ("tokenizer_config.json", "extension.json"):  # its tokeniser
            (folder / name).unlink(missing_ok=True)
        return
    differences = "; ".join(f"{name} was {short(before.get(name))}, now {short(plan[name])}" for name in changed)
    raise ValueError(f"{folder} was prepared differently: {differences}. Choose another --out, or remove the folder")


def short(value: Any) -> str:
    """Return the representation of a value, shortened to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def copy_stdin(path: Path) -> None:
    """Copy standard input to a file, as it is read twice."""
    with write_atomically(path) as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)


# -- tokeniser ---------------------------------------------------------------------------------------------------------


def get_tokenizer(config: PrepareConfig, corpus: Corpus, folder: Path) -> Tokenizer:
    """Return the tokeniser of an earlier call for this folder; otherwise load or train one, and save it."""
    if (folder / "tokenizer_config.json").is_file():  # the last file that `save` writes
        return load_tokenizer(folder)
    if config.tokenizer in TRAINABLE:
        logger.info(f"training a {config.tokenizer} vocabulary of {config.vocab_size}")
        lines = training_lines(corpus)
        tokenizer = train_tokenizer(config.tokenizer, lines, config.vocab_size, config.lowercase, config.strip_accents)
    else:
        tokenizer = load_tokenizer(config.tokenizer, config.lowercase)
    if config.extend:
        tokenizer = extended(tokenizer, config, training_lines(corpus), folder)
    tokenizer.save(folder, config.seq_length)
    return tokenizer


def extended(tokenizer: Tokenizer, config: PrepareConfig, lines: list[str], folder: Path) -> Tokenizer:
    """Return the tokeniser with entries for the text, and write which ones in `folder`."""
    logger.info(f"learning up to {config.extend:,} entries for the vocabulary of {config.tokenizer}")
    extension = extend(tokenizer, lines, config.extend)
    before, after = extension.before._asdict(), extension.after._asdict()
    write_json(folder / "extension.json", {"before": before, "after": after, "entries": extension.entries})
    report_extension(config, extension)
    return extension.tokenizer


def training_lines(corpus: Corpus) -> list[str]:
    """Return the lines of every nth document, at most TRAINING_BYTES, with n chosen to sample the whole corpus."""
    text_bytes = sum(
        size * (1 if name.endswith((".txt", ".jsonl", ".csv", ".tsv")) else COMPRESSION)
        for name, size in corpus.file_sizes().items()
    )
    lines: list[str] = []
    size = 0
    for document in itertools.islice(corpus, 0, None, -(-text_bytes // TRAINING_BYTES) or 1):
        lines += document
        size += sum(map(len, document))
        if size >= TRAINING_BYTES:
            break
    if not lines:
        raise ValueError(f"no text in {', '.join(corpus.config.sources)}: every line is empty")
    return lines


# -- shards ------------------------------------------------------------------------------------------------------------


def write_shards(config: PrepareConfig, corpus: Corpus, tokenizer: Tokenizer, folder: Path) -> list[dict[str, Any]]:
    """Write every chunk that is not done yet; return the notes of all chunks, in order."""
    (folder / "chunks").mkdir(exist_ok=True)
    require_space(folder, int(0.7 * (corpus.total_bytes or 0)))
    recipe = Recipe(folder, config.seq_length, config.packing, config.heldout, config.seed)
    progress = Progress(corpus)
    notes = []
    for note in in_processes(
        cut_chunks(corpus), tokenizer, recipe, number_of_workers(config.num_workers, corpus.total_bytes)
    ):
        notes.append(note)
        progress.show(note)
    return notes


# -- manifest ----------------------------------------------------------------------------------------------------------


def combine(config: PrepareConfig, tokenizer: Tokenizer, notes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the manifest: the shards and summed counts of all chunks."""
    if not notes:
        raise ValueError(f"no text in {', '.join(config.sources)}: every line is empty")
    shards = {split: [entry for note in notes for entry in note[split]] for split in SPLITS}
    if not shards["train"]:
        raise ValueError(f"no document is left for training: all went to heldout={config.heldout:g}; lower it")
    counts = {name: sum(note["counts"][name] for note in notes) for name in notes[0]["counts"]}
    for total in ("examples", "tokens"):
        counts[total] = sum(entry[total] for split in SPLITS for entry in shards[split])
    losses = merged([note["losses"] for note in notes])
    return {
        "format_version": FORMAT_VERSION,
        "tokenizer_hash": tokenizer.hash,
        "vocab_size": tokenizer.vocab_size,
        "seq_length": config.seq_length,
        "packing": config.packing,
        "counts": counts,
        "share_kept": counts["kept_tokens"] / max(1, counts["text_tokens"]),
        "share_padding": 1 - counts["tokens"] / (counts["examples"] * config.seq_length),
        "share_unknown": counts["unknown"] / max(1, counts["kept_tokens"]),
        "share_lost": losses["lost"] / max(1, losses["characters"]),
        "losses": losses,
        **shards,
    }


def finish(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, then remove the files that only an interrupted preparation needs."""
    sync_folder(folder)
    write_json(folder / "manifest.json", manifest)
    wanted = {shard_file(folder, entry["name"], kind) for s in SPLITS for entry in manifest[s] for kind in KINDS}
    for path in (*folder.glob("*.npy"), *folder.glob(".*.partial")):
        if path not in wanted:  # of an interrupted call, whose text has changed since
            path.unlink()
    shutil.rmtree(folder / "chunks")
    (folder / "stdin.partial").unlink(missing_ok=True)
