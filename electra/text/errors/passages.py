"""Cut clean text into passages of whole sentences, in which errors are planted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle, pairwise

from electra.text.errors.tagged import split_words
from electra.text.sentences import SENTENCE_END

SENTENCES = (1, 1, 2, 3)  # in a passage, in turn: a detector is given single sentences and whole texts


def passages(lines: Iterable[str], longest: int) -> Iterator[str]:
    """Yield passages of at most `longest` words; a longer sentence is cut between words."""
    lengths = cycle(SENTENCES)
    for line in lines:
        ends = [0, *(match.end() for match in SENTENCE_END.finditer(line)), len(line)]
        sentences = [part for start, end in pairwise(ends) for part in parts(line[start:end], longest)]
        while sentences:
            count = next(lengths)
            while sum(words for _, words in sentences[:count]) > longest:
                count -= 1
            yield "".join(text for text, _ in sentences[:count]).strip()
            del sentences[:count]


def parts(sentence: str, longest: int) -> Iterator[tuple[str, int]]:
    """Yield a sentence with the space after it, in parts of at most `longest` words, each with their number."""
    starts = [start for start, _ in split_words(sentence)]
    cuts = [*starts[::longest], len(sentence)]
    for n, (start, end) in enumerate(pairwise(cuts)):
        yield sentence[start:end], min(longest, len(starts) - n * longest)
