"""The text of a file that may be read more than once, but need not fit into memory: its lines, or in pieces."""

from __future__ import annotations

import codecs
import contextlib
import io
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from electra.core.log import SILENT, logger
from electra.text.decoding import not_utf8
from electra.text.documents import HEAD, Unreadable, document_text, recognise
from electra.text.sources import file_format, nearest_name, open_bytes

IN_MEMORY = 1 << 24  # bytes of standard input or a pipe, of which more are kept in a temporary file
PIECE = 1 << 16  # bytes
MARK = b"\xef\xbb\xbf"  # of UTF-8, which a file may begin with


class Lines:
    """The lines of a stream in UTF-8, without their ends; each iteration reads it anew."""

    def __init__(self, name: str, stream: Any) -> None:
        self.name, self.stream = name, stream

    def __iter__(self) -> Iterator[str]:
        """Yield the lines; raise ValueError at the first that is not UTF-8."""
        self.stream.seek(0)
        position = 0
        for line in self.stream:
            try:
                text = line.removeprefix(MARK if position == 0 else b"").decode("utf-8")
            except UnicodeDecodeError as error:
                skipped = len(MARK) if position == 0 and line.startswith(MARK) else 0
                raise not_utf8(self.name, position + skipped + error.start) from None
            position += len(line)
            yield text.rstrip("\r\n")

    def pieces(self, keep_mark: bool = False) -> Iterator[str]:
        """Yield the text as it stands in pieces; raise ValueError at the first that is not UTF-8.

        keep_mark: yield the byte order mark that a file may begin with.
        """
        self.stream.seek(0)
        decoder, position = codecs.getincrementaldecoder("utf-8")(), 0
        while data := self.stream.read(PIECE):
            text = self.decoded(decoder, data, position)
            yield text if position or keep_mark else text.removeprefix("\ufeff")
            position += len(data)
        self.decoded(decoder, b"", position)  # the last character may be cut short

    def decoded(self, decoder: codecs.IncrementalDecoder, data: bytes, position: int) -> str:
        """Return the text of bytes that stand at a position."""
        position -= len(decoder.getstate()[0])
        try:
            return decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise not_utf8(self.name, position + error.start) from None


def read_text(name: str, keep_mark: bool = False) -> str:
    """Return the text of a file, plain or compressed, or a document; of standard input for "-".

    Raises:
        ValueError: there is no such file, it is not UTF-8, or holds no text.
    """
    with open_lines(name) as lines:
        return "".join(lines.pieces(keep_mark))


@contextlib.contextmanager
def open_lines(name: str) -> Iterator[Lines]:
    """Open a file, plain or compressed, or a document, or standard input for "-", which is read to its end.

    Raises:
        ValueError: there is no such file, or it holds no text.
    """
    with contextlib.ExitStack() as held:
        with naming_unreadable(name):
            stream, suffix = held.enter_context(readable(name)), "" if name == "-" else file_format(Path(name))
            head = stream.read(HEAD)
            stream.seek(0)
            document = recognise(head, stream, suffix)
            stream.seek(0)
            if document:
                stream = io.BytesIO(document_text(document, stream.read()).encode("utf-8"))
        yield Lines(name, stream)


@contextlib.contextmanager
def naming_unreadable(name: str) -> Iterator[None]:
    """Convert the errors of a file that is missing or holds no text to a ValueError that names it."""
    try:
        yield
    except Unreadable as error:
        raise ValueError(f"{name} is {error}") from None
    except IsADirectoryError:
        raise ValueError(f"{name} is a folder; name a file in it") from None
    except FileNotFoundError:
        raise ValueError(f"{name}: no such file{nearest_name(Path(name))}") from None


@contextlib.contextmanager
def readable(name: str) -> Iterator[IO[bytes]]:
    """Open the bytes of a file or of standard input so that they can be read again."""
    if name == "-" and sys.stdin.isatty():
        logger.info("reading from the terminal; end the text with Ctrl-D on a line of its own")
    with contextlib.ExitStack() as held:
        stream = sys.stdin.buffer if name == "-" else held.enter_context(open_bytes(Path(name)))[1]
        if name != "-" and stream.seekable():
            yield stream
            return
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as kept:
            with saying_why_it_waits(name):
                shutil.copyfileobj(stream, kept)
            kept.seek(0)
            yield kept


@contextlib.contextmanager
def saying_why_it_waits(name: str) -> Iterator[None]:
    """Log, once the block has taken SILENT seconds, that a stream is read to its end first: it may have none."""
    what = "standard input" if name == "-" else name
    timer = threading.Timer(SILENT, logger.info, [f"reading {what} to its end; the first answer comes after it"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
