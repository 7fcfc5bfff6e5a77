"""Find the train, dev and test splits of a folder or a data set, and read their records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from electra.text.data_sets import data_set_rows, is_data_set, load_data_set
from electra.text.records import READERS, Record, read_file
from electra.text.sources import file_format, nearest_name

DEV, TEST = ("dev", "validation", "valid", "val"), ("test", "testing")
SPLITS = {
    "train": ("train", "training"), "dev": DEV, "test": TEST,
    "dev_matched": ("dev_matched", "validation_matched", *DEV), "test_matched": ("test_matched", *TEST),
    "dev_mismatched": ("dev_mismatched", "validation_mismatched"),
}  # fmt: skip


def read_records(source: str, split: str, torn: Callable[[str], None] | None = None) -> Iterator[Record]:
    """Return the records of a file, of a split in a folder, or of a split of `hf:NAME[:CONFIG]`.

    A table row of the wrong width is skipped after a call of `torn` with a message; without `torn` it is an error.
    """
    path = split_file(source, split)
    return read_file(path, torn) if path else read_data_set(source.removeprefix("hf:"), split)


def split_file(source: str, split: str) -> Path | None:
    """Return the file of a split: a source that is a file, or the one in a folder; None for a data set.

    Raises:
        ValueError: there is no such source, or not one file of the split in the folder.
    """
    path = Path(source).expanduser()
    if source.startswith("hf:"):
        return None
    if not path.exists():
        raise ValueError(f"{source}: no such file or folder{nearest_name(path)}")
    if path.is_file():
        return path
    if is_data_set(path):
        return None
    files = data_files(path)
    found = files_of(files, split)
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{source}: {', '.join(p.name for p in found)} could each be {split}; give the file")
    there = ", ".join(p.name for p in files) or f"no file that ends in {', '.join(READERS)}"
    raise ValueError(
        f"{source} has no {split} split (a file named {' or '.join(names_of(split))}); it has {there}; name a file"
    )


def has_split(source: str, split: str) -> bool:
    """Return whether a folder or a data set has a split; a file has none."""
    path = Path(source).expanduser()
    if source.startswith("hf:") or is_data_set(path):
        data = load_data_set(source.removeprefix("hf:"))
        return isinstance(data, dict) and any(name in data for name in names_of(split))
    return path.is_dir() and bool(files_of(data_files(path), split))


def names_of(split: str) -> tuple[str, ...]:
    """Return the possible names of a split, likeliest first."""
    return SPLITS.get(split, (split,))


def data_files(folder: Path) -> list[Path]:
    """Return the readable files of a folder."""
    return sorted(p for p in folder.iterdir() if p.is_file() and file_format(p) in READERS)


def files_of(files: list[Path], split: str) -> list[Path]:
    """Return the files named after a split."""
    return [p for p in files if p.name.lower().split(".")[0] in names_of(split)]


def read_data_set(name: str, split: str) -> Iterator[Record]:
    """Return the rows of a split of NAME[:CONFIG] or of a saved data set."""
    data = load_data_set(name)
    if isinstance(data, dict):
        key = next((key for key in (split, *names_of(split)) if key in data), None)
        if key is None:
            raise ValueError(f"{name} has no {split} split; it has {', '.join(data)}: save one under that name")
        data = data[key]
    return data_set_rows(data, f"{name} ({split})")
