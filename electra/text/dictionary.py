"""The words of the training text with their frequency, for a spell checker: a file beside the model. No torch.

`dictionary.txt.xz` is UTF-8 text, compressed. Below the heading each line is a power of two and the words that occur at
least so often and less than twice as often, in alphabetical order; the most frequent words come first.
"""

from __future__ import annotations

import lzma
import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from electra.core.storage import write_atomically
from electra.text.errors.language import Language, find_language
from electra.text.pieces import is_mark

FILE = "dictionary.txt.xz"
HEADING = "electra dictionary 1"
LARGEST = 2_000_000  # bytes of the file
MOST = 200_000  # words
LEVELS = 64  # powers of two
UNPACKED = 32_000_000  # bytes of its text: MOST words of LONGEST letters
MEMORY = 100_000_000  # bytes that unpacking may take
LEAST = 3  # occurrences; a rarer word may be a typing error itself
LONGEST = 40  # letters
SMALL = 0.25  # share of small letters from which a word is no name: headings and names have Beach and Dictionary
COMMONEST = 200  # words, which are half of a text; among them are the articles and prepositions of most languages
REMEMBERED = 10_000  # words looked for among their neighbours; a text has its unknown words more than once
EDIT = 5  # powers of two of the frequency that outweigh an edit
# A word is doubtful that occurs at most 15 times, where another one letter away occurs 512 times as often.
RARE, FAR_COMMONER, SHORTEST = 3, 9, 4  # powers of two, and letters
BETWEEN = str.maketrans(dict.fromkeys("'’-–—/", " "))
AROUND = string.punctuation + "“”„‘’«»…"  # signs that are no part of a word
# Thai, Lao, Burmese, Khmer, Japanese and Chinese put no spaces between words.
WITHOUT_SPACES = (("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"), ("\u3040", "\u30ff"),
                  ("\u3400", "\u9fff"))  # fmt: skip


class Near(NamedTuple):
    """A word and the edits that make it from another one."""

    word: str
    edits: int


