"""Documents, as lists of lines: grouped from the lines of a text, or one per record."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import IO

from electra.config import PrepareConfig
from electra.text.decoding import zero_byte
from electra.text.records import Record, require_column
from electra.text.sources import File

NOT_TEXT = re.compile("[\0\ud800-\udfff]")
LONGEST_LINE = 1 << 16  # characters; longer lines come in pieces
LARGEST_DOCUMENT = 8 << 20  # characters; a larger one is split
Document = list[str]
Piece = tuple[str, bool]  # a line or a part of one, and whether it ends the line


def group(pieces: Iterable[Piece], boundary: str) -> Iterator[Document]:
    """Group lines into documents that end at a blank line, at each line, or with the file."""
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


def line_pieces(file: IO[str]) -> Iterator[Piece]:
    """Yield lines; those longer than LONGEST_LINE come in pieces, cut at white space if there is any."""
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


def text_pieces(file: IO[str], path: File, errors: str) -> Iterator[Piece]:
    """Yield the pieces of a text file; a zero byte is replaced, or an error unless `errors` is "replace"."""
    for piece, ends in line_pieces(file):
        if "\0" not in piece:
            yield piece, ends
        elif errors == "replace":
            yield piece.replace("\0", "\ufffd"), ends
        else:
            raise ValueError(
                f"{path} looks binary: a zero byte at byte {zero_byte(path)}. Leave the file out, set its --encoding "
                "(utf-16 has such bytes), or use --errors replace"
            )


def record_documents(records: Iterable[Record], config: PrepareConfig) -> Iterator[Document]:
    """Yield a document for each record, from its text column; an empty cell (None) has no text."""
    for where, fields in records:
        if config.text_column not in fields:
            require_column(config.text_column, fields, where)
        text = fields[config.text_column]
        if text is None:
            continue
        if not isinstance(text, str):
            raise ValueError(f"{where}: the text is a {type(text).__name__}; choose another --text-column")
        if bad := NOT_TEXT.search(text):
            if config.errors == "strict":
                raise ValueError(
                    f"{where}: U+{ord(bad[0]):04X} is not text; fix it, or use --errors replace to put U+FFFD"
                )
            text = NOT_TEXT.sub("\ufffd", text)
        yield from group(line_pieces(io.StringIO(text, newline=None)), "file")
