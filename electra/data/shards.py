"""Prepared data on disk: flat arrays of token ids, example lengths, and a manifest with their hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from electra.core.storage import read_json, sha256, write_atomically
from electra.data.cache import INDEX, PLAN, fetched
from electra.text.remote import is_remote
from electra.text.tokenizer import Tokenizer, load_tokenizer

FORMAT_VERSION = 1
SPLITS = ("train", "heldout")
KINDS = ("tokens", "lengths")
BLOCK = 64  # examples; the start of an example is found from that of its block
AGAIN = "run `electra prepare` again"


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """Return the smallest unsigned type that holds every id."""
    return np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)


def write_shard(folder: Path, name: str, tokens: np.ndarray, lengths: np.ndarray) -> dict[str, Any]:
    """Write the two files of a shard atomically; return its entry in the manifest."""
    hashes = {}
    for kind, array in zip(KINDS, (tokens, lengths.astype(np.uint32)), strict=True):
        path = shard_file(folder, name, kind)
        with write_atomically(path) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
        hashes[f"sha256_{kind}"] = sha256(path)
    return {"name": name, "examples": len(lengths), "tokens": len(tokens), **hashes}


def shard_file(folder: Path, name: str, kind: str) -> Path:
    """Return the path of a shard's tokens or lengths."""
    return folder / f"{name}.{kind}.npy"


def prepared_folder(name: str | Path) -> Path:
    """Return a folder of prepared data: itself, or the copy on this node of one behind a URL."""
    return fetched(str(name), hashes_of) if is_remote(name) else Path(name)


def hashes_of(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of every file that a manifest names."""
    return {
        shard_file(Path(), entry["name"], kind).name: entry[f"sha256_{kind}"]
        for split in SPLITS
        for entry in manifest.get(split, [])
        for kind in KINDS
    }


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of a prepared folder; ValueError if it is missing or of another format."""
    path = Path(folder) / INDEX
    if not path.is_file():
        if Path(folder).is_file():
            raise ValueError(
                f"{folder} is a file; prepare it (electra prepare {folder} --out FOLDER), then --data FOLDER"
            )
        problem = "is not finished" if (Path(folder) / PLAN).is_file() else "holds no prepared data"
        raise ValueError(f"{folder} {problem}; run `electra prepare SOURCES --out {folder}`")
    manifest = read_json(path)
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if version != FORMAT_VERSION:
        raise ValueError(f"{path} has format version {version}; this package reads version {FORMAT_VERSION}; {AGAIN}")
    return dict(manifest)


def open_training(folder: str | Path, verify: bool = True) -> tuple[Examples, Tokenizer]:
    """Open the training split of a prepared folder and its tokeniser; ValueError if it holds no examples."""
    train = open_examples(folder, "train", verify)
    if not len(train):
        raise ValueError(f"{folder} holds no examples to train on; prepare more text")
    return train, load_tokenizer(prepared_folder(folder))


def open_examples(folder: str | Path, split: Literal["train", "heldout"] = "train", verify: bool = True) -> Examples:
    """Open one split of a prepared folder, or of one behind a URL, checking every shard against the manifest."""
    place = prepared_folder(folder)
    manifest = read_manifest(place)
    try:
        return Examples(place, manifest, split, verify and not is_remote(folder))  # a copy was just checked
    except KeyError as error:
        raise ValueError(f"{place / 'manifest.json'} lacks {error}; {AGAIN}") from None


class Examples:
    """The examples of one split, in memory-mapped shards."""

    def __init__(self, folder: Path, manifest: dict[str, Any], split: str, verify: bool) -> None:
        self.seq_length: int = manifest["seq_length"]
        self.vocab_size: int = manifest["vocab_size"]
        self.tokenizer_hash: str = manifest["tokenizer_hash"]
        entries = manifest[split]
        self.tokens = [open_array(folder, entry, "tokens", verify) for entry in entries]
        shards = [open_array(folder, entry, "lengths", verify) for entry in entries]
        for entry, lengths in zip(entries, shards, strict=True):
            self.require_fit(shard_file(folder, entry["name"], "lengths"), lengths, entry["tokens"])
        smallest = np.min_scalar_type(self.seq_length)  # for millions of examples every byte counts
        self.lengths = np.concatenate([np.zeros(0, smallest), *(lengths.astype(smallest) for lengths in shards)])
        self.first = np.cumsum([0, *map(len, shards)])  # number of the first example of each shard, then of all
        self.block_starts = [starts_of_blocks(lengths) for lengths in shards]
        self.num_tokens = sum(entry["tokens"] for entry in entries)

    def require_fit(self, path: Path, lengths: np.ndarray, tokens: int) -> None:
        """Raise ValueError unless the lengths of a shard are those of its tokens."""
        if int(lengths.sum()) != tokens or int(lengths.max(initial=0)) > self.seq_length:
            raise ValueError(
                f"{path} adds up to {int(lengths.sum())} tokens, not the {tokens} of the manifest, or has an example "
                f"of more than {self.seq_length}; {AGAIN}"
            )

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return the ids of one example, a read-only view in the stored type."""
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        shard = int(np.searchsorted(self.first, index, side="right")) - 1
        block = (index - int(self.first[shard])) // BLOCK
        begun = int(self.first[shard]) + block * BLOCK
        start = int(self.block_starts[shard][block]) + int(self.lengths[begun:index].sum())
        return self.tokens[shard][start : start + int(self.lengths[index])]

    def first_tokens(self, count: int) -> np.ndarray:
        """Return the first ids of the split, at most `count`."""
        first: list[np.ndarray] = []
        for shard in self.tokens:
            first.append(shard[: count - sum(map(len, first))])
        return np.concatenate(first)


def starts_of_blocks(lengths: np.ndarray) -> np.ndarray:
    """Return where every BLOCKth example of a shard starts among its tokens."""
    sums = np.add.reduceat(lengths, np.arange(0, len(lengths), BLOCK), dtype=np.int64) if len(lengths) else lengths
    return np.cumsum(sums) - sums


def open_array(folder: Path, entry: dict[str, Any], kind: str, verify: bool) -> np.ndarray:
    """Memory-map one file of a shard; ValueError if it is missing or altered."""
    path = shard_file(folder, entry["name"], kind)
    expected = entry["tokens" if kind == "tokens" else "examples"]
    if not path.is_file():
        raise ValueError(f"{path} is missing; {AGAIN}")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is cut short or altered ({error}); {AGAIN}") from None
    if array.shape != (expected,):
        raise ValueError(f"{path} has shape {array.shape}, not ({expected},) as in the manifest; {AGAIN}")
    if verify and (found := sha256(path)) != entry[f"sha256_{kind}"]:
        raise ValueError(f"{path} was altered: its sha256 is {found}, expected {entry[f'sha256_{kind}']}; {AGAIN}")
    return np.asarray(array)
