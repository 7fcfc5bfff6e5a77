"""Read data sets through the `datasets` library: those of a hub, by name, and those that it has saved in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from electra.text.records import Record


def is_data_set(path: Path) -> bool:
    """Return whether the `datasets` library saved this folder."""
    return any((path / name).exists() for name in ("dataset_dict.json", "dataset_info.json"))


def load_data_set(name: str, streaming: bool = False) -> Any:
    """Load NAME[:CONFIG[:SPLIT]] or a folder with the `datasets` library: one split, or a dictionary of them."""
    try:
        import datasets
    except ImportError:
        raise ValueError(f"reading {name} needs the datasets library: pip install 'electra[data]'") from None
    try:
        if any((Path(name) / file).is_file() for file in ("dataset_dict.json", "state.json")):
            return datasets.load_from_disk(name)
        place, config, split, *_ = [name, "", ""] if Path(name).exists() else [*name.split(":"), "", ""]
        return datasets.load_dataset(place, config or None, split=split or None, streaming=streaming)
    except ConnectionError:
        raise
    except Exception as error:  # the library raises many kinds
        raise ValueError(
            f"{name}: the datasets library cannot load it ({error}); check the name, or save it as .jsonl"
        ) from None


def stream_data_set(source: str) -> Iterator[Record]:
    """Return the rows of `hf:NAME[:CONFIG[:SPLIT]]` without loading all of them; the default is the training split."""
    data = load_data_set(source.removeprefix("hf:"), streaming=True)
    if isinstance(data, dict):
        data = data["train" if "train" in data else next(iter(data))]
    return data_set_rows(data, source)


def data_set_rows(rows: Iterable[dict[str, Any]], name: str) -> Iterator[Record]:
    """Yield the rows of a loaded split with class names instead of numbers; class -1 becomes None."""
    features = getattr(rows, "features", None) or {}
    classes = {key: feature for key, feature in features.items() if class_names(feature) is not None}
    for number, row in enumerate(rows, 1):
        named = {key: class_name(row[key], feature) for key, feature in classes.items()}
        yield Record(f"{name}, row {number}", row | named)


def class_names(feature: Any) -> Any:
    """Return the feature that names a column's classes, also in lists, or None."""
    inner = getattr(feature, "feature", feature[0] if isinstance(feature, list) else None)
    return next((each for each in (feature, inner) if hasattr(each, "int2str")), None)


def class_name(value: Any, feature: Any) -> Any:
    """Return the name of a class, or the names of a list of classes."""
    names = class_names(feature)
    if isinstance(value, list):
        return names.int2str(value)
    return None if value is None or value < 0 else names.int2str(value)
