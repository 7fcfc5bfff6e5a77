"""What a network is shown of texts: pairs cut to a row, sentences in parts, contexts in windows that overlap. No torch.

A row's `places` say what its slots hold: a word's number at its first piece, else -1; or a span of characters, else
None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from electra.core.errors import WrongInput
from electra.text.tokenizer import Tokenizer

ROWS = 32  # rows of one forward pass
MAX_QUESTION = 64  # tokens of a question
STRIDE = 128  # tokens between the starts of two windows
Span = tuple[int, int]


class Window(NamedTuple):
    """A row, special tokens included, and what it holds of its text: the words or tokens from `first` to `end`."""

    ids: list[int]
    token_type_ids: list[int]
    places: list[Any]
    first: int
    end: int


class Wanted(NamedTuple):
    """What an input must be."""

    counts: tuple[int, ...]  # of texts
    said: str


TEXT_OR_PAIR = Wanted((1, 2), "a text or a pair of texts")
QUESTION_AND_CONTEXT = Wanted((2,), "a question and a context")


def require_texts(inputs: Sequence[str | Sequence[str]], wanted: Wanted) -> None:
    """Raise WrongInput at the first input of another number of texts."""
    for number, each in enumerate(inputs, 1):
        if (1 if isinstance(each, str) else len(each)) not in wanted.counts:
            raise WrongInput(number, wanted.said)


def batched(rows: list[list[int]]) -> list[list[list[int]]]:
    """Groups of at most ROWS rows."""
    return [rows[i : i + ROWS] for i in range(0, len(rows), ROWS)]


def join(
    tokenizer: Tokenizer, first: list[int], second: list[int] | None, max_length: int
) -> tuple[list[int], list[int]]:
    """[CLS] first [SEP] (second [SEP]), the longer one cut at its end, at a tie the second: ids and token types."""
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


# -- words -------------------------------------------------------------------------------------------------------------


def word_windows(tokenizer: Tokenizer, sentences: Sequence[Sequence[str]], longest: int) -> Iterator[list[Window]]:
    """Each sentence's rows of at most `longest` ids, every word in one; a word without pieces is one unknown token."""
    # The blank before a word is what byte-level and Unigram vocabularies begin a word with; WordPiece drops it.
    distinct = list(dict.fromkeys(" " * (n > 0) + w for words in sentences for n, w in enumerate(words)))
    pieces = dict(zip(distinct, tokenizer.encode_lines(distinct), strict=True))
    unknown = [tokenizer.mask_id if tokenizer.unk_id is None else tokenizer.unk_id]
    for sentence in sentences:
        words = [(pieces[" " * (n > 0) + w] or unknown)[: longest - 2] for n, w in enumerate(sentence)]
        yield [
            word_window(tokenizer, words, first, end)
            for first, end in parts([len(word) for word in words], longest - 2)
        ]


def parts(sizes: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Cut words of these sizes into runs of at most `room` pieces: first and last + 1 of each."""
    first = used = 0
    for number, size in enumerate(sizes):
        if used + size > room and number > first:
            yield first, number
            first, used = number, 0
        used += size
    yield first, len(sizes)


def word_window(tokenizer: Tokenizer, words: list[list[int]], first: int, end: int) -> Window:
    """The row of the words from `first` to `end`."""
    ids, places = [tokenizer.cls_id], [-1]
    for number in range(first, end):
        ids += words[number]
        places += [number] + [-1] * (len(words[number]) - 1)
    ids, places = [*ids, tokenizer.sep_id], [*places, -1]
    return Window(ids, [0] * len(ids), places, first, end)


# -- questions ---------------------------------------------------------------------------------------------------------


class Context(NamedTuple):
    """A context's tokens and where each stands in it."""

    text: str
    ids: list[int]
    offsets: list[Span]


def question_windows(
    tokenizer: Tokenizer, pairs: Sequence[Sequence[str]], longest: int
) -> Iterator[tuple[Context, list[Window]]]:
    """For each (question, context): the context's tokens, and rows of at most `longest` ids that show all of them."""
    if longest < 8:
        raise ValueError(f"max_length {longest} leaves no room for a context; set it to 128 or more")
    questions = tokenizer.encode_lines([pair[0] for pair in pairs])
    context = Context("", [], [])
    for (_, text), question in zip(pairs, questions, strict=True):
        if text != context.text:  # the questions of a paragraph follow each other
            encoding = tokenizer.encode(text)
            context = Context(text, encoding.ids, encoding.offsets)
        question = question[: min(MAX_QUESTION, longest // 2)]
        head = [tokenizer.cls_id, *question, tokenizer.sep_id]
        found = windows(len(context.ids), longest - len(head) - 1)
        yield context, [question_window(tokenizer, head, context, *each) for each in found]


def question_window(tokenizer: Tokenizer, head: list[int], context: Context, first: int, end: int, own: Span) -> Window:
    """The row of a context's tokens from `first` to `end`; places end with whether the token is read here."""
    ids = [*head, *context.ids[first:end], tokenizer.sep_id]
    types = [0] * len(head) + [1] * (end - first + 1)
    spans = [(*span, own[0] <= n < own[1]) for n, span in enumerate(context.offsets[first:end], first)]
    return Window(ids, types, [*[None] * len(head), *spans, None], first, end)


def windows(length: int, room: int) -> Iterator[tuple[int, int, Span]]:
    """Windows over a context of `length` tokens, (first, end), and the tokens that have most context there."""
    stride = min(STRIDE, max(1, room // 2))
    firsts = [0]
    while firsts[-1] + room < length:
        firsts.append(firsts[-1] + stride)
    ends = [min(first + room, length) for first in firsts]
    # A token of two windows is best read where the nearer edge is farther: they change hands in the middle.
    borders = [(later + end) // 2 for later, end in zip(firsts[1:], ends[:-1], strict=True)]
    for first, end, low, high in zip(firsts, ends, [0, *borders], [*borders, length], strict=True):
        yield first, end, (low, high)
