"""Read the sources of a corpus (files, folders, standard input, data sets) as documents in bounded memory."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from electra.config import PrepareConfig
from electra.core.log import logger
from electra.data.documents import Document, group, line_pieces, record_documents, text_pieces
from electra.text.data_sets import stream_data_set
from electra.text.decoding import decoded, undecodable
from electra.text.documents import DocumentFormat, Unreadable, require_library
from electra.text.records import READERS, Opened
from electra.text.remote import RemoteFile, is_remote
from electra.text.sources import File, document_of, file_format, find_files, named_text, open_bytes

RECORDS = (".jsonl", ".csv", ".tsv", ".parquet")  # one document per record; any other format is text
MARKED_UP = (
    ".json", ".xml", ".md", ".rst", ".tex", ".fasta", ".fa", ".faa", ".fna", ".srt", ".vtt",
)  # fmt: skip
SAMPLES, SAMPLE_BYTES = 16, 1 << 16  # of a file, to detect changes; files up to 1 MiB are read in full


class Corpus:
    """The documents of all sources in order; can be iterated any number of times."""

    def __init__(self, config: PrepareConfig, stdin: Path | None = None) -> None:
        """Find the files. `stdin` is a file with a copy of standard input, required if "-" is a source."""
        check_encoding(config.encoding)
        self.config = config
        self.parts: list[str | File] = []
        self.named = set[File]()  # files that are sources themselves, not found in a folder
        self.skipped = dict[File, str]()  # documents found in a folder that cannot be read, and why
        for source in config.sources:
            self.parts += self.parts_of(source, stdin)
        self.bytes_read = 0

    def parts_of(self, source: str, stdin: Path | None) -> list[str | File]:
        """Return the files of a source outside the output folder, or its name if it is not a file."""
        if source == "python-docs" or (source.startswith("hf:") and not is_remote(source)):
            return [source]
        if source == "-":
            if stdin is None:
                raise ValueError("standard input cannot be read here; give a file")
            return [stdin]
        found = find_files(source, written=self.config.out)
        for path in found:
            if isinstance(path, Path) and (document := format_of(path)):  # a URL is not opened before it is read
                require_library(document)
        self.named |= {path for path in found if str(path) == source or path == Path(source).expanduser()}
        warn_of_markup(found)
        return [*found]

    def file_sizes(self) -> dict[str, int]:
        """Return the size on disk of every file, in bytes."""
        return {str(part): size_of(part) for part in self.parts if not isinstance(part, str)}

    def fingerprint(self) -> str:
        """Hash samples of every file, to detect changed text of the same size without reading all of it.

        Of a URL, what the store lists of it.
        """
        found = hashlib.sha256()
        for part in self.parts:
            if isinstance(part, RemoteFile):
                found.update(part.state.encode())
            if not isinstance(part, Path):
                continue
            size = size_of(part)
            with open(part, "rb") as file:
                for number in range(SAMPLES):
                    file.seek(max(0, size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                    found.update(file.read(SAMPLE_BYTES))
        return found.hexdigest()[:16]

    @functools.cached_property
    def total_bytes(self) -> int | None:
        """The final value of `bytes_read`; None if a source is not a file."""
        return None if any(isinstance(part, str) for part in self.parts) else sum(self.file_sizes().values())

    def __iter__(self) -> Iterator[Document]:
        self.bytes_read = 0
        for part in self.parts:
            if not isinstance(part, str):
                yield from self.read_file(part)
            elif part == "python-docs":
                from electra.data.python_docs import python_docs

                yield from python_docs()
            else:
                yield from record_documents(stream_data_set(part), self.config)

    def read_file(self, path: File) -> Iterator[Document]:
        """Yield the documents of one file and advance `bytes_read`."""
        before = self.bytes_read
        if (kind := format_of(path)) is not None:
            yield from self.read_document(path, kind)
            self.bytes_read = before + size_of(path)
            return
        with open_bytes(path) as (raw, stream):
            for document in file_documents(path, stream, self.config):
                if not raw.closed:
                    self.bytes_read = before + raw.tell()
                yield document
        self.bytes_read = before + size_of(path)

    def read_document(self, path: File, kind: DocumentFormat) -> Iterator[Document]:
        """Yield the text of an HTML page, a Word file or a PDF; skip one found in a folder that cannot be read."""
        try:
            text = named_text(path, kind)
        except Unreadable as error:
            if path in self.named:
                raise
            if path not in self.skipped:
                logger.warning(f"skipped: {error}")
            self.skipped[path] = str(error)
            return
        yield from group(line_pieces(io.StringIO(text, newline=None)), "file")


def size_of(file: File) -> int:
    """Return the size of a file in bytes."""
    return file.stat().st_size if isinstance(file, Path) else file.size


def format_of(path: File) -> DocumentFormat | None:
    """Return the format of a document, None for text and tables; ValueError if the file holds neither."""
    try:
        return document_of(path)
    except Unreadable as error:
        raise ValueError(f"{path} is {error}, or leave the file out") from None


def warn_of_markup(files: Iterable[File]) -> None:
    """Log which files hold more than text, as all of it is read."""
    marked_up = {kind: file for file in files if (kind := file_format(file)) in MARKED_UP}
    for kind, file in marked_up.items():
        advice = f"docs/reference/text.md names tools that extract from {kind}"
        if kind == ".json":
            advice = "save its objects as .jsonl, one a line, and their text alone is read"
        logger.warning(f"{file} is read as plain text, markup too; {advice}")


def check_encoding(encoding: str) -> None:
    """Raise ValueError for an encoding that Python does not know."""
    try:
        "".encode(encoding)  # also rejects a bytes codec, such as hex
    except LookupError:
        raise ValueError(
            f"unknown encoding {encoding!r}; examples are utf-8, latin-1, cp1252, utf-16, gb18030"
        ) from None


def file_documents(path: File, stream: Any, config: PrepareConfig) -> Iterator[Document]:
    """Yield the documents of an open file, by its format."""
    kind = file_format(path)
    try:
        if kind in RECORDS:
            file = Opened(path, stream, config.encoding, config.errors, config.text_column)
            yield from record_documents(READERS[kind](file), config)
        else:
            text = decoded(stream, config.encoding, config.errors)
            yield from group(text_pieces(text, path, config.errors), config.document)
    except UnicodeDecodeError:
        raise ValueError(undecodable(path, config.encoding)) from None