class Dictionary:
    """Words with the logarithm of their number, to base 2, in the commonest capitals of each."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        self.words = tuple(levels)
        self.lower = [word.lower() for word in self.words]
        self.commonest = frozenset(self.lower[:COMMONEST])
        self.levels = dict(zip(self.lower, levels.values(), strict=True))
        self.lengths = np.array([len(word) for word in self.lower])
        self.letters = letter_sets(self.lower, self.lengths)
        self.level_beside = lru_cache(REMEMBERED)(self.find_level_beside)  # all words are compared with it

    def __contains__(self, word: object) -> bool:
        """Return whether a word is known: it occurred, and is no misspelling of the training text's own."""
        return isinstance(word, str) and word.lower() in self.levels and not self.is_doubtful(word)

    def is_doubtful(self, word: str) -> bool:
        """Return whether a word that occurred is so much rarer than another one letter away that it may be a slip."""
        level = self.levels[word.lower()]
        if level > RARE or len(word) < SHORTEST or not word.islower():  # names are rare and near to words
            return False
        return self.level_beside(word, 1) - level >= FAR_COMMONER

    @cached_property
    def language(self) -> Language:
        """The lists of the dictionary's language, empty ones if there are none for it."""
        english = find_language("english")
        few = (*english.articles, *english.prepositions[:8])
        return english if self.commonest.issuperset(few) else Language()

    def near(self, word: str, most: int) -> list[Near]:
        """Return at most `most` words within two edits, within one of a short word; likely ones first.

        An edit inserts, deletes or replaces a letter, or swaps two neighbours (optimal string alignment).
        """
        found = self.within(word, min(2, len(word) // 2))
        found.sort(key=lambda near: EDIT * near.edits - self.levels[near.word.lower()])
        return found[:most]

    def find_level_beside(self, word: str, limit: int) -> int:
        """Return the level of the most frequent other word within so many edits; 0 if there is none."""
        beside = self.within(word, min(limit, len(word) // 2))
        return max((self.levels[near.word.lower()] for near in beside if near.edits), default=0)

    def within(self, word: str, limit: int) -> list[Near]:
        """Return the words within so many edits."""
        from rapidfuzz.distance import OSA
        from rapidfuzz.process import extract

        if not limit:
            return []
        word = word.lower()
        # An edit changes at most two members of a word's set of letters: most words need no comparison.
        own = letter_sets([word], np.array([len(word)]))
        alike = np.bitwise_count(self.letters ^ own) <= 2 * limit
        places = np.flatnonzero(alike & (abs(self.lengths - len(word)) <= limit))
        there = {int(n): self.lower[n] for n in places}
        found = extract(word, there, scorer=OSA.distance, score_cutoff=limit, limit=None)
        return [Near(self.words[place], int(edits)) for _, edits, place in found]


def letter_sets(words: Sequence[str], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the set of each word's letters as 64 bits, [words]; letters may share one."""
    codes = np.frombuffer("".join(words).encode("utf-32-le"), np.uint32).astype(np.uint64)
    return np.bitwise_or.reduceat(np.uint64(1) << (codes & np.uint64(63)), np.cumsum(lengths) - lengths)


def edits(a: str, b: str) -> int:
    """Return the edits between two words, whatever their capitals."""
    from rapidfuzz.distance import OSA

    return int(OSA.distance(a.lower(), b.lower()))


# -- counting ----------------------------------------------------------------------------------------------------------


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Count the words of letters in texts, each in its commonest capitals, or in small letters if those are common."""
    chunks: Counter[str] = Counter()
    for text in texts:
        chunks.update(text.translate(BETWEEN).split())
    written: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for chunk, count in chunks.items():
        word = chunk.strip(AROUND)
        if is_word(word):
            written[word.lower()][word] += count
    return Counter({usual(word, there): there.total() for word, there in written.items()})


def usual(word: str, written: Counter[str]) -> str:
    """Return how a word is usually written within a sentence, from how often it is written in which capitals."""
    return word if written[word] >= SMALL * written.total() else written.most_common(1)[0][0]


def is_word(text: str) -> bool:
    """Return whether a text consists of letters, of a script that puts spaces between words."""
    return (
        0 < len(text) <= LONGEST
        and all(c.isalpha() or is_mark(c) for c in text)
        and not any(first <= c <= last for c in text for first, last in WITHOUT_SPACES)
    )


# -- the file ----------------------------------------------------------------------------------------------------------


def write_dictionary(folder: Path, counts: Counter[str]) -> None:
    """Write the most frequent words, at most MOST of them and LARGEST bytes; no file if there are none."""
    words = [(word, count) for word, count in counts.most_common(MOST) if count >= LEAST]
    content = lzma.compress(as_text(dict(words)).encode())
    while len(content) > LARGEST:
        words = words[: len(words) * LARGEST // len(content)]
        content = lzma.compress(as_text(dict(words)).encode())
    if words:
        with write_atomically(folder / FILE) as file:
            file.write(content)


def as_text(counts: Mapping[str, int]) -> str:
    """Return the content of the file."""
    levels: defaultdict[int, list[str]] = defaultdict(list)
    for word, count in counts.items():
        levels[count.bit_length() - 1].append(word)
    lines = (f"{level} {' '.join(sorted(words))}" for level, words in sorted(levels.items(), reverse=True))
    return "\n".join([HEADING, *lines, ""])


def copy_dictionary(source: Path, folder: Path) -> None:
    """Copy the dictionary of a model, if it has one."""
    if (source / FILE).is_file():
        with write_atomically(folder / FILE) as file:
            file.write((source / FILE).read_bytes())


def read_dictionary(folder: Path) -> Dictionary | None:
    """Return the dictionary of a model, None if it has none; ValueError if the file is damaged."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        heading, *lines = unpacked(path.read_bytes()).decode().removesuffix("\n").split("\n")
        if heading != HEADING:
            raise ValueError(heading)
        levels = {word: int(level) for level, *words in map(str.split, lines) for word in words}
    except (EOFError, ValueError, lzma.LZMAError):
        raise ValueError(f"{path} is not a dictionary of this version; remove it to go without") from None
    except OverflowError as error:
        raise ValueError(f"{path} {error}: it was made to fill the memory; remove it to go without") from None
    return Dictionary(levels)


def unpacked(data: bytes) -> bytes:
    """Return the content of a file; OverflowError if it holds more than `write_dictionary` writes."""
    unpacker = lzma.LZMADecompressor(memlimit=MEMORY)
    content = unpacker.decompress(data, UNPACKED)
    if not unpacker.eof and len(content) == UNPACKED:
        raise OverflowError(f"has more than {UNPACKED / 1e6:.0f} MB when unpacked")
    if not unpacker.eof:
        raise EOFError
    if content.count(b" ") > MOST + 2 or content.count(b"\n") > LEVELS + 1:  # two spaces are the heading's
        raise OverflowError(f"has more than {MOST:,} words")
    return content
