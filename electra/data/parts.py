"""Parts of a preparation: each takes every n-th chunk and leaves a note, by which a later call puts them together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from electra.config.base import part_of
from electra.core.errors import some_of
from electra.core.storage import read_object, write_json
from electra.data.chunks import Chunk, missing_file, sidecar
from electra.data.destination import Destination
from electra.data.plan import differences

SHOWN = 8  # parts in a message
FOLDER, BEGUN, DONE = "parts", "begun.json", "part.json"


class Part(NamedTuple):
    """Every `total`-th chunk, from the `number`-th."""

    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"


def named_part(text: str) -> Part:
    """Return the part that --part names; ValueError unless it is i/n."""
    chosen = part_of(text)
    return Part(chosen.start, chosen.step)


def part_folder(folder: Path, part: Part) -> Path:
    """Return the folder of a part's lock and note."""
    return folder / FOLDER / f"{part.number}-of-{part.total}"


def begun(destination: Destination) -> list[Part]:
    """Return the parts that were begun in a folder, in order; ValueError names what else is there."""
    folder = destination.folder / FOLDER
    found = {path: re.fullmatch(r"(\d+)-of-(\d+)", path.name) for path in folder.glob("[!.]*")}
    parts = {path: Part(int(match[1]), int(match[2])) for path, match in found.items() if match and path.is_dir()}
    strays = sorted(repr(path.name) for path in found if path not in parts or parts[path].number >= parts[path].total)
    if strays:
        raise ValueError(
            f"{destination.named(folder)} holds {some_of(strays)}, which no call of `electra prepare` has written; "
            "move it elsewhere, or rename it back: the folder of a part is named as 0-of-4 is"
        )
    return sorted(parts.values())


def begin_part(destination: Destination, part: Part) -> None:
    """Make the folder of a part; ValueError if others were begun as parts of another number."""
    if other := next((there for there in begun(destination) if there.total != part.total), None):
        raise ValueError(
            f"{destination} holds part {other}, which cannot be put together with part {part}; give all the same "
            f"number of parts, or remove {destination.named(destination.folder / FOLDER)}"
        )
    mark = part_folder(destination.folder, part) / BEGUN
    mark.parent.mkdir(parents=True, exist_ok=True)
    write_json(mark, {"part": str(part)})
    destination.send(mark)


class Share:
    """The chunks of a part, while all are read: their number, and a hash of them all."""

    def __init__(self, chunks: Iterator[Chunk], part: Part) -> None:
        self.chunks, self.part = chunks, part
        self.hashes: list[str] = []

    @property
    def read(self) -> int:
        """The number of chunks read so far, those of other parts among them."""
        return len(self.hashes)

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self.chunks:
            self.hashes.append(chunk.hash)
            if chunk.index % self.part.total == self.part.number:
                yield chunk

    def write_note(self, destination: Destination, plan: dict[str, Any], tokenizer_hash: str) -> None:
        """Mark the part as done. All chunks must have been read."""
        note = {"part": str(self.part), "chunks": self.read, "text": hash_of_chunks(self.hashes)}
        note |= {"tokenizer_hash": tokenizer_hash, "plan": plan}
        path = part_folder(destination.folder, self.part) / DONE
        write_json(path, note)
        destination.send(path)


def hash_of_chunks(hashes: Iterable[str]) -> str:
    """Hash the text of all chunks, given the hash of each."""
    return hashlib.blake2b("".join(hashes).encode(), digest_size=16).hexdigest()


# -- putting parts together --------------------------------------------------------------------------------------------


def has_parts(folder: Path) -> bool:
    """Return whether a part was begun in a folder."""
    return (folder / FOLDER).is_dir()


def collect(destination: Destination, plan: dict[str, Any], tokenizer_hash: str) -> list[dict[str, Any]]:
    """Return the notes of all chunks, in order, of a folder in which every part is done.

    Raises:
        ValueError: a part is missing, or parts differ in their number, their settings, text or tokeniser.
    """
    parts = part_notes(destination)
    require_alike(destination, parts, plan, tokenizer_hash)
    first = next(iter(parts.values()))
    notes = [chunk_note(destination, index, len(parts)) for index in range(first["chunks"])]
    if hash_of_chunks(note["text"] for note in notes) != first["text"]:
        chunks = destination.named(destination.folder / "chunks")
        raise ValueError(f"{chunks} has chunks of other text than the parts have read; prepare them anew")
    return notes


def part_notes(destination: Destination) -> dict[Part, dict[str, Any]]:
    """Return the notes of all n parts; ValueError names those that are missing, or parts of another n."""
    there, folder = begun(destination), destination.named(destination.folder / FOLDER)
    counts = sorted({part.total for part in there})
    if len(counts) != 1:
        raise ValueError(
            f"{destination} holds parts of {' and of '.join(map(str, counts))}: {some_of(there, SHOWN)}; prepare all "
            f"as parts of {counts[-1]}, and remove the others from {folder}"
            if counts
            else f"{folder} is empty; prepare the parts first, or remove it"
        )
    every = [Part(index, counts[0]) for index in range(counts[0])]
    files = {part: part_folder(destination.folder, part) / DONE for part in every}
    if missing := [part for part in every if not files[part].is_file()]:
        are = "is" if len(missing) == 1 else "are"
        raise ValueError(
            f"{destination}: of {counts[0]} parts {some_of(missing, SHOWN)} {are} not finished; "
            f"run the same command with --part {missing[0]}, or copy the files of that part here"
        )
    return {part: read_object(file) for part, file in files.items()}


def require_alike(
    destination: Destination, parts: dict[Part, dict[str, Any]], plan: dict[str, Any], tokenizer_hash: str
) -> None:
    """Raise ValueError if a part has other settings, read other text, or has another tokeniser than the rest."""
    reference, first = next(iter(parts.items()))
    for part, note in parts.items():
        problem = differences(note["plan"], plan)
        if not problem and (note["text"], note["chunks"]) != (first["text"], first["chunks"]):
            problem = f"its text is not that of part {reference}, or was cut otherwise"
        if not problem and note["tokenizer_hash"] != tokenizer_hash:
            problem = f"its tokeniser was {note['tokenizer_hash'][:12]}, here it is {tokenizer_hash[:12]}"
        if problem:
            raise ValueError(
                f"{destination}: part {part} is of another preparation: {problem}. Prepare it again: "
                f"{again(destination, part)}"
            )


def chunk_note(destination: Destination, index: int, count: int) -> dict[str, Any]:
    """Return the note of a chunk; ValueError names its part if the note or a shard is missing."""
    path = sidecar(destination.folder, index)
    note = read_object(path) if path.is_file() else None
    lost = path if note is None else missing_file(destination, note)
    if note is None or lost:
        part = Part(index % count, count)
        name = destination.named(lost or path)
        raise ValueError(f"{name} is missing, of part {part}; copy it there, or {again(destination, part)}")
    return note


def again(destination: Destination, part: Part) -> str:
    """Return how to prepare a part again."""
    return (
        f"remove {destination.named(part_folder(destination.folder, part))} and run the same command with --part {part}"
    )
