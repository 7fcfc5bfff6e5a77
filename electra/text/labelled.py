"""Rows from files of people's own: tables, JSON lines, CoNLL, and data sets of the `datasets` library."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from electra.text.records import json_rows, parquet_rows
from electra.text.sources import COMPRESSIONS, file_format, nearest_name, open_bytes

DEV, TEST = ("dev", "validation", "valid", "val"), ("test", "testing")
SPLITS = {
    "train": ("train", "training"), "dev": DEV, "test": TEST,
    "dev_matched": ("dev_matched", "validation_matched", *DEV), "test_matched": ("test_matched", *TEST),
    "dev_mismatched": ("dev_mismatched", "validation_mismatched"),
}  # fmt: skip
CONLL = (".conll", ".conllu", ".conll2003", ".bio", ".iob", ".iob2", ".bioes", ".txt", ".tags")
FORMATS = (".jsonl", ".csv", ".tsv", ".parquet", ".json", *CONLL)


class Record(NamedTuple):
    """A row and where it stands."""

    where: str
    fields: dict[str, Any]


def read_records(source: str, split: str = "train", torn: Callable[[str], None] | None = None) -> Iterator[Record]:
    """The rows of a file, of a split in a folder, or of `hf:NAME[:CONFIG]`; `torn` hears of rows it may skip."""
    if source.startswith("hf:"):
        return read_dataset(source[3:], split)
    path = split_file(source, split)
    return read_dataset(source, split) if path.is_dir() else read_file(path, torn)


def split_file(source: str, split: str) -> Path:
    """The file a path means: itself, or in a folder the one named after the split."""
    path = Path(source).expanduser()
    if not path.exists():
        raise ValueError(f"{source}: no such file or folder{nearest_name(path)}")
    if path.is_file() or is_data_set(path):
        return path
    files = data_files(path)
    names, found = names_of(split), files_of(files, split)
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{source}: {', '.join(p.name for p in found)} could each be {split}; give the file")
    there = ", ".join(p.name for p in files) or f"no file that ends in {', '.join(FORMATS)}"
    raise ValueError(f"{source} has no {split} split (a file named {' or '.join(names)}); there is {there}")


def has_split(source: str, split: str) -> bool:
    """Whether a folder or a data set holds a split; a file is none."""
    path = Path(source).expanduser()
    if source.startswith("hf:") or is_data_set(path):
        data = load_data_set(source.removeprefix("hf:"))
        return isinstance(data, dict) and any(name in data for name in names_of(split))
    return path.is_dir() and bool(files_of(data_files(path), split))


def is_data_set(path: Path) -> bool:
    """Whether the `datasets` library has saved this folder."""
    return any((path / name).exists() for name in ("dataset_dict.json", "dataset_info.json"))


def names_of(split: str) -> tuple[str, ...]:
    """What a split may be called, the likeliest first."""
    return SPLITS.get(split, (split,))


def data_files(folder: Path) -> list[Path]:
    """The files of a folder that can be read."""
    return sorted(p for p in folder.iterdir() if p.is_file() and file_format(p) in FORMATS)


def files_of(files: list[Path], split: str) -> list[Path]:
    """Those that are named after a split."""
    return [p for p in files if p.name.lower().split(".")[0] in names_of(split)]


def read_file(path: Path, torn: Callable[[str], None] | None = None) -> Iterator[Record]:
    """The rows of one file, by its format."""
    kind = file_format(path)
    if kind == ".parquet":
        return read_parquet(path)
    if kind in (".csv", ".tsv"):
        return read_table(path, "\t" if kind == ".tsv" else ",", torn)
    if kind == ".jsonl":
        return read_json_lines(path)
    if kind == ".json":
        return read_json_list(path)
    if kind in CONLL:
        return read_conll(path)
    raise ValueError(f"{path}: cannot read {kind or 'this'}; convert it to one of {', '.join(FORMATS)}")


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, plain or compressed; ValueError where it is not UTF-8."""
    with open_bytes(path) as (_, stream), io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        try:
            yield from text
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8 ({error}); save it as UTF-8") from None


def read_text(path: Path) -> str:
    """The whole of a text file."""
    return "".join(read_lines(path))


def read_json_lines(path: Path) -> Iterator[Record]:
    """One object a line."""
    return (Record(f"{path}, row {number}", row) for number, row in json_rows(read_lines(path), path))


def read_json_list(path: Path) -> Iterator[Record]:
    """A list of objects, or one under `data`."""
    content = load_json(path)
    rows = content.get("data") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path} holds no list of objects; write one object a line and name the file .jsonl")
    return (Record(f"{path}, row {number}", row) for number, row in enumerate(rows, 1))


