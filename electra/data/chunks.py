"""One chunk of documents -> its own shards: the unit of work that a process does, and that a restart can skip."""

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
from electra.data.packing import Packer
from electra.data.shards import KINDS, shard_file, token_dtype, write_shard
from electra.text.tokenizer import BATCH_CHARACTERS, load_tokenizer
from electra.text.word_cache import WordCache

CHUNK_BYTES = 2 << 20
SPLITS = ("train", "heldout")


@dataclass(frozen=True)
class Chunk:
    """Whole documents, each its lines joined by newlines, in UTF-8."""

    index: int
    documents: list[bytes]
    hash: str


@dataclass(frozen=True)
class Recipe:
    """How a chunk becomes shards."""

    folder: Path
    seq_length: int
    packing: str
    heldout: float
    seed: int


def cut_chunks(documents: Iterable[list[str]]) -> Iterator[Chunk]:
    """Gather documents; chunks grow with the corpus, so that a large one has hundreds of shards, not ten thousands."""
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
    """The hash of a chunk's text."""
    digest = hashlib.blake2b(digest_size=16)
    for document in documents:
        digest.update(len(document).to_bytes(8, "little") + document)
    return digest.hexdigest()


def sidecar(folder: Path, index: int) -> Path:
    """The note that a chunk is done."""
    return folder / "chunks" / f"{index:05d}.json"


def finished(folder: Path, chunk: Chunk) -> dict[str, Any] | None:
    """What an earlier run noted of this chunk, if its shards are there and its text is still the same."""
    path = sidecar(folder, chunk.index)
    if not path.is_file():
        return None
    note: dict[str, Any] = read_json(path)
    files = [shard_file(folder, entry["name"], kind) for entry in note["train"] + note["heldout"] for kind in KINDS]
    return note if note["text"] == chunk.hash and all(file.is_file() for file in files) else None


def write_chunk(chunk: Chunk, cache: WordCache, recipe: Recipe) -> dict[str, Any]:
    """Tokenise, pack and write a chunk; return what its note says."""
    tokenizer = cache.tokenizer
    rng = random.Random(f"{recipe.seed} {chunk.index}")
    packer = Packer(recipe.seq_length, tokenizer.cls_id, tokenizer.sep_id, rng, carry=recipe.packing != "paper")
    dtype = token_dtype(tokenizer.vocab_size)
    tokens: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    lengths: dict[str, list[int]] = {split: [] for split in SPLITS}
    counts = {"documents": 0, "lines": 0, "bytes": 0, "text_tokens": 0, "kept_tokens": 0, "unknown": 0}
    for document, lines in encoded(chunk.documents, cache):
        split = "heldout" if is_heldout(document, recipe.heldout) else "train"
        examples = packer.pack(lines)
        lengths[split].extend(map(len, examples))
        tokens[split].append(np.fromiter(chain.from_iterable(examples), dtype))
        counts["documents"] += 1
        counts["lines"] += len(lines)
        counts["bytes"] += len(document)
        counts["text_tokens"] += sum(map(len, lines))
    note: dict[str, Any] = {"text": chunk.hash, "counts": counts}
    special = np.array([tokenizer.cls_id, tokenizer.sep_id], dtype)
    for split in SPLITS:
        flat = np.concatenate([np.zeros(0, dtype), *tokens[split]])
        counts["kept_tokens"] += len(flat) - int(np.isin(flat, special).sum())
        counts["unknown"] += int((flat == tokenizer.unk_id).sum()) if tokenizer.unk_id is not None else 0
        name = f"{split}-{chunk.index:05d}"
        note[split] = [write_shard(recipe.folder, name, flat, np.array(lengths[split]))] if lengths[split] else []
    write_json(sidecar(recipe.folder, chunk.index), note)
    return note


def encoded(documents: list[bytes], cache: WordCache) -> Iterator[tuple[bytes, list[list[int]]]]:
    """Documents with the ids of their lines, tokenised a good many at a time."""
    gathered: list[bytes] = []
    size = 0
    for index, document in enumerate(documents):
        gathered.append(document)
        size += len(document)
        if size >= BATCH_CHARACTERS or index == len(documents) - 1:
            lines = [text.decode().split("\n") for text in gathered]
            ids = iter(cache.encode_lines([line for text in lines for line in text]))
            yield from ((text, list(islice(ids, len(part)))) for text, part in zip(gathered, lines, strict=True))
            gathered, size = [], 0


def is_heldout(document: bytes, share: float) -> bool:
    """Decide by the text alone, so that neither order nor neighbours matter and doubles stay together."""
    return int.from_bytes(hashlib.blake2b(document, digest_size=8).digest(), "big") < share * 2**64


# -- in a process of its own -------------------------------------------------------------------------------------------

_worker: dict[str, Any] = {}


def start_worker(recipe: Recipe) -> None:
    """Make a new process ready: it loads the tokeniser once, and ends when the process that started it does."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _worker.update(recipe=recipe, cache=WordCache(load_tokenizer(recipe.folder)))
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the end of the process that started this one, then leave: an orphan would write into a restart."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(chunk: Chunk) -> dict[str, Any]:
    """Write a chunk in a worker."""
    return write_chunk(chunk, _worker["cache"], _worker["recipe"])
