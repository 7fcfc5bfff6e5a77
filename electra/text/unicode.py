"""Unicode that can be encoded, and lengths in UTF-16."""

from __future__ import annotations


def require_valid(text: str) -> str:
    """Return a text; raise ValueError if it holds half a surrogate pair, which UTF-8 cannot represent."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"the text holds half a surrogate pair at character {error.start}; remove it") from None
    return text


def utf16_length(text: str) -> int:
    """Return the length of a text in UTF-16 units, as Java, JavaScript and editors count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