def load_json(path: Path) -> Any:
    """The content of a JSON file, plain or compressed."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}); it was cut short or altered") from None


def json_list(cell: str) -> list[str] | None:
    """The strings of a list written as JSON in a cell; None where it is no such list."""
    try:
        content = json.loads(cell) if cell.startswith("[") else None
    except json.JSONDecodeError:
        return None
    return [str(item) for item in content] if isinstance(content, list) else None


def read_table(path: Path, delimiter: str, torn: Callable[[str], None] | None) -> Iterator[Record]:
    """Rows under a header. In .tsv a quotation mark is a character like others, as in GLUE's files."""
    csv.field_size_limit(sys.maxsize)
    lines = read_lines(path)
    is_tsv = delimiter == "\t"
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if is_tsv else csv.reader(lines, strict=True)
    try:
        yield from named_rows(path, rows, torn)
    except csv.Error as error:
        raise ValueError(f"{path}, row {rows.line_num}: {error}; a quotation mark is open or not doubled") from None


def named_rows(path: Path, rows: Any, torn: Callable[[str], None] | None) -> Iterator[Record]:
    """Rows under the names of the first; one of another width is named, or told to `torn` and skipped."""
    header = next(rows, None)
    if header is None:
        raise ValueError(f"{path} is empty")
    for row in rows:
        where = f"{path}, row {rows.line_num}"
        if row and len(row) != len(header):
            message = f"{where} has {len(row)} columns, the header {len(header)}; mend the separators or quotes"
            if torn is None:
                raise ValueError(message)
            torn(message)
        elif row:
            yield Record(where, dict(zip(header, row, strict=True)))


def read_parquet(path: Path) -> Iterator[Record]:
    """The rows of a Parquet file."""
    if path.suffix.lower() in COMPRESSIONS:
        raise ValueError(f"{path}: Parquet is compressed inside; decompress the file first")
    return (Record(f"{path}, row {number}", row) for number, row in parquet_rows(path, path))


def read_conll(path: Path) -> Iterator[Record]:
    """Sentences as lines of `word ... tag`, a blank line between; CoNLL-U gives its universal parts of speech."""
    tokens: list[str] = []
    tags: list[str] = []
    start = 1
    universal = file_format(path) == ".conllu"
    for number, line in enumerate([*read_lines(path), ""], 1):
        columns = line.rstrip("\r\n").split("\t") if universal else line.split()
        if not line.strip() or columns[0] == "-DOCSTART-":
            if tokens:
                yield Record(f"{path}, row {start}", {"tokens": tokens, "tags": tags})
            tokens, tags, start = [], [], number + 1
        elif not (universal and (line[0] == "#" or not columns[0].isdecimal())):
            if len(columns) < (4 if universal else 2):
                raise ValueError(f"{path}, row {number}: no tag beside {columns[0]!r}; a line is a word and its tag")
            tokens.append(columns[1] if universal else columns[0])
            tags.append(columns[3] if universal else columns[-1])


def read_dataset(name: str, split: str) -> Iterator[Record]:
    """The rows of a data set of the `datasets` library, by name or saved on disk, with class numbers as names."""
    data = load_data_set(name)
    if isinstance(data, dict):
        key = next((key for key in (split, *names_of(split)) if key in data), None)
        if key is None:
            raise ValueError(f"{name} has no {split} split; it has {', '.join(data)}")
        data = data[key]
    return with_class_names(data, f"{name} ({split})")


def load_data_set(name: str) -> Any:
    """A data set of the `datasets` library, or a dictionary of its splits."""
    try:
        import datasets
    except ImportError:
        raise ValueError("data sets of the hub need the datasets library: pip install electra[data]") from None
    try:
        if Path(name).is_dir() and not any(Path(name).glob("*.parquet")):
            return datasets.load_from_disk(name)
        place, _, config = name.partition(":")
        return datasets.load_dataset(place, config or None)
    except Exception as error:  # the library raises many kinds
        raise ValueError(f"{name}: the datasets library cannot load it ({error})") from None


def with_class_names(rows: Iterable[dict[str, Any]], name: str) -> Iterator[Record]:
    """Rows whose class numbers are names again; a -1 is an unknown label."""
    features = getattr(rows, "features", {})
    for number, row in enumerate(rows, 1):
        yield Record(f"{name}, row {number}", {key: class_name(value, features[key]) for key, value in row.items()})


def class_name(value: Any, feature: Any) -> Any:
    """The name of a class, of each in a list, or the value itself."""
    inner = getattr(feature, "feature", feature[0] if isinstance(feature, list) else None)
    if isinstance(value, list) and inner is not None and hasattr(inner, "int2str"):
        return inner.int2str(value)
    if not hasattr(feature, "int2str"):
        return value
    return None if value is None or value < 0 else feature.int2str(value)
