"""Turn chunks of documents into shards. A chunk is the unit of work of a process, and what a restart can skip."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import numpy as np

from electra.core.storage import read_json, write_json
from electra.data.destination import Destination
from electra.data.packing import Packer
from electra.data.shards import KINDS, SPLITS, shard_file, token_dtype, write_shard
from electra.text.losses import Losses
from electra.text.tokenizer import BATCH_CHARACTERS, load_tokenizer
from electra.text.word_cache import WordCache

CHUNK_BYTES = 2 << 20


@dataclass(frozen=True)
class Chunk:
    """Whole documents in UTF-8, each with its lines joined by newlines."""

    index: int
    documents: list[bytes]
    hash: str


@dataclass(frozen=True)
class Recipe:
    """The settings that determine the shards of a chunk."""

    destination: Destination
    seq_length: int
    packing: str
    heldout: float
    seed: int


def cut_chunks(documents: Iterable[list[str]]) -> Iterator[Chunk]:
    """Gather documents into chunks that grow with the corpus, so that a large one has hundreds, not thousands."""
    index = size = 0
    gathered: list[bytes] = []
    for lines in documents:
        gathered.append("\n".join(lines).encode())
        size += len(gathered[-1])
        if size >= CHUNK_BYTES << min(index // 64, 5):
            yield Chunk(index, gathered, hash_of(gathered))
            gathered, index, size = [], index + 1, 0
    if gathered:
        yield Chunk(index, gathered, hash_of(gathered))


def hash_of(documents: list[bytes]) -> str:
    """Hash the text of a chunk."""
    digest = hashlib.blake2b(digest_size=16)
    for document in documents:
        digest.update(len(document).to_bytes(8, "little") + document)
    return digest.hexdigest()


def sidecar(folder: Path, index: int) -> Path:
    """Return the path of the note that marks a chunk as done."""
    return folder / "chunks" / f"{index:05d}.json"


def finished(destination: Destination, chunk: Chunk) -> dict[str, Any] | None:
    """Return the note of an earlier run for this chunk, or None if a shard is missing or the text has changed."""
    path = sidecar(destination.folder, chunk.index)
    if not path.is_file():
        return None
    note: dict[str, Any] = read_json(path)
    is_current = note["text"] == chunk.hash and "losses" in note
    return note if is_current and not missing_file(destination, note) else None


def missing_file(destination: Destination, note: dict[str, Any]) -> Path | None:
    """Return a file of a chunk's shards that is not there, or None."""
    return next((file for file in shard_files(destination.folder, note) if not destination.has(file)), None)


def shard_files(folder: Path, note: dict[str, Any]) -> list[Path]:
    """Return the files of the shards that a chunk's note, or the manifest, names."""
    return [shard_file(folder, entry["name"], kind) for split in SPLITS for entry in note[split] for kind in KINDS]


def write_chunk(chunk: Chunk, cache: WordCache, recipe: Recipe) -> dict[str, Any]:
    """Tokenise, pack and write a chunk, then its note; return the note."""
    tokenizer, folder = cache.tokenizer, recipe.destination.folder
    losses = Losses(tokenizer)
    splits, counts = pack_chunk(chunk, cache, recipe, losses)
    note: dict[str, Any] = {"text": chunk.hash, "counts": counts, "losses": losses.note()}
    dtype = token_dtype(tokenizer.vocab_size)
    special = np.array([tokenizer.cls_id, tokenizer.sep_id], dtype)
    for split, (tokens, lengths) in splits.items():
        flat = np.concatenate([np.zeros(0, dtype), *tokens])
        counts["kept_tokens"] += len(flat) - int(np.isin(flat, special).sum())
        counts["unknown"] += int((flat == tokenizer.unk_id).sum()) if tokenizer.unk_id is not None else 0
        name = f"{split}-{chunk.index:05d}"
        note[split] = [write_shard(folder, name, flat, np.array(lengths))] if lengths else []
    write_json(sidecar(folder, chunk.index), note)
    recipe.destination.send(*shard_files(folder, note), sidecar(folder, chunk.index))
    return note


def pack_chunk(
    chunk: Chunk, cache: WordCache, recipe: Recipe, losses: Losses
) -> tuple[dict[str, tuple[list[np.ndarray], list[int]]], dict[str, int]]:
    """Return each split's token ids by document and lengths by example, and the counts so far."""
    tokenizer = cache.tokenizer
    rng = random.Random(f"{recipe.seed} {chunk.index}")
    packer = Packer(recipe.seq_length, tokenizer.cls_id, tokenizer.sep_id, rng, carry=recipe.packing != "paper")
    dtype = token_dtype(tokenizer.vocab_size)
    splits: dict[str, tuple[list[np.ndarray], list[int]]] = {split: ([], []) for split in SPLITS}
    counts = {"documents": 0, "lines": 0, "bytes": 0, "text_tokens": 0, "kept_tokens": 0, "unknown": 0}
    for document, lines in encoded(chunk.documents, cache, losses):
        tokens, lengths = splits["heldout" if is_heldout(document, recipe.heldout) else "train"]
        examples = packer.pack(lines)
        lengths.extend(map(len, examples))
        tokens.append(np.fromiter(chain.from_iterable(examples), dtype))
        counts["documents"] += 1
        counts["lines"] += len(lines)
        counts["bytes"] += len(document)
        counts["text_tokens"] += sum(map(len, lines))
    return splits, counts


def encoded(documents: list[bytes], cache: WordCache, losses: Losses) -> Iterator[tuple[bytes, list[list[int]]]]:
    """Yield documents with the ids of their lines, and count what is lost; tokenise them in batches."""
    gathered: list[bytes] = []
    size = 0
    for index, document in enumerate(documents):
        gathered.append(document)
        size += len(document)
        if size >= BATCH_CHARACTERS or index == len(documents) - 1:
            lines = [text.decode().split("\n") for text in gathered]
            flat = [line for text in lines for line in text]
            rows, unknown = cache.encode_and_count(flat)
            losses.add(flat, unknown)
            ids = iter(rows)
            yield from ((text, list(islice(ids, len(part)))) for text, part in zip(gathered, lines, strict=True))
            gathered, size = [], 0


def is_heldout(document: bytes, share: float) -> bool:
    """Decide by the hash of the text alone, so that the order does not matter and duplicates share a split."""
    return int.from_bytes(hashlib.blake2b(document, digest_size=8).digest(), "big") < share * 2**64


# -- in a worker process -----------------------------------------------------------------------------------------------

_worker: dict[str, Any] = {}


def start_worker(recipe: Recipe) -> None:
    """Initialise a worker process: load the tokeniser once, and exit when the parent process does."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _worker.update(recipe=recipe, cache=WordCache(load_tokenizer(recipe.destination.folder)))
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Exit when the parent process ends, as an orphan would write into the folder of a restart."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def write_in_worker(chunk: Chunk) -> dict[str, Any]:
    """Write a chunk with the tokeniser and the recipe of this worker."""
    return write_chunk(chunk, _worker["cache"], _worker["recipe"])
