"""Count what a tokeniser loses of a text: characters in unknown tokens, and words whose marks it strips."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from electra.text.normalisation import strips_accents
from electra.text.tokenizer import Tokenizer

MOST = 1 << 17  # words to remember
SHOWN = 50  # missing characters, and stripped words, that are kept of a chunk


class Losses:
    """Counts over lines that a tokeniser has read; blanks are no characters here."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.strips = strips_accents(tokenizer.backend)
        self.lost_in: dict[str, str] = {}
        self.characters = self.lost = self.words = self.stripped = 0
        self.missing: Counter[str] = Counter()
        self.stripped_words: Counter[str] = Counter()

    def add(self, lines: Iterable[str], unknown: Mapping[str, int]) -> None:
        """Count lines; `unknown` holds their words with an unknown token, and how often each occurs."""
        for line in lines:
            blanks = line.count(" ")
            self.characters += len(line) - blanks
            self.words += blanks + 1
            if self.strips and not line.isascii():
                self.add_stripped(line.split())
        for word, times in unknown.items():
            self.add_unknown(word, times)

    def add_unknown(self, word: str, times: int) -> None:
        """Count the characters of a word's unknown tokens."""
        if word not in self.lost_in:
            if len(self.lost_in) >= MOST:
                self.lost_in.clear()
            self.lost_in[word] = self.unknown_part(word)
        lost = self.lost_in[word]
        self.lost += len(lost) * times
        for character in lost:
            if self.is_missing(character):
                self.missing[character] += times

    def unknown_part(self, text: str) -> str:
        """Return the characters in unknown tokens."""
        encoding = self.tokenizer.encode(text)
        pairs = zip(encoding.ids, encoding.offsets, strict=True)
        return "".join(text[start:end] for token, (start, end) in pairs if token == self.tokenizer.unk_id)

    def is_missing(self, character: str) -> bool:
        """Return whether a character is unknown by itself, and not only for its neighbours in a word."""
        if character not in self.lost_in:
            self.lost_in[character] = self.unknown_part(character)
        return bool(self.lost_in[character])

    def add_stripped(self, words: list[str]) -> None:
        """Count the words that lose an accent, a vowel sign or a point."""
        marked = [word for word in words if not word.isascii() and has_marks(word)]
        self.stripped += len(marked)
        self.stripped_words.update(marked)

    def note(self) -> dict[str, Any]:
        """Return the counts, the most frequent missing characters, and stripped words with how they are read."""
        normalise = self.tokenizer.backend.normalizer.normalize_str if self.strips else str
        return {
            "characters": self.characters,
            "lost": self.lost,
            "words": self.words,
            "stripped": self.stripped,
            "missing": dict(self.missing.most_common(SHOWN)),
            "stripped_words": {word: normalise(word) for word, _ in self.stripped_words.most_common(SHOWN)},
        }


def has_marks(word: str) -> bool:
    """Return whether a word has non-spacing marks, also as part of a letter."""
    return any(unicodedata.category(c) == "Mn" for c in unicodedata.normalize("NFD", word))


def merged(notes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the notes of all chunks as one."""
    missing: Counter[str] = Counter()
    words: dict[str, str] = {}
    for note in notes:
        missing.update(note["missing"])
        words |= note["stripped_words"] if len(words) < SHOWN else {}
    sums = {name: sum(note[name] for note in notes) for name in ("characters", "lost", "words", "stripped")}
    return {**sums, "missing": dict(missing.most_common(SHOWN)), "stripped_words": words}


def scripts_of(missing: dict[str, int]) -> dict[str, str]:
    """Return the names of the scripts of missing characters, the most frequent first, with examples.

    A character's script is the first word of its name in Unicode: THAI CHARACTER KO KAI, CJK UNIFIED IDEOGRAPH-4E2D.
    """
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for character, count in missing.items():
        name = unicodedata.name(character, "OTHER").split()[0].split("-")[0]
        script = name if name == "CJK" else name.capitalize()
        counts[script] += count
        examples[script] = (examples.get(script, "") + " " + character).strip()[:9]
    return {script: examples[script] for script, _ in counts.most_common()}
