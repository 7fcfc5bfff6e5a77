"""Files behind a URL (s3://, gs://, hf://, memory:// ...), by the fsspec library."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

# Packages whose errors say that a URL could not be reached.
LIBRARIES = {
    "aiobotocore", "aiohttp", "botocore", "fsspec", "gcsfs", "google", "httpcore", "httpx", "httpx2", "huggingface_hub",
    "requests", "s3fs", "urllib3",
}  # fmt: skip
AT_ONCE = 256  # small files
EXTRAS = {"s3": "remote", "s3a": "remote", "hf": "hub"}  # that bring a protocol which fsspec itself does not


class RemoteFile(NamedTuple):
    """A file behind a URL; it has what is needed of a Path."""

    url: str
    size: int
    state: str  # changes with the content: a hash of what the store lists of the file

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.url).suffix

    @property
    def suffixes(self) -> list[str]:
        return PurePosixPath(self.url).suffixes

    def open(self) -> IO[bytes]:
        """Open the file for reading."""
        return open_remote(self.url)


def is_remote(name: object) -> bool:
    """Return whether a name is a URL."""
    return "://" in str(name)


def remote_files(url: str) -> list[RemoteFile]:
    """Return the file of a URL, or all in its folder or matching its glob, sorted; ValueError if there is none."""
    with reaching(url):
        fs, path = file_system(url)
        if any(character in url for character in "*?["):
            found = fs.glob(path, detail=True)
        else:
            found = fs.find(path, detail=True)  # of a file, the file
            if not found:
                fs.info(path)  # says why
        files = visible_files(fs, found)
    if not files:
        raise ValueError(f"{url}: no such file or folder; check the name, and the bucket's region or endpoint")
    return [*files.values()]


def files_below(url: str) -> dict[str, RemoteFile]:
    """Return the files in a folder and below, by their names in it; none if there is no folder, "" if it is a file."""
    with reaching(url):
        fs, path = file_system(url)
        fs.invalidate_cache()  # which knows nothing of what other processes write
        try:
            found = fs.find(path, detail=True)
        except FileNotFoundError:
            return {}
        return {name.removeprefix(path).strip("/"): file for name, file in visible_files(fs, found).items()}


def visible_files(fs: Any, found: dict[str, dict[str, Any]]) -> dict[str, RemoteFile]:
    """Return the files of a store's listing by their paths there, sorted, without hidden ones."""
    return {
        name: RemoteFile(fs.unstrip_protocol(name), int(info["size"] or 0), state_of(info))
        for name, info in sorted(found.items())
        if info["type"] == "file" and not PurePosixPath(name).name.startswith(".")
    }


def state_of(info: dict[str, Any]) -> str:
    """Return what the store lists of a file and changes with its content: its ETag, or when it was written."""
    names = ("ETag", "etag", "md5Hash", "blob_id", "mtime", "LastModified", "last_modified", "created")
    return "; ".join(str(info[name]) for name in names if info.get(name))


def open_remote(url: str) -> IO[bytes]:
    """Open a file behind a URL for reading."""
    with reaching(url):
        fs, path = file_system(url)
        file: IO[bytes] = fs.open(path, "rb")
        return file


def read_all(folder: str, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of small files below a URL, of which a store that can gives many at a time."""
    for first in range(0, len(names), AT_ONCE):
        with reaching(folder):
            fs, path = file_system(folder)
            part = names[first : first + AT_ONCE]
            paths = [f"{path.rstrip('/')}/{name}" for name in part]
            found = fs.cat(paths)
        yield from ((name, found[path]) for name, path in zip(part, paths, strict=True))


def put(path: Path, url: str) -> None:
    """Copy a local file to a URL; an object store shows it whole or not at all."""
    with reaching(url):
        fs, name = file_system(url)
        try:
            fs.put_file(str(path), name)
        except NotImplementedError:
            raise ValueError(f"{url}: this kind of place can only be read; choose another --out") from None
        except FileNotFoundError:
            raise ValueError(
                f"{url}: there is no such bucket or repository; create it first, or check the name"
            ) from None


def remove(urls: Sequence[str]) -> None:
    """Remove files, one by one; they may be gone already."""
    for url in urls:
        with reaching(url), contextlib.suppress(FileNotFoundError):
            fs, name = file_system(url)
            fs.rm_file(name)


def remove_folder(url: str) -> None:
    """Remove a folder and all in it."""
    with reaching(url):
        fs, name = file_system(url)
        fs.rm(name, recursive=True)


def how_to_install(protocol: str) -> str:
    """Return the command that installs the library of a protocol, as far as fsspec knows it."""
    if protocol in EXTRAS:
        return f"pip install 'electra[{EXTRAS[protocol]}]'"
    from fsspec.registry import known_implementations

    package = known_implementations.get(protocol, {}).get("class", "fsspec").partition(".")[0]
    return "install the one that is named here" if package == "fsspec" else f"pip install {package}"


def is_on_disk(url: str) -> bool:
    """Return whether a URL is that of a file or folder on this machine."""
    return url.startswith(("file://", "local://"))


def path_of(url: str) -> str:
    """Return the path of a URL in its file system."""
    return str(file_system(url)[1])


def is_below(url: str, folder: str) -> bool:
    """Return whether a URL is that of a file in a folder behind another, or below it."""
    (fs, path), (other, start) = file_system(url), file_system(folder)
    return fs == other and path.startswith(start.rstrip("/") + "/")


def protocols() -> Any:
    """Return the fsspec library; ValueError if it is not installed."""
    try:
        import fsspec
    except ImportError:
        raise ValueError("a URL needs the fsspec library: pip install 'electra[remote]'") from None
    return fsspec


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it; ValueError for one without a library."""
    protocol, _, name = url.partition("://")
    if not (protocol and name.strip("/")):
        raise ValueError(f"{url} names no file or folder; write s3://BUCKET/FOLDER or another URL, whole")
    fsspec = protocols()
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ValueError(f"{url} needs a library: {how_to_install(protocol)} ({error})") from None
    except TypeError as error:  # a setting is missing
        raise ValueError(f"{url}: {error}; fsspec takes settings from ~/.config/fsspec/conf.json") from None
    except ValueError as error:
        raise ValueError(f"{url}: {error}; write s3://, gs://, hf:// or another that fsspec knows") from None
    return fs, path


@contextlib.contextmanager
def reaching(url: str) -> Iterator[None]:
    """Convert the errors of a store and its network to a ValueError or an OSError that names the URL."""
    try:
        yield
    except FileNotFoundError as error:
        if error.__cause__ and is_of_network(error.__cause__):  # as of http
            raise unreachable(url, error.__cause__) from None
        raise ValueError(f"{url}: no such file or folder; check the name") from None
    except PermissionError as error:
        raise ValueError(
            f"{url}: access is denied ({error}); set the store's credentials, for S3 AWS_PROFILE"
        ) from None
    except Exception as error:
        if is_of_network(error):
            raise unreachable(url, error) from None
        raise


def unreachable(url: str, error: BaseException) -> OSError:
    """Return the error that says why a URL cannot be reached, and what to do."""
    why = f"{type(error).__name__}: {error}".rstrip(".")
    return OSError(errno.EIO, f"{url} cannot be reached ({why}); check the network and the store's credentials")


def is_of_network(error: BaseException) -> bool:
    """Return whether an error is of a store or its network, not of a file on disk."""
    return type(error).__module__.partition(".")[0] in LIBRARIES or isinstance(error, (ConnectionError, TimeoutError))
