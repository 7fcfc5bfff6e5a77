"""Extractive question answering: the span of a context that answers a question, or that there is none (SQuAD)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from electra.console import say
from electra.data.sources import file_format
from electra.data.tokenizer import Tokenizer
from electra.interface import Packed
from electra.model.encoder import Encoder
from electra.model.task_heads import Answerer, Classifier, Tagger
from electra.tasks.base import IGNORED, Example, Features, Task, grouped, known
from electra.tasks.columns import Columns
from electra.tasks.records import Record, load_json, split_file
from electra.tasks.squad_metric import judge, squad_scores

MAX_QUESTION = 64  # tokens of a question
STRIDE = 128  # tokens between the starts of two windows
N_BEST = 20
MAX_ANSWER = 30  # tokens of an answer
ANSWERABLE_WEIGHT = 0.5
NOWHERE = -1e4  # the logit of a slot without a token
Span = tuple[int, int]
NO_ANSWER: Span = (-1, -1)


class Guess(NamedTuple):
    """A window's best spans and its score for "no answer"."""

    spans: list[tuple[float, int, int]]  # score, first and last + 1 character
    null: float
    is_difference: bool  # `null` is to be compared with the best span's score rather than with the threshold itself


class QuestionAnswering(Task):
    """Find the answer to a question in a context; long contexts are read in windows (spec: finetune/qa)."""

    main_metric: ClassVar[str] = "f1"
    heads: ClassVar[tuple[str, ...]] = ("linear", "joint")
    text_names: ClassVar[tuple[str, ...]] = ("question", "query", "text")
    pair_names: ClassVar[tuple[str, ...]] = ("context", "passage", "paragraph", "text2")
    label_names: ClassVar[tuple[str, ...]] = ("answers", "answer", "label")

    def __init__(self, may_be_unanswerable: bool = False, null_threshold: float = 0.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.may_be_unanswerable = may_be_unanswerable  # SQuAD 2.0: an empty answer may be given
        self.null_threshold = null_threshold  # give no answer where the null score is above it
        self.joint = False

    def settings(self) -> dict[str, Any]:
        """What makes the same task again."""
        mine = {"may_be_unanswerable": self.may_be_unanswerable, "null_threshold": self.null_threshold}
        return super().settings() | mine

    def read(self, source: str, split: str = "train") -> list[Example]:
        """SQuAD JSON (1.1 or 2.0), or rows of question, context and answers."""
        path = None if source.startswith("hf:") else split_file(source, split)
        if path is None or path.is_dir() or file_format(path) != ".json":
            examples = super().read(source, split)
        else:
            examples = list(read_squad(load_json(path), str(path)))
            say(f"{source} ({split}): {len(examples)} questions")
        if not examples:
            raise ValueError(f"{source} holds no questions")
        return examples

    def example(self, record: Record, columns: Columns, number: int) -> Example:
        """A row; answers as the hub has them, {"text": [...], "answer_start": [...]}."""
        if columns.text2 is None:
            raise ValueError(f"{record.where}: no context column; name it context")
        answers = record.fields.get(columns.label) if columns.label else None
        if isinstance(answers, dict):
            texts, starts = list(answers.get("text", ())), list(answers.get("answer_start", ()))
            answers = [{"text": t, "answer_start": s} for t, s in zip(texts, starts, strict=False)]
        context, question = (str(record.fields[name] or "") for name in (columns.text2, columns.text))
        label = None if answers is None else checked_answers(answers, context, record.where)
        return Example(str(record.fields.get("id") or number), (question, context), label, record.where)

    def learn(self, examples: Sequence[Example]) -> None:
        """See whether some questions have no answer."""
        bare = next((example for example in examples if example.label is None), None)
        if bare is not None:
            raise ValueError(f"{bare.where}: no answers; give a list of them, empty where the question has none")
        self.may_be_unanswerable = any(not example.label for example in examples)
        if not any(example.label for example in examples):
            raise ValueError("no training question has an answer; there is nothing to learn")

    def encode(self, tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> list[Features]:
        """Questions and contexts -> windows of at most `max_length` ids."""
        if max_length < 8:
            raise ValueError(f"max_length {max_length} leaves no room for a context; set it to 128 or more")
        questions = tokenizer.encode_lines([example.texts[0] for example in examples])
        features: list[Features] = []
        last: tuple[str, list[int], list[Span]] = ("", [], [])
        for number, (example, question) in enumerate(zip(examples, questions, strict=True)):
            context = example.texts[1]
            if context != last[0]:  # the questions of a paragraph follow each other
                encoding = tokenizer.encode(context)
                last = (context, encoding.ids, encoding.offsets)
            question = question[: min(MAX_QUESTION, max_length // 2)]
            head = [tokenizer.cls_id, *question, tokenizer.sep_id]
            answer = None if example.label is None else answer_tokens(example.label, last[2])
            for first, end, own in windows(len(last[1]), max_length - len(head) - 1):
                ids = [*head, *last[1][first:end], tokenizer.sep_id]
                types = [0] * len(head) + [1] * (end - first + 1)
                spans = [(*span, own[0] <= n < own[1]) for n, span in enumerate(last[2][first:end], first)]
                places = [None] * len(head) + spans + [None]
                target = IGNORED if answer is None else target_of(answer, first, end, len(head))
                features.append(Features(ids, types, number, target, places))
        return features

    def targets(self, features: Sequence[Features]) -> Tensor:
        """First slot, last slot (0, 0 where the window has no answer) and 1 where the question has none: [N, 3]."""
        return torch.tensor([(IGNORED,) * 3 if f.target == IGNORED else f.target for f in features])

    def build(self, encoder: Encoder, head: str = "linear") -> Classifier | Tagger | Answerer:
        """An answerer: Hugging Face's (linear) or the original's (joint)."""
        assert head in ("linear", "joint")
        self.joint = head == "joint"
        return Answerer(encoder, head)  # type: ignore[arg-type]

    def run(self, network: nn.Module, packed: Packed, targets: Tensor | None = None) -> Any:
        """The network's Answers; in training the joint head is shown where the answer starts."""
        answers = network(packed) if targets is None else network(packed, targets[:, 0].clamp_min(0))
        absent = packed.tokens < 0  # what stands there belongs to another example
        start = answers.start.masked_fill(absent, NOWHERE)
        return answers._replace(start=start, end=answers.end.masked_fill(absent[:, None], NOWHERE))

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """(start + end) / 2, and half the binary cross-entropy of "no answer" for the joint head, [N]."""
        start, end, impossible = targets.unbind(1)
        cross_entropy = nn.functional.cross_entropy
        losses = cross_entropy(outputs.start, start, reduction="none", ignore_index=IGNORED) / 2
        losses = losses + cross_entropy(outputs.end[:, 0], end, reduction="none", ignore_index=IGNORED) / 2
        if not self.joint:
            return losses
        binary = nn.functional.binary_cross_entropy_with_logits
        is_known = (impossible >= 0).float()
        return losses + ANSWERABLE_WEIGHT * is_known * binary(
            outputs.unanswerable, impossible.float(), reduction="none"
        )

    def collect(self, outputs: Any, features: Sequence[Features]) -> list[Any]:
        """Each window's best spans and null score."""
        is_joint = outputs.end.shape[1] > 1
        start, end = outputs.start.float().cpu(), outputs.end.float().cpu()
        if is_joint:
            start, end = start.log_softmax(-1), end.log_softmax(-1)
        starts, none = outputs.starts.cpu(), outputs.unanswerable.float().cpu().tolist()
        guesses = []
        for n, feature in enumerate(features):
            null = none[n] if is_joint else float(start[n, 0] + end[n, 0, 0])
            of_end = {s: k for k, s in enumerate(starts[n].tolist())} if is_joint else None
            guesses.append(Guess(best_spans(start[n], end[n], of_end, feature.places), null, not is_joint))
        return guesses

    def decode(
        self, collected: Sequence[Any], features: Sequence[Features], examples: Sequence[Example]
    ) -> list[dict[str, Any]]:
        """The answer to each question: its text and place, the n best, and the null score."""
        groups = grouped(collected, features, len(examples))
        return [self.prediction(example, group) for example, group in zip(examples, groups, strict=True)]

    def prediction(self, example: Example, guesses: Sequence[Guess]) -> dict[str, Any]:
        """The best span over the windows; no answer where the data know that and the null score says so."""
        context = example.texts[1]
        best = sorted((span for guess in guesses for span in guess.spans), reverse=True)[:N_BEST]
        null = min(guess.null for guess in guesses)
        if guesses[0].is_difference and best:
            null -= best[0][0]
        spans = [(score, *trimmed(context, start, end)) for score, start, end in best]
        ranked = [{"text": context[s:e], "start": s, "end": e, "score": round(score, 6)} for score, s, e in spans]
        top = ranked[0] if ranked else {"text": "", "start": 0, "end": 0, "score": 0.0}
        is_none = self.may_be_unanswerable and null > self.null_threshold
        answer = {"answer": "", "start": None, "end": None} if is_none else {
            "answer": top["text"], "start": top["start"], "end": top["end"]
        }  # fmt: skip
        more = {"score": top["score"], "best_answer": top["text"], "null_score": round(null, 6), "n_best": ranked}
        return {"id": example.id, **answer, **more}

    def score(self, predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example]) -> dict[str, float]:
        """The official SQuAD metrics, in percent."""
        judged = [
            judge(p["answer"], p["best_answer"], [text for text, _ in e.label], p["null_score"])
            for p, e in known(predictions, examples)
        ]
        return squad_scores([given for given, _ in judged], [forced for _, forced in judged])


# -- reading -----------------------------------------------------------------------------------------------------------


def read_squad(content: Any, source: str) -> Iterator[Example]:
    """The questions of a SQuAD file, version 1.1 or 2.0."""
    articles = content.get("data") if isinstance(content, dict) else None
    if not isinstance(articles, list):
        raise ValueError(f'{source} is not SQuAD JSON: it has no list "data"')
    for a, article in enumerate(articles):
        for p, paragraph in enumerate(article.get("paragraphs", ())):
            for q, question in enumerate(paragraph.get("qas", ())):
                where = f"{source}, article {a + 1}, paragraph {p + 1}, question {question.get('id', q + 1)}"
                try:
                    texts = (question["question"].strip(), paragraph["context"])
                except KeyError as error:
                    raise ValueError(f"{where} has no {error}; SQuAD JSON gives it") from None
                answers = [] if question.get("is_impossible") else question.get("answers")
                label = None if answers is None else checked_answers(answers, texts[1], where)
                yield Example(str(question.get("id", f"{a}-{p}-{q}")), texts, label, where)


def checked_answers(answers: Sequence[Mapping[str, Any]], context: str, where: str) -> tuple[tuple[str, int], ...]:
    """Answers as (text, start); ValueError where one is not at its place in the context."""
    result = []
    for answer in answers:
        try:
            text, start = answer["text"], int(answer["answer_start"])
        except (KeyError, TypeError, ValueError):
            raise ValueError(f'{where}: an answer is {{"text": ..., "answer_start": ...}}, not {answer!r}') from None
        if context[start : start + len(text)] != text or start < 0:
            place = context.find(text)
            fix = f"it is at {place}: set answer_start to that" if place >= 0 else "it is nowhere in it: correct it"
            raise ValueError(f"{where}: the answer {text!r} is not at {start} of its context; {fix}")
        result.append((text, start))
    return tuple(result)


# -- windows and spans -------------------------------------------------------------------------------------------------


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


def answer_tokens(answers: Sequence[tuple[str, int]], offsets: Sequence[Span]) -> Span | None:
    """First and last token of the first answer, NO_ANSWER where there is none, None where no token touches it."""
    if not answers:
        return NO_ANSWER
    text, start = answers[0]
    inside = [n for n, (s, e) in enumerate(offsets) if e > start and s < start + len(text) and e > s]
    return (inside[0], inside[-1]) if inside else None


def target_of(answer: Span | None, first: int, end: int, before: int) -> tuple[int, int, int]:
    """A window's target slots; 0, 0 where the answer is not wholly in it."""
    if answer == NO_ANSWER:
        return 0, 0, 1
    if answer is None or answer[0] < first or answer[1] >= end:
        return 0, 0, 0
    return before + answer[0] - first, before + answer[1] - first, 0


def best_spans(
    start: Tensor, end: Tensor, row_of_start: dict[int, int] | None, places: Sequence[Any]
) -> list[tuple[float, int, int]]:
    """The best spans of a window as (score, first character, last + 1): start [T], end [K, T]."""
    own = [s for s, place in enumerate(places) if place is not None and place[2]]
    likely = sorted((s for s in own if row_of_start is None or s in row_of_start), key=lambda s: -float(start[s]))
    found = []
    for s in likely[:N_BEST]:
        scores = end[0 if row_of_start is None else row_of_start[s], s : min(s + MAX_ANSWER, len(places) - 1)]
        ends = scores.topk(min(N_BEST, len(scores)))
        for value, e in zip(ends.values.tolist(), ends.indices.tolist(), strict=True):
            found.append((float(start[s]) + value, places[s][0], places[s + e][1]))
    return sorted(found, reverse=True)[:N_BEST]


def trimmed(text: str, start: int, end: int) -> Span:
    """A span without the blanks at its edges, which some vocabularies count to a token."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))
