"""A node's copy of prepared data behind a URL, checked by hash.

It lies in ELECTRA_CACHE, by default ~/.cache/electra, in a folder named after the content of the manifest.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from electra.core.errors import some_of
from electra.core.log import logger, tracked
from electra.core.storage import only_writer, read_object, require_space, sha256, write_atomically
from electra.text.remote import RemoteFile, remote_files

INDEX, PLAN = "manifest.json", "prepare.json"  # of prepared data, and of an unfinished preparation too
WAIT = 24 * 3600.0  # seconds that another process of the node may take to fetch
Hashes = Callable[[dict[str, Any]], dict[str, str]]  # from a manifest to the SHA-256 of each file that it names


def cache_folder(content: str = "data") -> Path:
    """Return the folder of all copies, or of other content."""
    chosen = os.environ.get("ELECTRA_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "electra")
    return Path(chosen).expanduser() / content


@functools.cache
def fetched(url: str, hashes: Hashes) -> Path:
    """Return the local copy of a folder of prepared data; fetch what is missing, or differs from its hash.

    Several processes share a copy: one fetches at a time, and a file takes its place whole.

    Raises:
        ValueError: there is no prepared data, or a file at the URL itself is damaged.
        OSError: the URL cannot be reached, or the disk is full.
    """
    files = {PurePosixPath(file.url).name: file for file in remote_files(url) if is_inside(file, url)}
    if INDEX not in files:
        problem = "is not finished" if PLAN in files else f"holds no prepared data ({INDEX})"
        raise ValueError(f"{url} {problem}; run `electra prepare SOURCES --out {url}`")
    with files[INDEX].open() as opened:
        index = opened.read()
    folder = cache_folder() / hashlib.sha256(index).hexdigest()[:16]
    with only_writer(folder, seconds=WAIT):
        with write_atomically(folder / INDEX) as copy:
            copy.write(index)
        expected = hashes(read_object(folder / INDEX))
        for name, file in files.items():  # the tokeniser
            if name != INDEX and not name.endswith(".npy"):
                fetch(file, folder / name)
    if any(not is_whole(folder / name, expected[name]) for name in expected):
        with only_writer(folder, seconds=WAIT):
            fetch_damaged(url, files, folder, expected)
    return folder


def is_inside(file: RemoteFile, url: str) -> bool:
    """Return whether a file lies in a folder itself, and not in one below."""
    return PurePosixPath(file.url).parent.name == PurePosixPath(url).name


def is_whole(path: Path, expected: str) -> bool:
    """Return whether a file is there and has its hash."""
    return path.is_file() and sha256(path) == expected


def fetch_damaged(url: str, files: dict[str, RemoteFile], folder: Path, expected: dict[str, str]) -> None:
    """Fetch the files that are missing or damaged, by now: another process may have fetched them."""
    wanted = [name for name in expected if not is_whole(folder / name, expected[name])]
    if lost := [name for name in wanted if name not in files]:
        raise ValueError(f"{url} lacks {some_of(lost)}; copy the whole folder there again")
    size = sum(files[name].size for name in wanted)
    require_space(folder, size)
    if wanted:
        logger.info(f"fetching {len(wanted):,} files ({size / 1e6:,.0f} MB) of {url} to {folder}")
    for name in tracked(wanted, len(wanted), "fetched"):
        fetch(files[name], folder / name)
        if not is_whole(folder / name, expected[name]):
            (folder / name).unlink()
            raise ValueError(f"{files[name]} is damaged: its sha256 is not that of the manifest; copy it there again")


def fetch(file: RemoteFile, path: Path) -> None:
    """Copy a remote file to its place, whole or not at all."""
    with file.open() as source, write_atomically(path) as copy:
        shutil.copyfileobj(source, copy, 1 << 22)
