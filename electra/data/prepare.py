"""The verb `prepare`: turn text into a tokeniser and shards, resumable; any number of processes give the same files."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from electra.config import PrepareConfig
from electra.config.prepare import TRAINABLE
from electra.core.log import logger
from electra.core.storage import explained, only_writer, read_json, write_atomically, write_json
from electra.data.cache import INDEX, PLAN
from electra.data.chunks import Chunk, Recipe, cut_chunks, shard_files
from electra.data.corpus import Corpus
from electra.data.destination import Destination, destination_of
from electra.data.parts import Part, Share, begin_part, collect, has_parts, named_part, part_folder
from electra.data.plan import OWN_FILES, differences, plan_of, refuse_other_content, refuse_other_plan
from electra.data.pool import in_processes, number_of_workers
from electra.data.report import Progress, report, report_extension
from electra.data.shards import FORMAT_VERSION, SPLITS, read_manifest
from electra.text.extension import extend
from electra.text.losses import merged
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.text.vocabulary import train_tokenizer

TRAINING_BYTES = 100_000_000  # of text to train a vocabulary on
COMPRESSION = 4  # bytes of text in a byte of a compressed file, roughly
LAST_OF_TOKENIZER = "tokenizer_config.json"  # of the files that `save` writes
PARTS_WAIT = 60.0  # seconds in which another part has written the plan and the tokeniser


def prepare(config: PrepareConfig) -> dict[str, Any]:
    """Prepare text for pre-training; return the manifest, the content of manifest.json.

    A second call returns at once, continues a preparation that was interrupted, or puts together its parts. The
    examples are those of the released code: one or two segments of at most `seq_length` tokens between [CLS] and [SEP].
    A part (`part`) prepares its chunks and returns nothing.

    Raises:
        ValueError: a source, the tokeniser or the folder cannot be used; the message says what to change.
        OSError: the folder cannot be written, or the disk is full.
    """
    destination = destination_of(config.out, config.part)
    corpus = Corpus(config, stdin=destination.folder / "stdin.partial")  # raises before anything is written
    try:
        with destination.opened():
            if config.part:
                prepare_part(config, corpus, destination, named_part(config.part))
                return {}
            with only_writer(destination.folder):
                return prepare_folder(config, corpus, destination)
    except OSError as error:
        raise explained(error, destination.folder) from error


def prepare_folder(config: PrepareConfig, corpus: Corpus, destination: Destination) -> dict[str, Any]:
    """Prepare in a folder that this process has locked."""
    plan, folder = begin(config, corpus, destination), destination.folder
    if (folder / INDEX).is_file():
        logger.info(f"{destination} is already prepared")
        (folder / "stdin.partial").unlink(missing_ok=True)
        return read_manifest(folder)
    tokenizer = get_tokenizer(config, corpus, destination)
    if has_parts(folder):
        notes = collect(destination, plan, tokenizer.hash)
    else:
        notes = write_shards(config, corpus, cut_chunks(corpus), tokenizer, destination)
    manifest = combine(config, tokenizer, notes)
    require_unchanged(destination, plan, tokenizer)
    destination.finish(manifest, {path.name for path in shard_files(folder, manifest)})
    (folder / "stdin.partial").unlink(missing_ok=True)
    report(config, manifest)
    return manifest


def prepare_part(config: PrepareConfig, corpus: Corpus, destination: Destination, part: Part) -> None:
    """Prepare the chunks of a part, in a folder that other parts may write to."""
    folder = destination.folder
    with only_writer(folder, seconds=PARTS_WAIT):
        plan = begin(config, corpus, destination)
        if (folder / INDEX).is_file():
            logger.info(f"{destination} is already prepared")
            return
        tokenizer = get_tokenizer(config, corpus, destination)
        if (given := load_tokenizer(config.tokenizer, config.lowercase)).hash != tokenizer.hash:
            raise ValueError(
                f"{config.tokenizer} is not the tokeniser of the parts in {destination} ({given.hash[:12]}, theirs "
                f"{tokenizer.hash[:12]}); give all parts the same"
            )
        begin_part(destination, part)
    with only_writer(part_folder(folder, part)):
        share = Share(cut_chunks(corpus), part)
        notes = write_shards(config, corpus, iter(share), tokenizer, destination)
        share.write_note(destination, plan, tokenizer.hash)
    logger.info(
        f"part {part}: {len(notes):,} of {share.read:,} chunks are prepared in {destination}\n"
        f"When all {part.total} parts are done, the same command without --part puts them together."
    )


def begin(config: PrepareConfig, corpus: Corpus, destination: Destination) -> dict[str, Any]:
    """Check that the folder is empty or of the same preparation, and write its plan; return the plan."""
    refuse_other_content(destination)
    folder = destination.folder
    if "-" in config.sources:
        copy_stdin(folder / "stdin.partial")
    plan = plan_of(config, corpus)
    refuse_other_plan(plan, destination)
    if not (folder / INDEX).is_file():
        write_json(folder / PLAN, plan)
        destination.send(folder / PLAN)
    return plan


def require_unchanged(destination: Destination, plan: dict[str, Any], tokenizer: Tokenizer) -> None:
    """Raise ValueError if a call on another machine, which no lock reaches, has begun another preparation there."""
    destination.refresh()
    found = differences(read_json(destination.folder / PLAN), plan)
    if found or load_tokenizer(destination.folder).hash != tokenizer.hash:
        raise ValueError(
            f"another call has written to {destination} meanwhile ({found or 'another vocabulary'}); remove it, "
            "and prepare it by one call, or by parts of one"
        )


# -- tokeniser ---------------------------------------------------------------------------------------------------------


def copy_stdin(path: Path) -> None:
    """Copy standard input to a file, as it is read twice."""
    with write_atomically(path) as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)


def get_tokenizer(config: PrepareConfig, corpus: Corpus, destination: Destination) -> Tokenizer:
    """Return the tokeniser of an earlier call for this folder; otherwise load or train one, and save it."""
    folder = destination.folder
    if (folder / LAST_OF_TOKENIZER).is_file():
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
    files = sorted(folder.glob("[!.]*.*"), key=lambda path: path.name == LAST_OF_TOKENIZER)
    destination.send(*(path for path in files if path.name not in OWN_FILES))
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
        raise ValueError(no_text(corpus.config))
    return lines


def no_text(config: PrepareConfig) -> str:
    """Return the error of sources without a word."""
    return f"no text in {', '.join(config.sources)}: every line is empty; name a file that has some"


# -- shards ------------------------------------------------------------------------------------------------------------


def write_shards(
    config: PrepareConfig, corpus: Corpus, chunks: Iterator[Chunk], tokenizer: Tokenizer, destination: Destination
) -> list[dict[str, Any]]:
    """Write every chunk that is not done yet; return the notes of all chunks, in order."""
    (destination.folder / "chunks").mkdir(exist_ok=True)
    destination.require_space(int(0.7 * (corpus.total_bytes or 0)) // named_part(config.part).total)
    recipe = Recipe(destination, config.seq_length, config.packing, config.heldout, config.seed)
    progress = Progress(corpus)
    notes = []
    workers = number_of_workers(config.num_workers, corpus.total_bytes)
    for note in in_processes(chunks, tokenizer, recipe, workers):
        notes.append(note)
        progress.show(note)
    return notes


# -- manifest ----------------------------------------------------------------------------------------------------------


def combine(config: PrepareConfig, tokenizer: Tokenizer, notes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the manifest: the shards and summed counts of all chunks."""
    if not notes:
        raise ValueError(no_text(config))
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
