"""Read TensorFlow checkpoints without TensorFlow: a tensor bundle is an index file and one data file for each shard.

The index is a sorted-string table (LevelDB's). Its last 48 bytes point to a block that lists the other blocks, which
hold keys and values with a checksum each. A value locates a tensor's bytes (BundleEntryProto).
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = 0xDB4775248B80FB57
FOOTER = 48
DTYPES = {1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 6: np.int8, 9: np.int64, 10: np.bool_, 19: np.float16}
Array = NDArray[Any]


class Entry(NamedTuple):
    """The place of one tensor."""

    shape: tuple[int, ...]
    dtype: int  # TensorFlow's number
    shard: int
    offset: int
    size: int  # bytes
    checksum: int


class TensorBundle:
    """A checkpoint by its prefix: PREFIX.index and PREFIX.data-00000-of-00001 ...

    Raises:
        ValueError: it is missing, truncated or altered, or has content that only TensorFlow can read.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.index = prefix.with_name(prefix.name + ".index")
        if not self.index.is_file():
            raise ValueError(f"{self.index}: no such file; name a TensorFlow checkpoint by its prefix, as model.ckpt")
        library("google_crc32c")
        not_snappy = library("cramjam").DecompressionError
        try:
            values = dict(read_table(self.index.read_bytes()))
            header = fields(values.pop(b""))
            self.num_shards = last(header, 1)
            self.entries = {key.decode(): read_entry(value) for key, value in sorted(values.items())}
        except (IndexError, KeyError, struct.error, UnicodeDecodeError, ValueError, not_snappy) as error:
            raise ValueError(
                f"{self.index} is not a TensorFlow index, or was cut short or altered ({error}); copy it again"
            ) from None
        if last(header, 2):
            raise ValueError(f"{self.index} was written big-endian; save it again on a little-endian machine")

    def read(self, name: str) -> Array:
        """Read one tensor and verify its checksum."""
        entry = self.entries[name]
        if entry.dtype not in DTYPES:
            raise ValueError(f"{self.index}: {name} has TensorFlow's type {entry.dtype}, which is not supported")
        shard = self.prefix.with_name(f"{self.prefix.name}.data-{entry.shard:05d}-of-{self.num_shards:05d}")
        if not shard.is_file():
            raise ValueError(
                f"{shard}: no such file; the checkpoint has {self.num_shards} of them beside its index; copy all"
            )
        with open(shard, "rb") as file:
            file.seek(entry.offset)
            raw = file.read(entry.size)
        dtype = np.dtype(DTYPES[entry.dtype])
        if len(raw) != entry.size or entry.size != dtype.itemsize * int(np.prod(entry.shape)):
            raise ValueError(f"{shard} was cut short: {name} is not whole; copy it again")
        if checksum_of(raw) != entry.checksum:
            raise ValueError(f"{shard} was altered: the checksum of {name} does not fit; copy it again")
        return np.frombuffer(raw, dtype).reshape(entry.shape).copy()


def read_entry(value: bytes) -> Entry:
    """Read a BundleEntryProto."""
    found = fields(value)
    if 7 in found:
        raise ValueError("it holds sliced tensors; save it again without partitioned variables")
    dims = [last(fields(dim), 1) for dim in fields(last(found, 2, b"")).get(2, [])]
    return Entry(tuple(dims), last(found, 1), last(found, 3), last(found, 4), last(found, 5), last(found, 6))


# -- the table ---------------------------------------------------------------------------------------------------------


def read_table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over the keys and values of a sorted-string table."""
    footer = data[-FOOTER:]
    if struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise ValueError("it has no table footer")
    _, place = handle(footer, 0)  # of the metaindex, which is unused
    where, _ = handle(footer, place)
    for _, value in read_block(data, where):
        yield from read_block(data, handle(value, 0)[0])


def handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return a block's offset and size, and where the next handle begins."""
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def read_block(data: bytes, place: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over the entries of one block, in which a key omits the bytes it shares with the previous one."""
    offset, size = place
    block, kind = data[offset : offset + size], data[offset + size]
    (checksum,) = struct.unpack_from("<I", data, offset + size + 1)
    if checksum_of(block + bytes([kind])) != checksum:
        raise ValueError("a checksum does not fit")
    if kind > 1:
        raise ValueError(f"unknown compression {kind}")
    block = bytes(library("cramjam").snappy.decompress_raw(block)) if kind else block
    (restarts,) = struct.unpack("<I", block[-4:])
    at, end, key = 0, len(block) - 4 * (restarts + 1), b""
    while at < end:
        shared, at = varint(block, at)
        new, at = varint(block, at)
        length, at = varint(block, at)
        key = key[:shared] + block[at : at + new]
        yield key, block[at + new : at + new + length]
        at += new + length


# -- protocol buffers --------------------------------------------------------------------------------------------------


def fields(data: bytes) -> dict[int, list[Any]]:
    """Return the fields of a message by number, each with all its values."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        value: Any
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        elif kind == 5:
            (value,), at = struct.unpack_from("<I", data, at), at + 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        found.setdefault(number, []).append(value)
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, lowest group first, and where the next one begins."""
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def last(found: dict[int, list[Any]], number: int, default: Any = 0) -> Any:
    """Return the last value of a field; protocol buffers omit zeros."""
    return found.get(number, [default])[-1]


# -- libraries ---------------------------------------------------------------------------------------------------------


def checksum_of(data: bytes) -> int:
    """Return the CRC-32C of bytes as TensorFlow stores it: rotated, plus a constant."""
    checksum = library("google_crc32c").value(data)
    return int(((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def library(name: str) -> Any:
    """Import a library that only TensorFlow's format needs."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ValueError(f"reading a TensorFlow checkpoint needs {name}: pip install 'electra[tensorflow]'") from None
