"""Find the files of a source and open them, plain or compressed; errors name the file."""

from __future__ import annotations

import bz2
import contextlib
import glob
import gzip
import lzma
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from electra.config.nearest import did_you_mean, nearest
from electra.core.errors import some_of
from electra.core.log import logger
from electra.text.documents import HEAD, HTML_SUFFIXES, DocumentFormat, Unreadable, document_text, recognise
from electra.text.remote import RemoteFile, is_below, is_remote, reaching, remote_files

COMPRESSIONS = (".gz", ".xz", ".zst", ".bz2")
FORMATS = (".txt", ".jsonl", ".csv", ".tsv", ".parquet")  # in a folder, beside documents
NAMES = ", ".join((*FORMATS, ".html", ".docx", ".pdf"))
DOCUMENT_SUFFIXES = (*HTML_SUFFIXES, ".docx", ".pdf")
File = Path | RemoteFile
NEAR_NAME = 0.75  # similarity, as difflib measures it; less would be a guess


def find_files(source: str, written: str = "") -> Sequence[File]:
    """Return the files of a path, folder, glob or URL, sorted, without those in `written`; ValueError if none."""
    if is_remote(source):
        files = [file for file in remote_files(source) if not (is_remote(written) and is_below(file.url, written))]
        return files if len(files) == 1 else readable_urls(source, files)
    path = Path(source).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        return readable_files(path, None if is_remote(written) or not written else Path(written).resolve())
    if any(character in source for character in "*?["):
        matching = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
        if not matching:
            raise ValueError(f"{source}: no file matches; put the pattern in quotes, or name a folder")
        return matching
    raise ValueError(f"{source}: no such file or folder{nearest_name(path)}")


def readable_files(folder: Path, written: Path | None = None) -> list[Path]:
    """Return the files in a folder that hold text, sorted; warn of the others and say why they are skipped."""
    files, skipped = list[Path](), dict[str, list[str]]()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name[0] != "."):
        if written and written in path.resolve().parents:
            continue
        if reason := why_skipped(path):
            skipped.setdefault(reason, []).append(str(path.relative_to(folder)))
        else:
            files.append(path)
    warn_of_skipped(folder, files, skipped)
    return files


def readable_urls(folder: str, found: list[RemoteFile]) -> list[RemoteFile]:
    """Return the files behind a URL that hold text by their names; warn of the others. None is opened."""
    files, skipped = list[RemoteFile](), dict[str, list[str]]()
    for file in found:
        kind = file_format(file)
        if kind in FORMATS or kind in DOCUMENT_SUFFIXES:
            files.append(file)
        else:
            skipped.setdefault(f"ending in {kind}" if kind else "without an ending", []).append(file.name)
    warn_of_skipped(folder, files, skipped)
    return files


def warn_of_skipped(folder: Path | str, files: Sequence[File], skipped: dict[str, list[str]]) -> None:
    """Log which files of a folder are skipped and why; ValueError if no file is left."""
    reasons = [f"{some_of(names)} ({why})" for why, names in skipped.items()]
    if not files:
        found = f"; it has {'; '.join(reasons)}" if reasons else ""
        raise ValueError(f"{folder} holds no file that can be read: name one, or rename it to end in {NAMES}{found}")
    if reasons:
        logger.warning(f"{folder}: {sum(map(len, skipped.values()))} files are skipped: {'; '.join(reasons)}")


def why_skipped(path: Path) -> str:
    """Return why a file in a folder is not read, '' if it is."""
    try:
        if document_of(path) is not None:
            return ""
    except Unreadable as error:
        return str(error)
    kind = file_format(path)
    return "" if kind in FORMATS else f"ending in {kind}" if kind else "without an ending"


def document_of(path: File) -> DocumentFormat | None:
    """Return the format of a document, None for text and tables; raise Unreadable if the file holds no text."""
    with open_bytes(path) as (_, stream):
        head = stream.read(HEAD)
        stream.seek(0)
        return recognise(head, stream, file_format(path))


def named_text(path: File, document: DocumentFormat) -> str:
    """Return the text of a document; the error names the file."""
    with open_bytes(path) as (_, stream):
        try:
            return document_text(document, stream.read())
        except Unreadable as error:
            raise Unreadable(f"{path} is {error}, or leave the file out") from None


def nearest_name(path: Path) -> str:
    """Return a hint with the most similar file name, or without one."""
    folder = path.parent
    names = [p.name for p in folder.iterdir() if p.name != path.name] if folder.is_dir() else []
    near = nearest(path.name, names, NEAR_NAME)
    return did_you_mean(str(folder / near)) if near else "; check the name"


def file_format(path: File) -> str:
    """Return the suffix of the format, without that of the compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    last = suffixes[-1] if suffixes else ""
    return ".jsonl" if last == ".ndjson" else last


@contextlib.contextmanager
def open_bytes(path: File) -> Iterator[tuple[IO[bytes], Any]]:
    """Open a file; yield the file on disk (for its position) and the stream of decompressed bytes."""
    reached = reaching(path.url) if isinstance(path, RemoteFile) else contextlib.nullcontext()
    with reached, naming_damage(path), path.open() if isinstance(path, RemoteFile) else open(path, "rb") as raw:
        yield raw, decompressed(raw, path.suffix.lower())


def decompressed(raw: IO[bytes], suffix: str) -> Any:
    """Return the decompressed stream of an open file."""
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=raw)
    if suffix == ".xz":
        return lzma.LZMAFile(raw)
    if suffix == ".bz2":
        return bz2.BZ2File(raw)
    if suffix == ".zst":
        return open_zstd(raw)
    return raw


@contextlib.contextmanager
def naming_damage(path: File) -> Iterator[None]:
    """Convert the errors of a damaged compressed file to a ValueError that names it."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged or cut short ({error}); fetch or compress it again") from None
    except Exception as error:
        if type(error).__name__ == "ZstdError" or (isinstance(error, OSError) and error.errno is None):  # bz2's
            raise ValueError(f"{path} is damaged ({error}); fetch or compress it again") from None
        raise


def open_zstd(raw: IO[bytes]) -> Any:
    """Return the decompressed stream of Zstandard frames."""
    try:
        from backports.zstd import ZstdFile  # in the standard library from Python 3.14
    except ImportError:
        raise ValueError("reading .zst needs the backports.zstd library: pip install 'electra[data]'") from None
    return ZstdFile(raw)
