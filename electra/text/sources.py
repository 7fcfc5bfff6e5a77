"""Which files a source means, and how they are opened: plain or compressed, with faults that name the file."""

from __future__ import annotations

import bz2
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
    """The files a path, folder or glob means, sorted; ValueError where there are none."""
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
    """A hint at the file the user may have meant."""
    folder = path.parent
    near = get_close_matches(path.name, [p.name for p in folder.iterdir()], n=1) if folder.is_dir() else []
    return f"; did you mean {folder / near[0]}?" if near else ""


def file_format(path: Path) -> str:
    """The suffix that says what is inside, whatever it is compressed with; a Parquet file is found by name too."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    last = suffixes[-1] if suffixes else ""
    return ".jsonl" if last == ".ndjson" else last


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[tuple[IO[bytes], Any]]:
    """Open a file: the bytes on disk (for its position) and the stream of decompressed bytes."""
    with naming_damage(path), open(path, "rb") as raw:
        yield raw, decompressed(raw, path.suffix.lower())


def decompressed(raw: IO[bytes], suffix: str) -> Any:
    """The decompressed stream of an open file."""
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=raw)
    if suffix == ".xz":
        return lzma.LZMAFile(raw)
    if suffix == ".bz2":
        return bz2.BZ2File(raw)
    if suffix == ".zst":
        return io.BufferedReader(ZstdReader(raw), 1 << 17)
    return raw


@contextlib.contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Turn the many ways in which a compressed file can be damaged into one that names it."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged or cut short ({error}); fetch or compress it again") from None
    except OSError as error:
        if error.errno is None:  # what bz2 says of damage
            raise ValueError(f"{path} is damaged ({error}); fetch or compress it again") from None
        raise


class ZstdReader(io.RawIOBase):
    """Decompress Zstandard frames, and notice when the last one is cut short (the library's reader does not)."""

    def __init__(self, raw: IO[bytes]) -> None:
        try:
            import zstandard
        except ImportError:
            raise ValueError("reading .zst needs the zstandard library: pip install electra[data]") from None
        self.error: Any = zstandard.ZstdError
        self.start_frame = zstandard.ZstdDecompressor().decompressobj
        self.frame: Any = None
        self.raw = raw
        self.unread = b""
        self.ready = memoryview(b"")

    def readable(self) -> bool:
        """Say that this is an input."""
        return True

    def readinto(self, target: Any) -> int:
        """Fill `target` as far as data is at hand; 0 at the end."""
        while not self.ready:
            data = self.unread or self.raw.read(1 << 14)
            if not data:
                if self.frame is not None:
                    raise EOFError("the last Zstandard frame has no end")
                return 0
            self.ready = memoryview(self.decompress(data))
        size = min(len(target), len(self.ready))
        target[:size] = self.ready[:size]
        self.ready = self.ready[size:]
        return size

    def decompress(self, data: bytes) -> bytes:
        """Feed compressed bytes to the current frame, starting one where there is none."""
        self.frame = self.frame or self.start_frame()
        try:
            result: bytes = self.frame.decompress(data)
        except self.error as error:
            raise EOFError(str(error)) from None
        self.unread = self.frame.unused_data if self.frame.eof else b""
        self.frame = None if self.frame.eof else self.frame
        return result


def read_text(name: str) -> str:
    """A file's text, or standard input's; ValueError where it is not UTF-8."""
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return raw.decode("utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 at byte {error.start}; convert it first") from None
    except (FileNotFoundError, IsADirectoryError):
        raise ValueError(f"{name}: no such file") from None
