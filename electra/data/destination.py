"""Where prepared data is written: a local folder, or one behind a URL, whose files are made in a local one."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from electra.core.errors import some_of
from electra.core.storage import only_writer, require_space, sync_folder, write_json
from electra.data.cache import INDEX, PLAN, cache_folder
from electra.text.remote import (
    RemoteFile,
    files_below,
    is_on_disk,
    is_remote,
    path_of,
    put,
    read_all,
    remove,
    remove_folder,
)

PASSING = ("chunks", "parts")  # folders that only an unfinished preparation needs


class Destination:
    """A local folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # where files are made

    def __str__(self) -> str:
        return str(self.folder)

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Fill `folder` for the block with what an earlier call has left, except its shards."""
        yield

    def named(self, path: Path) -> str:
        """Return the name by which a user finds a file of `folder`."""
        return str(path)

    def has(self, path: Path) -> bool:
        """Return whether a shard of an earlier call is there."""
        return path.is_file()

    def foreign(self, own: Iterable[str]) -> list[str]:
        """Return the names of what else is there: all files and folders except `own` and hidden ones."""
        names = sorted(path.name for path in self.folder.iterdir())
        return [name for name in names if name not in own and name[0] != "."]

    def send(self, *paths: Path) -> None:
        """Send finished files of `folder` to where they belong, in this order."""

    def forget(self, *names: str) -> None:
        """Remove files, if they are there."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def refresh(self) -> None:
        """Fetch the plan and the tokeniser again: another machine may have written others."""

    def require_space(self, needed: int) -> None:
        """Raise ValueError if there is no room for `needed` bytes."""
        require_space(self.folder, needed)

    def finish(self, manifest: dict[str, Any], shards: set[str]) -> None:
        """Write the manifest, then remove all but the shards that it names."""
        sync_folder(self.folder)
        write_json(self.folder / INDEX, manifest)
        for path in (*self.folder.glob("*.npy"), *self.folder.glob(".*.partial")):
            if path.name not in shards:  # of an interrupted call, whose text has changed since
                path.unlink()
        for name in PASSING:
            shutil.rmtree(self.folder / name, ignore_errors=True)


class Bucket(Destination):
    """A folder behind a URL.

    A shard is sent when it is whole, and then its chunk's note, so a call on any machine goes on with what is there.
    `folder` is a local one of this call alone, which keeps no shard that was sent.
    """

    def __init__(self, url: str, part: str) -> None:
        self.url = url.rstrip("/")
        self.base = cache_folder("prepare") / hashlib.sha256(f"{self.url} {part}".encode()).hexdigest()[:16]
        super().__init__(self.base / "files")
        self.names = set[str]()  # of the files that an earlier call has sent

    def __str__(self) -> str:
        return self.url

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        with only_writer(self.base, named=self.url):
            shutil.rmtree(self.folder, ignore_errors=True)  # of a call that was killed
            self.folder.mkdir()
            try:
                there = self.listed()
                self.names = set(there)
                if PLAN in there:
                    self.copy(there)
                yield
            finally:
                shutil.rmtree(self.folder, ignore_errors=True)

    def refresh(self) -> None:
        self.copy(name for name in self.listed() if "/" not in name)

    def copy(self, there: Iterable[str]) -> None:
        """Copy files to `folder`, except shards and what lies in folders that are not ours."""
        small = [name for name in there if not name.endswith(".npy") and name.partition("/")[0] in (name, *PASSING)]
        for name, content in read_all(self.url, small):
            if ".." in PurePosixPath(name).parts:  # a store allows such a name
                raise ValueError(f"{self.url} has a file named {name}, which leads out of it; remove it")
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(content)

    def listed(self) -> dict[str, RemoteFile]:
        """Return all files that are there now, by their names in the folder."""
        there = files_below(self.url)
        if "" in there:
            raise ValueError(f"{self.url} is a file; choose another --out")
        return there

    def named(self, path: Path) -> str:
        return f"{self.url}/{self.name_of(path)}"

    def name_of(self, path: Path) -> str:
        """Return the name of a file of `folder` in it."""
        return path.relative_to(self.folder).as_posix()

    def has(self, path: Path) -> bool:
        return self.name_of(path) in self.names

    def foreign(self, own: Iterable[str]) -> list[str]:
        return sorted({name.partition("/")[0] for name in self.names} - {*own})

    def send(self, *paths: Path) -> None:
        for path in paths:
            put(path, self.named(path))
            if path.suffix == ".npy":
                path.unlink()

    def forget(self, *names: str) -> None:
        super().forget(*names)
        remove([f"{self.url}/{name}" for name in names if name in self.names])

    def require_space(self, needed: int) -> None:
        """Require nothing: few shards are here at a time."""

    def finish(self, manifest: dict[str, Any], shards: set[str]) -> None:
        there = self.listed()
        if lost := sorted(shards - there.keys()):
            raise ValueError(f"{self.url} lacks {some_of(lost)}; run the same command again")
        write_json(self.folder / INDEX, manifest)
        self.send(self.folder / INDEX)
        remove([f"{self.url}/{name}" for name in there if name.endswith(".npy") and name not in shards])
        for name in PASSING:
            if any(other.startswith(f"{name}/") for other in there):
                remove_folder(f"{self.url}/{name}")


def destination_of(out: str, part: str = "") -> Destination:
    """Return the destination that --out names."""
    if not is_remote(out):
        return Destination(Path(out))
    return Destination(Path(path_of(out))) if is_on_disk(out) else Bucket(out, part)
