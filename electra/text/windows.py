"""Turn texts into rows of a network: truncated pairs, split sentences, overlapping windows of contexts.

A row's `places` have an entry for each slot: for words, the number of the word at its first piece, otherwise -1; for
questions, a span of characters in the context, otherwise None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from electra.core.errors import WrongInput
from electra.text.tokenizer import Tokenizer

ROWS = 32  # rows of one forward pass
MAX_QUESTION = 64  # tokens of a question
STRIDE = 128  # tokens between the starts of neighbouring windows
Span = tuple[int, int]


class Window(NamedTuple):
    """A row with its special tokens; it holds the words or tokens of a text from `first` to `end` (exclusive)."""

    ids: list[int]
    token_type_ids: list[int]
    places: list[Any]
    first: int
    end: int
    is_cut: bool = False  # whether some of the words or the question had no room


class Wanted(NamedTuple):
    """How many texts an input must have."""

    counts: tuple[int, ...]
    name: str


TEXT_OR_PAIR = Wanted((1, 2), "a text or a pair of texts")
QUESTION_AND_CONTEXT = Wanted((2,), "a question and a context")


def require_texts(inputs: Sequence[str | Sequence[str]], wanted: Wanted) -> None:
    """Raise WrongInput for the first input with another number of texts."""
    for number, each in enumerate(inputs, 1):
        if (1 if isinstance(each, str) else len(each)) not in wanted.counts:
            raise WrongInput(number, wanted.name)


def join(
    tokenizer: Tokenizer, first: list[int], second: list[int] | None, max_length: int
) -> tuple[list[int], list[int]]:
    """Return ids and types of [CLS] first [SEP] (second [SEP]); truncate the longer, at a tie the second."""
    if second is None:
        ids = [tokenizer.cls_id, *first[: max_length - 2], tokenizer.sep_id]
        return ids, [0] * len(ids)
    room = max_length - 3
    if len(first) + len(second) > room:
        b = max(room - len(first), room // 2)
        second = second[:b]
        first = first[: room - len(second)]
    head = [tokenizer.cls_id, *first, tokenizer.sep_id]
    return [*head, *second, tokenizer.sep_id], [0] * len(head) + [1] * (len(second) + 1)


def even_runs(length: int, room: int) -> list[Span]:
    """Return (first, end) of the fewest runs of at most `room` tokens that cover `length`, at even distances."""
    count = max(1, -(-length // room))
    firsts = [0] if count == 1 else [(length - room) * n // (count - 1) for n in range(count)]
    return [(first, min(first + room, length)) for first in firsts]


# -- words -------------------------------------------------------------------------------------------------------------


def word_windows(tokenizer: Tokenizer, sentences: Sequence[Sequence[str]], longest: int) -> Iterator[list[Window]]:
    """Yield the rows of each sentence, at most `longest` ids each; a word without pieces becomes the unknown token."""
    # In byte-level and Unigram vocabularies a word begins with a space; WordPiece drops it.
    distinct = list(dict.fromkeys(" " * (n > 0) + w for words in sentences for n, w in enumerate(words)))
    pieces = dict(zip(distinct, tokenizer.encode_lines(distinct), strict=True))
    unknown = [tokenizer.mask_id if tokenizer.unk_id is None else tokenizer.unk_id]
    room = longest - 2
    for sentence in sentences:
        words = [pieces[" " * (n > 0) + w] or unknown for n, w in enumerate(sentence)]
        sizes = [min(len(word), room) for word in words]
        yield [word_window(tokenizer, words, room, first, end) for first, end in word_runs(sizes, room)]


def word_runs(sizes: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Cut words with `sizes` pieces into runs of at most `room` pieces; yield the first and last + 1 word of each."""
    first = used = 0
    for number, size in enumerate(sizes):
        if used + size > room and number > first:
            yield first, number
            first, used = number, 0
        used += size
    yield first, len(sizes)


def word_window(tokenizer: Tokenizer, words: list[list[int]], room: int, first: int, end: int) -> Window:
    """Return the row of the words from `first` to `end` (exclusive), of each at most `room` pieces."""
    ids, places = [tokenizer.cls_id], [-1]
    for number in range(first, end):
        pieces = words[number][:room]
        ids += pieces
        places += [number] + [-1] * (len(pieces) - 1)
    ids, places = [*ids, tokenizer.sep_id], [*places, -1]
    return Window(ids, [0] * len(ids), places, first, end, any(len(words[n]) > room for n in range(first, end)))


# -- questions ---------------------------------------------------------------------------------------------------------


class Context(NamedTuple):
    """The tokens of a context and their spans of characters."""

    text: str
    ids: list[int]
    offsets: list[Span]


def question_windows(
    tokenizer: Tokenizer, pairs: Sequence[Sequence[str]], longest: int
) -> Iterator[tuple[Context, list[Window]]]:
    """Yield for each (question, context) the tokens of the context, and its rows of at most `longest` ids."""
    if longest < 8:
        raise ValueError(f"max_length {longest} leaves no room for a context; set it to 128 or more")
    questions = tokenizer.encode_lines([pair[0] for pair in pairs])
    context = Context("", [], [])
    for (_, text), question in zip(pairs, questions, strict=True):
        if text != context.text:  # questions on the same paragraph are usually adjacent
            encoding = tokenizer.encode(text)
            context = Context(text, encoding.ids, encoding.offsets)
        asked = question[: min(MAX_QUESTION, longest // 2)]
        head = [tokenizer.cls_id, *asked, tokenizer.sep_id]
        found = context_windows(len(context.ids), longest - len(head) - 1)
        rows = [question_window(tokenizer, head, context, *each) for each in found]
        yield context, [row._replace(is_cut=len(asked) < len(question)) for row in rows]


def question_window(tokenizer: Tokenizer, head: list[int], context: Context, first: int, end: int, own: Span) -> Window:
    """Return the row of the tokens from `first` to `end`; each place also holds whether the token is in `own`."""
    ids = [*head, *context.ids[first:end], tokenizer.sep_id]
    types = [0] * len(head) + [1] * (end - first + 1)
    spans = [(*span, own[0] <= n < own[1]) for n, span in enumerate(context.offsets[first:end], first)]
    return Window(ids, types, [*[None] * len(head), *spans, None], first, end)


def context_windows(length: int, room: int) -> Iterator[tuple[int, int, Span]]:
    """Yield (first, end, own) of windows of `room` tokens; `own` are the tokens with the most context in it."""
    stride = min(STRIDE, max(1, room // 2))
    firsts = [0]
    while firsts[-1] + room < length:
        firsts.append(firsts[-1] + stride)
    ends = [min(first + room, length) for first in firsts]
    # A token in the overlap of two windows belongs to the one whose edge is farther, so the border is in the middle.
    borders = [(later + end) // 2 for later, end in zip(firsts[1:], ends[:-1], strict=True)]
    for first, end, low, high in zip(firsts, ends, [0, *borders], [*borders, length], strict=True):
        yield first, end, (low, high)
