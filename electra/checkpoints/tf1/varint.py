"""Numbers in groups of seven bits, as protocol buffers, sorted-string tables and Snappy write them."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, lowest group first, and where the next one begins."""
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
