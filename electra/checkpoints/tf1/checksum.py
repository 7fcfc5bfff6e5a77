"""CRC-32C (Castagnoli), the checksum of TensorFlow's files, without a loop over every byte."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78  # Castagnoli's, reflected
ROWS = 4096  # lanes hashed in parallel


def byte_table() -> NDArray[np.uint32]:
    """Return the remainder that each byte leaves."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ POLYNOMIAL, table >> 1).astype(np.uint32)
    return table


TABLE = byte_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes, hashed in parallel lanes: byte by byte it would take a minute for a checkpoint.

    Leading zeros do not change a remainder of zero, so the front is padded. Remainders are linear, so two neighbouring
    lanes join as left * x^(8 * width) + right.
    """
    head = bytes(b ^ 255 for b in data[:4])  # the starting value of all ones
    data = head + data[4:]
    width = 1 << max(0, (len(data) // ROWS).bit_length())
    padded = np.zeros(-(-max(1, len(data)) // width) * width, np.uint8)
    padded[len(padded) - len(data) :] = np.frombuffer(data, np.uint8)
    remainders = np.zeros(len(padded) // width, np.uint32)
    for column in padded.reshape(-1, width).T:
        remainders = TABLE[(remainders ^ column) & 255] ^ remainders >> 8
    step = one_byte()
    for _ in range(width.bit_length() - 1):
        step = apply(step, step)
    while len(remainders) > 1:
        if len(remainders) % 2:
            remainders = np.concatenate([np.zeros(1, np.uint32), remainders])
        remainders = apply(step, remainders[0::2]) ^ remainders[1::2]
        step = apply(step, step)
    return int(remainders[0]) ^ 0xFFFFFFFF ^ (short_start(len(head)))


def one_byte() -> NDArray[np.uint32]:
    """Return what a zero byte makes of each of the 32 bits."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    return TABLE[bits & 255] ^ bits >> 8


def apply(step: NDArray[np.uint32], values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Multiply numbers by a matrix of bits: [32], [N] -> [N]."""
    is_set = values[:, None] >> np.arange(32, dtype=np.uint32) & 1
    return np.asarray(np.bitwise_xor.reduce(is_set * step, axis=1), np.uint32)


def short_start(length: int) -> int:
    """Return the rest of the starting value where there are fewer than four bytes."""
    return 0xFFFFFFFF >> 8 * length if length < 4 else 0


def masked(checksum: int) -> int:
    """Return a checksum in the form in which it is stored beside its bytes."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
