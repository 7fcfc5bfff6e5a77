"""Rows of JSON lines, tables, Parquet files and data sets: what each holds by column, with its number from 1 on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

Row = tuple[int, dict[str, Any]]


def json_rows(lines: Iterable[str], path: Path) -> Iterator[Row]:
    """One object a line; blank lines are passed over."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # also a number of thousands of digits, or too deep a nest
            raise ValueError(f"{path}: line {number} is not JSON ({error}); each line is one object") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}: line {number} is not an object with named columns")
        yield number, row


def table_rows(file: IO[str], path: Path, delimiter: str, column: str) -> Iterator[Row]:
    """Rows under the names of the first line, whatever their width; `column` must be among them."""
    csv.field_size_limit(1 << 30)
    reader = csv.DictReader(file, delimiter=delimiter)
    try:
        require_column(column, list(reader.fieldnames or []), str(path))
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: {error}") from None


def parquet_rows(stream: Any, path: Path, column: str = "") -> Iterator[Row]:
    """Rows of a Parquet file, or one column of them; a thousand at a time are in memory."""
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ImportError:
        raise ValueError(f"reading {path} needs the pyarrow library: pip install electra[data]") from None
    try:
        file = pyarrow.parquet.ParquetFile(stream)
        if column:
            require_column(column, file.schema_arrow.names, str(path))
        batches = file.iter_batches(batch_size=1024, columns=[column] if column else None)
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), 1)
    except pyarrow.lib.ArrowException as error:
        raise ValueError(f"{path} is damaged or no Parquet file ({error})") from None


def data_set_rows(source: str) -> Iterator[Row]:
    """Rows of `hf:NAME`, `hf:NAME:CONFIG:SPLIT` or `hf:FOLDER`, streamed."""
    try:
        import datasets
    except ImportError:
        raise ValueError(f"reading {source} needs the datasets library: pip install electra[data]") from None
    name = source.removeprefix("hf:")
    if Path(name).is_dir() and any((Path(name) / f).is_file() for f in ("state.json", "dataset_dict.json")):
        data: Any = datasets.load_from_disk(name)
    else:
        name, config, split, *_ = [*name.split(":"), "", ""]
        data = datasets.load_dataset(name, config or None, split=split or None, streaming=True)
    if isinstance(data, dict):  # a data set of several splits
        data = data["train" if "train" in data else next(iter(data))]
    yield from enumerate(data, 1)


def column_of(rows: Iterable[Row], column: str, where: str) -> Iterator[tuple[int, Any]]:
    """What one column holds; ValueError names the first row that lacks it."""
    for number, row in rows:
        if column not in row:
            require_column(column, list(row), f"{where} {number}")
        yield number, row[column]


def require_column(column: str, found: list[str], where: str) -> None:
    """Raise ValueError unless a column exists."""
    if column not in found:
        near = get_close_matches(column, found, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{where} has no column {column!r} but {', '.join(map(repr, found))}{hint} (--text-column)")
