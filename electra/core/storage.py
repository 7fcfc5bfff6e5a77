"""Files on disk: atomic writes, hashes, and locks that allow one writer per folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from torch import Tensor


@contextlib.contextmanager
def write_atomically(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file that replaces `path` when the block ends, and is deleted if the block raises."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        with contextlib.suppress(OSError):  # a disk that has become read-only refuses this too
            partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically."""
    with write_atomically(path, "w") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file atomically."""
    from safetensors.torch import save

    with write_atomically(path) as file:
        file.write(save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata))


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; ValueError if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; check the name") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder; name a file in it") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}); it was cut short or altered; copy it again") from None


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; ValueError if the content is of another type."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} does not hold a JSON object; it was altered: copy it again")
    return content


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def only_writer(folder: Path, seconds: float = 0.0, named: str = "") -> Iterator[None]:
    """Lock `folder` against a second writer; the operating system releases the lock when the process dies.

    named: what the error calls it.

    Raises:
        ValueError: another process still has it after `seconds`.
    """
    require_no_file(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=seconds)
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{named or folder} is in use by another process; wait for it or choose another folder"
        ) from None
    except OSError as error:
        raise explained(error, folder) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder`, which becomes it when the block ends; one that a killed process left is emptied.

    Raises:
        ValueError: `folder` is not empty, or another process writes it; nothing was written.
    """
    require_no_file(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; choose another --out")
    partial = folder.absolute().with_name(f".{folder.absolute().name}.partial")
    with only_writer(partial):
        try:
            for left in partial.iterdir():
                if left.name != ".lock":
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield partial
            (partial / ".lock").unlink()  # still held, and nobody looks for it in the new place
            if folder.is_dir():
                folder.rmdir()
            os.rename(partial, folder)
        except OSError as error:
            raise explained(error, folder) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def require_no_file(folder: Path) -> None:
    """Raise ValueError if a file has the name of a folder to write, or of one above it."""
    taken = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    if taken.exists() and not taken.is_dir():
        place = "" if taken == folder else f", so there can be no folder {folder}"
        raise ValueError(f"{taken} is a file{place}; choose another --out")


def require_place(file: Path) -> None:
    """Raise ValueError if `file` cannot be written, before the work whose result it will hold."""
    if file.is_dir():
        raise ValueError(f"{file} is a folder; name a file in it")
    if not file.parent.is_dir():
        raise ValueError(f"{file}: there is no folder {file.parent}; make it, or name another")


def sync_folder(folder: Path) -> None:
    """Flush the directory entries of `folder`, so that they survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_space(folder: Path, needed: int) -> None:
    """Raise ValueError if fewer than `needed` bytes are free on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ValueError(
            f"{folder}: {needed / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free; make room first"
        )


def explained(error: OSError, path: Path) -> OSError:
    """Return the error with the path and a remedy, for a disk that is full or read-only, and a folder that is gone."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OSError(
            error.errno,
            f"the disk is full; no partial file was left at {path}. Make room and run the same command again",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OSError(error.errno, f"cannot write to {path}; choose a folder you may write to")
    if error.errno == errno.ENOENT and not path.parent.is_dir():
        return OSError(error.errno, f"{path.parent} is gone; bring it back and run the same command again")
    return error
