"""Read records, one reader per format: JSON lines and lists, CSV, TSV, Parquet, CoNLL, M2."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

from electra.config.nearest import did_you_mean, nearest
from electra.text.decoding import decoded, naming_encoding
from electra.text.errors.m2 import tags_of
from electra.text.sources import File, file_format, open_bytes

CONLL = (".conll", ".conllu", ".conll2003", ".bio", ".iob", ".iob2", ".bioes", ".txt", ".tags")
LARGEST_FIELD = 1 << 30  # characters in a table cell
NEAR_COLUMN = 0.5  # similarity: a table has few columns, so even a distant name is a good guess


class Record(NamedTuple):
    """A row and its position: the file or data set, and its number, from 1."""

    where: str
    fields: dict[str, Any]


class Opened(NamedTuple):
    """An open file and how to read it."""

    path: File
    stream: Any  # of decompressed bytes
    encoding: str = "utf-8"
    errors: str = "strict"  # of decoding, as in `open`
    column: str = ""  # required in a table or Parquet file; the only one read from Parquet
    torn: Callable[[str], None] | None = None  # called with each row of the wrong width, which is then skipped

    def text(self) -> IO[str]:
        """Decode the file and keep its line ends."""
        return decoded(self.stream, self.encoding, self.errors, newline="")


def read_file(path: Path, torn: Callable[[str], None] | None = None) -> Iterator[Record]:
    """Yield the records of a file in UTF-8, plain or compressed; `torn` is called with each row of the wrong width."""
    kind = file_format(path)
    if kind not in READERS:
        raise ValueError(f"{path}: cannot read {kind or 'this'}; convert it to one of {', '.join(READERS)}")
    with open_bytes(path) as (_, stream), naming_encoding(path):
        yield from READERS[kind](Opened(path, stream, torn=torn))


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or compressed; ValueError if it is not UTF-8."""
    with open_bytes(path) as (_, stream), naming_encoding(path):
        yield from decoded(stream, newline="")


# -- JSON --------------------------------------------------------------------------------------------------------------


def json_lines(file: Opened) -> Iterator[Record]:
    """Yield one object per line, numbered by line; skip blank lines."""
    for number, line in enumerate(file.text(), 1):
        if not line.strip():
            continue
        where = f"{file.path}, row {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # also for a number of thousands of digits, or deep nesting
            raise ValueError(f"{where} is not JSON ({error}); each line must be one object") from None
        if not isinstance(row, dict):
            raise ValueError(f'{where} is not an object with named columns; each line must be like {{"text": ...}}')
        yield Record(where, row)


def json_objects(file: Opened) -> Iterator[Record]:
    """Yield the objects of a list, or of the list under `data`."""
    content = parse_json(file.text().read(), file.path)
    rows = content.get("data") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{file.path} is not a list of objects; write one object per line and name the file .jsonl")
    for number, row in enumerate(rows, 1):
        yield Record(f"{file.path}, row {number}", row)


def load_json(path: Path) -> Any:
    """Return the content of a JSON file, plain or compressed."""
    return parse_json("".join(read_lines(path)), path)


def parse_json(text: str, path: File) -> Any:
    """Return the content of a JSON text; ValueError names its file."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}); correct it, or fetch it again") from None


def json_list(cell: str) -> list[str] | None:
    """Return the items of a JSON list in a cell as strings, or None for any other content."""
    try:
        content = json.loads(cell) if cell.startswith("[") else None
    except (ValueError, RecursionError):
        return None
    return [str(item) for item in content] if isinstance(content, list) else None


# -- tables ------------------------------------------------------------------------------------------------------------


def table_rows(file: Opened) -> Iterator[Record]:
    """Yield the rows under a header. In .tsv quotation marks have no special meaning, as in GLUE's files."""
    csv.field_size_limit(LARGEST_FIELD)
    is_tsv, text = file_format(file.path) == ".tsv", file.text()
    rows = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE) if is_tsv else csv.reader(text, strict=True)
    try:
        yield from named_rows(file.path, rows, file.torn, file.column)
    except csv.Error as error:
        raise ValueError(
            f"{file.path}, row {rows.line_num}: {error}; "
            "a quotation mark is not closed or not doubled: correct it there"
        ) from None


