"""Decompress Snappy, which blocks of TensorFlow's index files may use."""

from electra.checkpoints.tf1.varint import varint


def decompress(data: bytes) -> bytes:
    """Return the bytes that were compressed; ValueError where they were altered."""
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag, at = data[at], at + 1
        if tag & 3 == 0:
            length, at = literal_length(data, tag, at)
            out += data[at : at + length]
            at += length
        else:
            length, back, at = copy(data, tag, at)
            if not 0 < back <= len(out):
                raise ValueError("a compressed block was altered")
            for _ in range(length):  # a copy may overlap itself
                out.append(out[-back])
    if len(out) != size:
        raise ValueError("a compressed block was altered")
    return bytes(out)


def literal_length(data: bytes, tag: int, at: int) -> tuple[int, int]:
    """Return the length of a literal and where its bytes begin."""
    length, width = tag >> 2, max(0, (tag >> 2) - 59)
    return (int.from_bytes(data[at : at + width], "little") if width else length) + 1, at + width


def copy(data: bytes, tag: int, at: int) -> tuple[int, int, int]:
    """Return how many bytes to copy, from how far back, and where the next element begins."""
    if tag & 3 == 1:
        return (tag >> 2 & 7) + 4, tag >> 5 << 8 | data[at], at + 1
    width = 2 if tag & 3 == 2 else 4
    return (tag >> 2) + 1, int.from_bytes(data[at : at + width], "little"), at + width
