"""Write small TensorFlow checkpoints without TensorFlow: what tests read back."""

import struct
from pathlib import Path

import numpy as np

NUMBERS = {"float32": 1, "int32": 3, "int64": 9}


def write_bundle(prefix: Path, tensors: dict[str, np.ndarray], shards: int = 1, snappy: bool = False) -> None:
    """PREFIX.index and its data files, several entries a block, checksums by the definition."""
    data = [bytearray() for _ in range(shards)]
    entries = {b"": number(1, shards) + message(3, number(1, 1))}
    for place, (name, array) in enumerate(sorted(tensors.items())):
        shard, raw = place % shards, array.tobytes()
        shape = b"".join(message(2, number(1, size)) for size in array.shape)
        entries[name.encode()] = (
            number(1, NUMBERS[array.dtype.name]) + message(2, shape) + number(3, shard)
            + number(4, len(data[shard])) + number(5, len(raw)) + b"\x35" + struct.pack("<I", masked(raw))
        )  # fmt: skip
        data[shard] += raw
    for shard, content in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    prefix.with_name(prefix.name + ".index").write_bytes(table(entries, snappy))


def table(entries: dict[bytes, bytes], snappy: bool) -> bytes:
    """A sorted-string table of blocks of five entries."""
    out, places, keys = bytearray(), {}, sorted(entries)
    for first in range(0, len(keys), 5):
        part = keys[first : first + 5]
        places[part[-1]] = add_block(out, block({key: entries[key] for key in part}), snappy)
    meta = add_block(out, block({}), snappy)
    footer = meta + add_block(out, block(places), snappy)
    return bytes(out) + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def block(entries: dict[bytes, bytes]) -> bytes:
    """Entries whose keys leave out what they share with the key before."""
    out, before = bytearray(), b""
    for key, value in entries.items():
        shared = next((i for i, (a, b) in enumerate(zip(key, before)) if a != b), min(len(key), len(before)))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return bytes(out) + struct.pack("<II", 0, 1)


def add_block(out: bytearray, content: bytes, snappy: bool) -> bytes:
    """Append a block with its checksum; returns its handle."""
    start = len(out)
    content = compressed(content) if snappy else content
    out += content + bytes([snappy]) + struct.pack("<I", masked(content + bytes([snappy])))
    return varint(start) + varint(len(content))


def compressed(content: bytes) -> bytes:
    """Snappy: literals, and a copy wherever four bytes come again within the last 60."""
    out, at = bytearray(varint(len(content))), 0
    while at < len(content):
        back = next((b for b in range(4, min(at, 60) + 1) if content[at : at + 4] == content[at - b : at - b + 4]), 0)
        if back and at + 4 <= len(content):
            out += [bytes([0b001, back]), bytes([3 << 2 | 2, back, 0]), bytes([3 << 2 | 3, back, 0, 0, 0])][at % 3]
            at += 4
        else:
            out += bytes([0, content[at]])
            at += 1
    return bytes(out)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value) if value else b""


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def masked(data: bytes) -> int:
    checksum = crc32c_by_the_definition(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c_by_the_definition(data: bytes) -> int:
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder = remainder >> 8 ^ TABLE[(remainder ^ byte) & 255]
    return remainder ^ 0xFFFFFFFF


def shifted(remainder: int) -> int:
    for _ in range(8):
        remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
    return remainder


TABLE = [shifted(byte) for byte in range(256)]