def named_rows(path: File, rows: Any, torn: Callable[[str], None] | None, column: str = "") -> Iterator[Record]:
    """Yield rows under the names of the first.

    A row of the wrong width is an error, or is passed to `torn` and skipped. `column`, if any, must be in the header.
    """
    header = next(rows, None)
    if header is None:
        raise ValueError(f"{path} is empty; give it a line of column names and rows below")
    if column:
        require_column(column, header, str(path))
    for row in rows:
        where = f"{path}, row {rows.line_num}"
        if row and len(row) != len(header):
            message = f"{where} has {len(row)} columns, the header {len(header)}; fix the separators or quotes"
            if torn is None:
                raise ValueError(message)
            torn(message)
        elif row:
            yield Record(where, dict(zip(header, row, strict=True)))


def require_column(column: str, found: Iterable[str], where: str) -> None:
    """Raise ValueError unless a column exists."""
    names = list(found)
    if column not in names:
        hint = did_you_mean(nearest(column, names, NEAR_COLUMN))
        raise ValueError(f"{where} has no column {column!r}, only {', '.join(map(repr, names))}{hint} (--text-column)")


# -- Parquet, CoNLL, M2 ------------------------------------------------------------------------------------------------


def parquet_rows(file: Opened) -> Iterator[Record]:
    """Yield the rows of a Parquet file, a thousand at a time in memory."""
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ImportError:
        raise ValueError(f"reading {file.path} needs the pyarrow library: pip install 'electra[data]'") from None
    try:
        content = pyarrow.parquet.ParquetFile(file.stream)
        if file.column:
            require_column(file.column, content.schema_arrow.names, str(file.path))
        batches = content.iter_batches(batch_size=1024, columns=[file.column] if file.column else None)
        for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), 1):
            yield Record(f"{file.path}, row {number}", row)
    except pyarrow.lib.ArrowException as error:
        raise ValueError(f"{file.path} is damaged or not a Parquet file ({error}); fetch it again") from None


def conll_sentences(file: Opened) -> Iterator[Record]:
    """Yield sentences, separated by blank lines, from lines of `word ... tag`; in CoNLL-U, with universal tags."""
    tokens: list[str] = []
    tags: list[str] = []
    start = 1
    universal = file_format(file.path) == ".conllu"
    for number, line in enumerate(chain(file.text(), [""]), 1):
        columns = line.rstrip("\r\n").split("\t") if universal else line.split()
        if not line.strip() or columns[0] == "-DOCSTART-":
            if tokens:
                yield Record(f"{file.path}, row {start}", {"tokens": tokens, "tags": tags})
            tokens, tags, start = [], [], number + 1
        elif not (universal and (line[0] == "#" or not columns[0].isdecimal())):
            if len(columns) < (4 if universal else 2):
                raise ValueError(
                    f"{file.path}, row {number}: no tag beside {columns[0]!r}; each line must be a word and its tag; "
                    "plain text is for --task errors"
                )
            tokens.append(columns[1] if universal else columns[0])
            tags.append(columns[3] if universal else columns[-1])


def m2_sentences(file: Opened) -> Iterator[Record]:
    """Yield the sentences of an M2 file as words and tags."""
    words: list[str] = []
    edits: list[str] = []
    start = 1
    for number, line in enumerate(chain(file.text(), ["S"]), 1):
        kind, _, rest = line.strip().partition(" ")
        if kind == "S":
            if words:
                where = f"{file.path}, row {start}"
                try:
                    tags = tags_of(words, edits)
                except (ValueError, IndexError) as error:
                    raise ValueError(f"{where}: an edit cannot be read ({error}); write it as ERRANT does") from None
                yield Record(where, {"tokens": words, "tags": tags})
            words, edits, start = rest.split(), [], number
        elif kind == "A":
            edits.append(rest)
        elif kind:
            raise ValueError(
                f"{file.path}, row {number} is no line of M2: a sentence is a line S and its lines A; correct it"
            )


READERS: dict[str, Callable[[Opened], Iterator[Record]]] = {
    ".jsonl": json_lines,
    ".csv": table_rows,
    ".tsv": table_rows,
    ".parquet": parquet_rows,
    ".json": json_objects,
    ".m2": m2_sentences,
    **dict.fromkeys(CONLL, conll_sentences),
}
