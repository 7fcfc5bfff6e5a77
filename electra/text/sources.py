"""Find the files of a source, open them, plain or compressed, and decode them; errors name the file."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import glob
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

COMPRESSIONS = (".gz", ".xz", ".zst", ".bz2")
FORMATS = (".txt", ".jsonl", ".csv", ".tsv", ".parquet")


def find_files(source: str) -> list[Path]:
    """Return the files of a path, folder or glob, sorted; ValueError if there are none."""
    path = Path(source).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and p.name[0] != "." and file_format(p) in FORMATS)
        if not files:
            raise ValueError(f"{source} holds no file that ends in {', '.join(FORMATS)} (or these with {COMPRESSIONS})")
        return files
    if any(character in source for character in "*?["):
        files = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
        if not files:
            raise ValueError(f"{source}: no file matches")
        return files
    raise ValueError(f"{source}: no such file or folder{nearest_name(path)}")


def nearest_name(path: Path) -> str:
    """Return a hint with the most similar file name, or an empty string."""
    folder = path.parent
    near = get_close_matches(path.name, [p.name for p in folder.iterdir()], n=1) if folder.is_dir() else []
    return f"; did you mean {folder / near[0]}?" if near else ""


def file_format(path: Path) -> str:
    """Return the suffix of the format, without that of the compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    last = suffixes[-1] if suffixes else ""
    return ".jsonl" if last == ".ndjson" else last


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[tuple[IO[bytes], Any]]:
    """Open a file; yield the file on disk (for its position) and the stream of decompressed bytes."""
    with naming_damage(path), open(path, "rb") as raw:
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
def naming_damage(path: Path) -> Iterator[None]:
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
        raise ValueError("reading .zst needs the backports.zstd library: pip install electra[data]") from None
    return ZstdFile(raw)


# -- decoding ----------------------------------------------------------------------------------------------------------


def decoded(stream: Any, encoding: str = "utf-8", errors: str = "strict", newline: str | None = None) -> IO[str]:
    """Decode a stream of bytes; in UTF-8 a byte order mark is dropped."""
    return io.TextIOWrapper(stream, with_signature(encoding), errors, newline)


def with_signature(encoding: str) -> str:
    """Return utf-8-sig for UTF-8, which drops a byte order mark."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def read_text(name: str) -> str:
    """Return the text of a file, plain or compressed, or of standard input for "-"; ValueError if it is not UTF-8."""
    try:
        if name == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        with open_bytes(Path(name)) as (_, stream):
            return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 at byte {error.start}; convert it first") from None
    except (FileNotFoundError, IsADirectoryError):
        raise ValueError(f"{name}: no such file") from None


def undecodable(path: Path, encoding: str) -> str:
    """Describe the first bytes of a file that are not in its encoding, with their position and a remedy."""
    decoder = codecs.getincrementaldecoder(with_signature(encoding))()
    offset = 0
    with open_bytes(path) as (_, stream):
        while True:
            data = stream.read(1 << 16)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                at = offset - pending + error.start
                return (
                    f"{path}: byte {at} is not {encoding} ({error.reason}). Set the file's "
                    "--encoding (latin-1, cp1252, gb18030 ...), or use --errors replace to put U+FFFD there"
                )
            if not data:
                return f"{path} is not {encoding}; set its --encoding, or use --errors replace"
            offset += len(data)


def zero_byte(path: Path) -> int:
    """Return the position of the first zero byte of a file."""
    offset = 0
    with open_bytes(path) as (_, stream):
        while data := stream.read(1 << 16):
            if b"\0" in data:
                return offset + int(data.index(b"\0"))
            offset += len(data)
    return offset
