"""Extractive question answering: the span of a context that answers a question, or that there is none (SQuAD)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from electra.core.log import logger, tracked
from electra.models.kinds import Kind
from electra.tasks.base import Array, Task
from electra.tasks.baselines import no_answer, word_overlap
from electra.tasks.columns import Columns
from electra.tasks.examples import (
    IGNORED,
    Draws,
    Example,
    Features,
    Prediction,
    Predictions,
    Sample,
    grouped,
    known,
    mean_of_draws,
    require_labels,
)
from electra.tasks.squad_metric import best, f1, score_question, squad_scores
from electra.text.labels import log_softmax
from electra.text.records import Record, load_json
from electra.text.sources import file_format
from electra.text.spans import Guess, best_answer, best_spans
from electra.text.splits import split_file
from electra.text.tokenizer import Tokenizer
from electra.text.windows import QUESTION_AND_CONTEXT, Span, Wanted, question_windows

if TYPE_CHECKING:
    from torch import Tensor, nn

    from electra.interface import Packed
    from electra.models.encoder import Encoder
    from electra.models.heads import Network

ANSWERABLE_WEIGHT = 0.5
NOWHERE = -1e4  # the logit of a slot without a token
NO_ANSWER: Span = (-1, -1)


class QuestionAnswering(Task):
    """Find the answer to a question in a context; long contexts are read in windows."""

    main_metric: ClassVar[str] = "f1"
    is_percentage: ClassVar[bool] = True  # as in the official script
    wanted: ClassVar[Wanted | None] = QUESTION_AND_CONTEXT
    heads: ClassVar[Mapping[str, Kind]] = {"linear": Kind.ANSWERER, "joint": Kind.JOINT_ANSWERER}
    length: ClassVar[int] = 512
    epochs: ClassVar[float] = 2.0
    text_names: ClassVar[tuple[str, ...]] = ("question", "query", "text")
    pair_names: ClassVar[tuple[str, ...]] = ("context", "passage", "paragraph", "text2")
    label_names: ClassVar[tuple[str, ...]] = ("answers", "answer", "label")

    def __init__(self, may_be_unanswerable: bool = False, null_threshold: float = 0.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.may_be_unanswerable = may_be_unanswerable  # SQuAD 2.0: an empty answer may be given
        self.null_threshold = null_threshold  # null score above which no answer is given
        self.joint = False

    @classmethod
    def recognises(cls, sample: Sample) -> bool:
        """Return whether a file is SQuAD's JSON, or has questions and contexts."""
        return sample.is_article_file or {"question", "context"} <= sample.columns

    def settings(self) -> dict[str, Any]:
        mine = {"may_be_unanswerable": self.may_be_unanswerable, "null_threshold": self.null_threshold}
        return super().settings() | mine

    def read(self, source: str, split: str = "train") -> list[Example]:
        """Read SQuAD JSON (1.1 or 2.0), or rows of question, context and answers."""
        path = split_file(source, split)
        content = load_json(path) if path and file_format(path) == ".json" else []
        if isinstance(content, list):  # rows
            return super().read(source, split)
        examples = list(read_squad(content, str(path)))
        if not examples:
            raise ValueError(f"{source} holds no questions: its articles need paragraphs with qas, as in SQuAD")
        logger.info(f"{source} ({split}): {len(examples)} questions")
        return examples

    def example(self, record: Record, columns: Columns, number: int) -> Example:
        """Turn a row into an example; the hub writes answers as {"text": [...], "answer_start": [...]}."""
        if columns.text2 is None:
            raise ValueError(f"{record.where}: no context column; name it context, or give --text2-column")
        answers = record.fields.get(columns.label) if columns.label else None
        if isinstance(answers, dict):
            texts, starts = list(answers.get("text", ())), list(answers.get("answer_start", ()))
            answers = [{"text": t, "answer_start": s} for t, s in zip(texts, starts, strict=False)]
        context, question = (
            require_text(record.fields.get(name), name, record.where) for name in (columns.text2, columns.text)
        )
        label = None if answers is None else checked_answers(answers, context, record.where)
        return Example(str(record.fields.get("id") or number), (question, context), label, record.where)

    def learn(self, examples: Sequence[Example]) -> None:
        """Set `may_be_unanswerable` from the training examples."""
        bare = next((example for example in examples if example.label is None), None)
        if bare is not None:
            raise ValueError(f"{bare.where}: no answers; give a list of them, empty if the question has none")
        self.may_be_unanswerable = any(not example.label for example in examples)
        if not any(example.label for example in examples):
            raise ValueError("no training question has an answer; add some that have")

    def encode(self, tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> list[Features]:
        """Turn questions and contexts into windows of at most `max_length` ids."""
        features: list[Features] = []
        rows = question_windows(tokenizer, [example.texts for example in examples], max_length)
        pairs = tracked(zip(examples, rows, strict=True), len(examples), "encoding questions")
        for number, (example, (context, windows)) in enumerate(pairs):
            answer = None if example.label is None else answer_tokens(example.label, context.offsets)
            for w in windows:
                before = len(w.ids) - 1 - (w.end - w.first)  # slots of the question
                target = IGNORED if answer is None else target_of(answer, w.first, w.end, before)
                features.append(Features(w.ids, w.token_type_ids, number, target, w.places, w.is_cut))
        return features

    def targets(self, features: Sequence[Features]) -> Tensor:
        """Return [N, 3]: first and last slot of the answer (0, 0 if a window has none), 1 if unanswerable."""
        import torch

        return torch.tensor([(IGNORED,) * 3 if f.target == IGNORED else f.target for f in features])

    def build(self, encoder: Encoder, head: str = "linear") -> Network:
        """Build an answerer: Hugging Face's (linear) or the original's (joint)."""
        from electra.models.task_heads import Answerer

        assert head in ("linear", "joint")
        self.joint = head == "joint"
        return Answerer(encoder, head)  # type: ignore[arg-type]

    def run(self, network: nn.Module, packed: Packed, targets: Tensor | None = None) -> Any:
        """Return the network's Answers; in training the joint head is shown where the answer starts."""
        answers = network(packed) if targets is None else network(packed, targets[:, 0].clamp_min(0))
        absent = packed.tokens < 0  # these slots belong to another example
        start = answers.start.masked_fill(absent, NOWHERE)
        return answers._replace(start=start, end=answers.end.masked_fill(absent[:, None], NOWHERE))

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return (start + end) / 2, plus half the binary cross-entropy of "no answer" for the joint head, [N]."""
        from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

        start, end, impossible = targets.unbind(1)
        losses = cross_entropy(outputs.start, start, reduction="none", ignore_index=IGNORED) / 2
        losses = losses + cross_entropy(outputs.end[:, 0], end, reduction="none", ignore_index=IGNORED) / 2
        if not self.joint:
            return losses
        is_known = (impossible >= 0).float()
        binary = binary_cross_entropy_with_logits(outputs.unanswerable, impossible.float(), reduction="none")
        return losses + ANSWERABLE_WEIGHT * is_known * binary

    def collect(self, outputs: Mapping[str, Array], feature: Features) -> Guess:
        """Return a window's best spans and null score.

        outputs: start_logits [L]; end_logits [L], or [K, L] of the joint head, given each of its starts [K]; its logit
        that the question is unanswerable.
        """
        T = len(feature.ids)
        start, end = outputs["start_logits"][:T], outputs["end_logits"][..., :T]
        if "starts" not in outputs:
            return Guess(best_spans(start, end[None], None, feature.places), float(start[0] + end[0]), True)
        rows = {start: row for row, start in enumerate(outputs["starts"].tolist())}
        spans = best_spans(log_softmax(start), log_softmax(end), rows, feature.places)
        return Guess(spans, float(outputs["unanswerable"]), False)

    def decode(
        self, collected: Sequence[Any], features: Sequence[Features], examples: Sequence[Example]
    ) -> Predictions:
        """Return the answer to each question: its text and place, the n best, and the null score."""
        groups = grouped(collected, features, len(examples))
        limit = self.null_threshold if self.may_be_unanswerable else math.inf
        return [
            {"id": example.id, **best_answer(example.texts[1], group, limit)}
            for example, group in zip(examples, groups, strict=True)
        ]

    def score(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Return the official SQuAD metrics, in percent."""
        scored = [
            score_question(p["answer"], p["best_answer"], [text for text, _ in e.label], p["null_score"])
            for p, e in known(predictions, examples)
        ]
        return squad_scores([given for given, _ in scored], [forced for _, forced in scored])

    def resampled(self, predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws) -> list[float]:
        """Return the F1 of each draw, a mean over its questions."""
        texts = [[text for text, _ in example.label] for example in examples]
        earned = [100 * best(f1, p["answer"], answers) for p, answers in zip(predictions, texts, strict=True)]
        return mean_of_draws(earned, draws)

    def baselines(
        self, train: Sequence[Example], examples: Sequence[Example], learned: bool = True
    ) -> list[tuple[str, Predictions]]:
        """Return word overlap, and no answer at all if training has questions without one."""
        if not train:
            return []
        require_labels(train)
        silent = [("no answer", [no_answer(e) for e in examples])] if any(not e.label for e in train) else []
        return [*silent, ("word overlap", [word_overlap(e) for e in examples])]


# -- reading -----------------------------------------------------------------------------------------------------------


def read_squad(content: Any, source: str) -> Iterator[Example]:
    """Yield the questions of a SQuAD file, version 1.1 or 2.0."""
    articles = content.get("data") if isinstance(content, dict) else None
    if not isinstance(articles, list):
        raise ValueError(
            f'{source} is not SQuAD JSON: it has no list "data"; write it so, or as rows of question, context, answers'
        )
    for a, article in enumerate(articles):
        for p, paragraph in enumerate(objects(article, "paragraphs", f"{source}, article {a + 1}")):
            place = f"{source}, article {a + 1}, paragraph {p + 1}"
            for q, question in enumerate(objects(paragraph, "qas", place)):
                where = f"{place}, question {question.get('id', q + 1)}"
                text = require_text(question.get("question"), "question", where).strip()
                context = require_text(paragraph.get("context"), "context", where)
                answers = [] if question.get("is_impossible") else question.get("answers")
                label = None if answers is None else checked_answers(answers, context, where)
                yield Example(str(question.get("id", f"{a}-{p}-{q}")), (text, context), label, where)


def objects(parent: Any, name: str, where: str) -> list[dict[str, Any]]:
    """Return the list of objects that an object of SQuAD JSON holds under a name."""
    found = parent.get(name, []) if isinstance(parent, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f'{where} is not SQuAD JSON: it has no list "{name}" of objects; correct it')
    return found


def require_text(value: Any, name: str, where: str) -> str:
    """Return a question or a context; raise ValueError if it is empty or not a text."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: the {name} is {'empty' if value in (None, '') else repr(value)}; it must be a text")
    return value


def checked_answers(answers: Sequence[Mapping[str, Any]], context: str, where: str) -> tuple[tuple[str, int], ...]:
    """Return answers as (text, start); raise ValueError if one is not at its place in the context."""
    result = []
    for answer in answers:
        try:
            text, start = answer["text"], int(answer["answer_start"])
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f'{where}: an answer is {{"text": ..., "answer_start": ...}}, not {answer!r}; write it so'
            ) from None
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{where}: an answer is empty; if there is none, give an empty list of answers")
        if context[start : start + len(text)] != text or start < 0:
            place = context.find(text)
            fix = f"it is at {place}: set answer_start to that" if place >= 0 else "it is nowhere in it: correct it"
            raise ValueError(f"{where}: the answer {text!r} is not at {start} of its context; {fix}")
        result.append((text, start))
    return tuple(result)


# -- targets -----------------------------------------------------------------------------------------------------------


def answer_tokens(answers: Sequence[tuple[str, int]], offsets: Sequence[Span]) -> Span | None:
    """Return first and last token of the first answer; NO_ANSWER if there is none, None if no token touches it."""
    if not answers:
        return NO_ANSWER
    text, start = answers[0]
    inside = [n for n, (s, e) in enumerate(offsets) if e > start and s < start + len(text) and e > s]
    return (inside[0], inside[-1]) if inside else None


def target_of(answer: Span | None, first: int, end: int, before: int) -> tuple[int, int, int]:
    """Return a window's target slots; 0, 0 if the answer is not wholly in it."""
    if answer == NO_ANSWER:
        return 0, 0, 1
    if answer is None or answer[0] < first or answer[1] >= end:
        return 0, 0, 0
    return before + answer[0] - first, before + answer[1] - first, 0
