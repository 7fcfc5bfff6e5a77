"""Cut texts whose words are tagged into the words that `detect` answers for, each with its pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from electra.text.errors.tagged import RIGHT, Tagged
from electra.text.pieces import exempt_words, spans_in_text
from electra.text.tokenizer import Tokenizer
from electra.text.word_cache import LONGEST, MOST, words_stand_alone
from electra.text.words import code_spans, has_letters, is_name

SIGN = re.compile(r"[^\w\s!-~–—‘’“”„‚«»…•·¡¿。，、！？：；（）]")  # at others the tokeniser of BERT may not cut


# A word text[start:end]: ids of its pieces, start, end, whether it is asked for, whether it is wrong. Names, signs and
# numbers are not asked for, as `detect` never marks them. A plain tuple, as a named one takes several times as long.
WordPieces = tuple[list[int], int, int, bool, bool]


def words_of(tokenizer: Tokenizer, tagged: Tagged) -> list[WordPieces]:
    """Return the words of a text; one that shares a character with a wrong token is wrong."""
    encoding = tokenizer.encode(tagged.text)
    ids, spans = encoding.ids, spans_in_text(tagged.text, encoding)
    free = exempt_words(tagged.text, encoding, spans, tokenizer.unk_id)
    wrong = [any(tagged.tokens[n].tag != RIGHT for n in there) for there in overlapping(spans, tagged.tokens)]
    runs = pairwise([0, *(span.first for span in spans[1:]), len(ids)])
    return [
        (ids[a:b], span.start, span.end, not is_free, is_wrong)
        for (a, b), span, is_free, is_wrong in zip(runs, spans, free, wrong, strict=False)
    ]


def overlapping(these: Sequence[Sequence[Any]], those: Sequence[Sequence[Any]]) -> Iterator[range]:
    """Yield for each of `these` spans the indices of `those` that share a character with it; both are in order."""
    first = 0
    for start, end, *_ in these:
        while first < len(those) and those[first][1] <= start:
            first += 1
        last = first
        while last < len(those) and those[last][0] < end:
            last += 1
        yield range(first, last)


class TokenWord(NamedTuple):
    """A word in a token, whatever text it is in."""

    ids: list[int]
    start: int  # in the token
    end: int
    has_letters: bool  # and no digits
    is_whole: bool  # one piece, which is known


class WordCutter:
    """Do the same for tokens from `split_words`, several times as fast where the tokeniser reads words one by one."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.fits = tokenizer, words_stand_alone(tokenizer)
        self.known: dict[str, list[TokenWord]] = {}

    def __call__(self, tagged: Tagged) -> list[WordPieces]:
        """Return the words of a text."""
        text = tagged.text
        if not self.fits or SIGN.search(text):
            return words_of(self.tokenizer, tagged)
        words, code, n = list[WordPieces](), code_spans(text), 0
        for start, end, tag in tagged.tokens:
            for ids, first, last, lettered, is_whole in self.known.get(text[start:end]) or self.cut(text[start:end]):
                at = start + first
                while n < len(code) and code[n][1] <= at:
                    n += 1
                in_code = n < len(code) and code[n][0] <= at
                is_asked = lettered and not in_code and (is_whole or not is_name(text, at))
                words.append((ids, at, start + last, is_asked, tag != RIGHT))
        return words

    def cut(self, token: str) -> list[TokenWord]:
        """Return the words in a token, and remember them."""
        if len(self.known) > MOST:
            self.known.clear()
        encoding = self.tokenizer.encode(token)
        ids = encoding.ids
        found = [
            TokenWord(
                ids[s.first : s.last + 1], s.start, s.end, has_letters(token[s.start : s.end]),
                s.first == s.last and ids[s.first] != self.tokenizer.unk_id,
            )
            for s in spans_in_text(token, encoding)
        ]  # fmt: skip
        if len(token) <= LONGEST:
            self.known[token] = found
        return found
