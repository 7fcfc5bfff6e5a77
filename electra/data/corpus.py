"""Text files, tables and data sets -> documents: lists of lines, streamed in bounded memory."""

from __future__ import annotations

import codecs
import functools
import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from electra.config import PrepareConfig
from electra.data.documents import NOT_TEXT, Document
from electra.text.records import Row, column_of, data_set_rows, json_rows, parquet_rows, table_rows
from electra.text.sources import file_format, find_files, open_bytes

LONGEST_LINE = 1 << 16  # characters; longer lines come in pieces
LARGEST_DOCUMENT = 8 << 20  # characters; a larger one goes on as another document
SAMPLES, SAMPLE_BYTES = 16, 1 << 16  # of a file, that tell whether it was changed: all of it up to 1 MiB


class Corpus:
    """The documents of all sources, one after the other; iterate as often as you like."""

    def __init__(self, config: PrepareConfig, stdin: Path | None = None) -> None:
        """Find the files. `stdin` is where a copy of standard input will lie when '-' is a source."""
        self.config = config
        self.parts: list[str | Path] = []
        for source in config.sources:
            if source == "python-docs" or source.startswith("hf:"):
                self.parts.append(source)
            elif source == "-":
                if stdin is None:
                    raise ValueError("standard input cannot be read here; give a file")
                self.parts.append(stdin)
            else:
                self.parts += [
                    file for file in find_files(source) if Path(config.out).resolve() not in file.resolve().parents
                ]
        self.bytes_read = 0
        check_encoding(config.encoding)

    def file_sizes(self) -> dict[str, int]:
        """The size on disk of every file."""
        return {str(part): part.stat().st_size for part in self.parts if isinstance(part, Path)}

    def fingerprint(self) -> str:
        """A hash of samples of every file: changed text of the same size is found without reading all of it."""
        found = hashlib.sha256()
        for name, size in self.file_sizes().items():
            with open(name, "rb") as file:
                for number in range(SAMPLES):
                    file.seek(max(0, size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                    found.update(file.read(SAMPLE_BYTES))
        return found.hexdigest()[:16]

    @functools.cached_property
    def total_bytes(self) -> int | None:
        """What `bytes_read` will grow to; None where only the end will tell."""
        return sum(self.file_sizes().values()) if all(isinstance(part, Path) for part in self.parts) else None

    def __iter__(self) -> Iterator[Document]:
        self.bytes_read = 0
        for part in self.parts:
            if isinstance(part, Path):
                yield from self.read_file(part)
            elif part == "python-docs":
                from electra.data.python_docs import python_docs

                yield from python_docs()
            else:
                yield from record_documents(data_set_rows(part), part, self.config)

    def read_file(self, path: Path) -> Iterator[Document]:
        """The documents of one file, `bytes_read` moving along."""
        before = self.bytes_read
        with open_bytes(path) as (raw, stream):
            for document in file_documents(path, stream, self.config):
                self.bytes_read = before + (0 if raw.closed else raw.tell())
                yield document
        self.bytes_read = before + path.stat().st_size


def check_encoding(encoding: str) -> None:
    """Raise ValueError for an encoding Python does not know."""
    try:
        "".encode(encoding)  # a codec of bytes, such as hex, is refused here too
    except LookupError:
        raise ValueError(
            f"unknown encoding {encoding!r}; examples are utf-8, latin-1, cp1252, utf-16, gb18030"
        ) from None


def file_documents(path: Path, stream: Any, config: PrepareConfig) -> Iterator[Document]:
    """The documents of an open file, by its format."""
    kind = file_format(path)
    if kind == ".parquet":
        yield from record_documents(parquet_rows(stream, path, config.text_column), f"{path}: row", config)
        return
    # Python's utf-8-sig drops a byte order mark and is utf-8 otherwise.
    encoding = "utf-8-sig" if codecs.lookup(config.encoding).name == "utf-8" else config.encoding
    newline = "" if kind in (".csv", ".tsv") else None
    text = io.TextIOWrapper(stream, encoding, config.errors, newline)
    try:
        if kind == ".jsonl":
            yield from record_documents(json_rows(text, path), f"{path}: line", config)
        elif kind in (".csv", ".tsv"):
            rows = table_rows(text, path, "," if kind == ".csv" else "\t", config.text_column)
            yield from record_documents(rows, f"{path}: line", config)
        else:
            yield from group(text_pieces(text, path, config), config.document)
    except UnicodeDecodeError:
        raise ValueError(bad_bytes(path, encoding)) from None


# -- text --------------------------------------------------------------------------------------------------------------

Piece = tuple[str, bool]  # some text, and whether the line ends with it


def text_pieces(file: IO[str], path: Path, config: PrepareConfig) -> Iterator[Piece]:
    """Pieces of a text file without the bytes that no text has."""
    for piece, ends in line_pieces(file):
        if "\0" not in piece:
            yield piece, ends
        elif config.errors == "replace":
            yield piece.replace("\0", "\ufffd"), ends
        else:
            raise ValueError(
                f"{path} looks binary: a zero byte at byte {zero_byte(path)}. Leave the file out, name its --encoding "
                "(utf-16 has such bytes), or say --errors replace"
            )


def line_pieces(file: IO[str]) -> Iterator[Piece]:
    """Lines, those above LONGEST_LINE in pieces cut at white space where there is any."""
    held = ""
    while piece := file.readline(LONGEST_LINE):
        if piece[-1] == "\n":
            yield held + piece, True
            held = ""
            continue
        piece = held + piece
        held = ""
        if len(piece) >= LONGEST_LINE and not piece[-1].isspace():
            words = piece.rsplit(None, 1)
            held = words[1] if len(words) == 2 else ""
            piece = words[0] if held else piece
        yield piece, False
    if held:
        yield held, True


def group(pieces: Iterable[Piece], boundary: str) -> Iterator[Document]:
    """Gather lines into documents that end at a blank line, at each line, or with the file."""
    lines: Document = []
    size = 0
    within_line = False
    for piece, ends in pieces:
        text = piece.strip()
        if text:
            lines.append(text)
            size += len(text)
            full = size >= LARGEST_DOCUMENT or (ends and boundary == "line")
        else:
            full = (boundary == "blank-line" and not within_line) or (ends and boundary == "line")
        if full and lines:
            yield lines
            lines, size = [], 0
        within_line = not ends
    if lines:
        yield lines


def bad_bytes(path: Path, encoding: str) -> str:
    """Say where a file's bytes are not in its encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
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
                    f"{path}: byte {at} is not {encoding.removesuffix('-sig')} ({error.reason}). Name the file's "
                    "--encoding (latin-1, cp1252, gb18030 ...), or say --errors replace to put U+FFFD there"
                )
            if not data:
                return f"{path} is not {encoding}; name its --encoding, or say --errors replace"
            offset += len(data)


def zero_byte(path: Path) -> int:
    """Where the first zero byte of a file is."""
    offset = 0
    with open_bytes(path) as (_, stream):
        while data := stream.read(1 << 16):
            if b"\0" in data:
                return offset + int(data.index(b"\0"))
            offset += len(data)
    return offset


# -- records -----------------------------------------------------------------------------------------------------------


def record_documents(rows: Iterable[Row], where: str, config: PrepareConfig) -> Iterator[Document]:
    """One document a row, from its text column; None is no text."""
    for number, text in column_of(rows, config.text_column, where):
        if text is None:
            continue
        if not isinstance(text, str):
            raise ValueError(f"{where} {number}: the text is a {type(text).__name__}; name another --text-column")
        if bad := NOT_TEXT.search(text):
            if config.errors == "strict":
                raise ValueError(
                    f"{where} {number}: U+{ord(bad[0]):04X} is not text; mend it, or say --errors replace to put U+FFFD"
                )
            text = NOT_TEXT.sub("\ufffd", text)
        yield from group(line_pieces(io.StringIO(text, newline=None)), "file")
