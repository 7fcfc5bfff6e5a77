"""Decode files, and say where one is not in its encoding."""

from __future__ import annotations

import codecs
import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from electra.text.sources import File, open_bytes


def decoded(stream: Any, encoding: str = "utf-8", errors: str = "strict", newline: str | None = None) -> IO[str]:
    """Decode a stream of bytes; in UTF-8 a byte order mark is dropped."""
    drops_mark = codecs.lookup(encoding).name == "utf-8"
    return io.TextIOWrapper(stream, "utf-8-sig" if drops_mark else encoding, errors, newline)


def not_utf8(name: object, position: int | None) -> ValueError:
    """Return the error for a file in another encoding, whose byte at a position, if it is known, is none of UTF-8."""
    place = "" if position is None else f" at byte {position}"
    return ValueError(f"{name} is not UTF-8{place}; save it as UTF-8 (iconv -f latin1 -t utf8)")


@contextlib.contextmanager
def naming_encoding(path: Path) -> Iterator[None]:
    """Convert the error of a file that is not UTF-8, whose decoder knows only the place in a block, to a ValueError."""
    try:
        yield
    except UnicodeDecodeError:
        fault = first_fault(path)
        raise not_utf8(path, fault and fault[0]) from None


def undecodable(path: File, encoding: str) -> str:
    """Describe the first bytes of a file that are not in its encoding, with their position and a remedy."""
    fault = first_fault(path, encoding)
    if fault is None:
        return f"{path} is not {encoding}; set its --encoding, or use --errors replace"
    position, reason = fault
    return (
        f"{path}: byte {position} is not {encoding} ({reason}). Set the file's --encoding (latin-1, cp1252, gb18030 "
        "...), or use --errors replace to put U+FFFD there"
    )


def first_fault(path: File, encoding: str = "utf-8") -> tuple[int, str] | None:
    """Return the position of the first byte that is not in a file's encoding, and why.

    None if there is none, or none is left to read: a pipe gives its bytes once.
    """
    decoder, offset = codecs.getincrementaldecoder(encoding)(), 0
    with open_bytes(path) as (_, stream):
        while True:
            data = stream.read(1 << 16)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                return offset - pending + error.start, error.reason
            if not data:
                return None
            offset += len(data)


def zero_byte(path: File) -> int:
    """Return the position of the first zero byte of a file."""
    offset = 0
    with open_bytes(path) as (_, stream):
        while data := stream.read(1 << 16):
            if b"\0" in data:
                return offset + int(data.index(b"\0"))
            offset += len(data)
    return offset
