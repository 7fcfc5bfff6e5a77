"""Decide which words may be marked as wrong, and adapt suggestions to them."""

from __future__ import annotations

import re
import string
from difflib import SequenceMatcher

CHUNK = re.compile(r"[!-~]+")  # ASCII between spaces, as other scripts may have no spaces
CODE = re.compile(r"[\d_@\\/=<>{}\[\]#$%&*+|~^]|\w[.:(]\w")
COMMAND = re.compile(r"\\[A-Za-z]")  # of TeX, whose backslash is not stripped as a sign around a word
SENTENCE_END = ".!?:…。！？\n\r"
OPENING = " \t\"'“‘«([*-–—\ufeff"
CLOSING = " \t\r\n\"'”’»)]*_"
GAP = re.compile(r"[ \u00a0\u202f]*|[ \t\u00a0]*\r?\n[ \t\u00a0]*")  # no tab, empty line or page break
ALIKE = 0.75  # share of common letters, in order, above which a word may be a misspelling of another
APOSTROPHES = ("'", "’")
SHOUTED = 8  # words
FRAGMENT = 6  # words, at most
LOOK_BACK = 20  # characters to search for the end of the previous sentence


def code_spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of numbers, addresses, paths and identifiers, which no dictionary contains."""
    if not CODE.search(text):
        return []
    return [
        chunk.span() for chunk in CHUNK.finditer(text)
        if CODE.search(chunk.group().strip(string.punctuation)) or COMMAND.match(chunk.group())
    ]  # fmt: skip


def exempt(text: str, words: list[tuple[int, int, bool]]) -> list[bool]:
    """Return whether each word (start, end, in the vocabulary) is a number, a sign, code or a rare name."""
    spans, result, n, has_names = code_spans(text), [], 0, not is_shouted(text)
    for start, end, known in words:
        while n < len(spans) and spans[n][1] <= start:
            n += 1
        word, in_code = text[start:end], n < len(spans) and spans[n][0] <= start
        result.append(in_code or not has_letters(word) or (has_names and not known and is_name(text, start)))
    return result


def has_letters(word: str) -> bool:
    """Return whether a word has letters and no digits."""
    return word.isalpha() or (any(c.isalpha() for c in word) and not any(c.isdigit() for c in word))


def is_shouted(text: str) -> bool:
    """Return whether a text is written in capitals alone, by which no name is known; a short one may be a heading."""
    return text.isupper() and len(text.split()) >= SHOUTED


def is_fragment(text: str) -> bool:
    """Return whether a text is short and has no end, as headings, greetings and entries of lists are."""
    end = text.rstrip(CLOSING)[-1:]
    return end not in SENTENCE_END and len(text.split()) <= FRAGMENT


def is_name(text: str, start: int) -> bool:
    """Return whether the word at `start` is capitalised within a sentence."""
    return text[start].isupper() and not begins_sentence(text, start)


def begins_sentence(text: str, start: int) -> bool:
    """Return whether the word at `start` is the first of a sentence or of the text."""
    before = text[max(0, start - LOOK_BACK) : start].rstrip(OPENING)
    return not before or before[-1] in SENTENCE_END


def are_neighbours(text: str, end: int, start: int) -> bool:
    """Return whether a word that ends at `end` and one from `start` stand side by side in a sentence.

    The words of two paragraphs or columns do not, nor does a capital that opens a line.
    """
    gap = text[end:start]
    return GAP.fullmatch(gap) is not None and not ("\n" in gap and text[start].isupper())


def fit_case(suggestion: str, word: str) -> str:
    """Return the suggestion with the capitals of the word it replaces: replacing Teh, the becomes The."""
    if word.isupper() and len(word) > 1:
        return suggestion.upper()
    return suggestion[:1].upper() + suggestion[1:] if word[:1].isupper() else suggestion


def likeliest_meant(words: list[str], instead_of: str) -> list[str]:
    """Sort words by their similarity to the spelling of `instead_of`; dissimilar words keep their order."""
    matcher = SequenceMatcher(None, "", instead_of.lower(), autojunk=False)

    def alike(word: str) -> float:
        matcher.set_seq1(word.lower())
        likeness = matcher.ratio() if matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE else 0.0
        return likeness if likeness >= ALIKE else 0.0

    return sorted(words, key=alike, reverse=True)
