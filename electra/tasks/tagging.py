"""A tag for every word: entities and chunks (BIO, BIOES, IOB1), or plain tags such as parts of speech."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from electra.data.tokenizer import Tokenizer
from electra.model.encoder import Encoder
from electra.model.task_heads import Answerer, Classifier, Tagger
from electra.tasks.base import IGNORED, Example, Features, Task, grouped, known
from electra.tasks.columns import Columns
from electra.tasks.records import Record


class Tagging(Task):
    """A tag a word, read off the word's first piece. A sentence that is too long is shown in parts."""

    main_metric: ClassVar[str] = "f1"
    heads: ClassVar[tuple[str, ...]] = ("linear",)
    text_names: ClassVar[tuple[str, ...]] = ("tokens", "words", "text", "sentence")
    pair_names: ClassVar[tuple[str, ...]] = ()
    label_names: ClassVar[tuple[str, ...]] = (
        "tags", "ner_tags", "labels", "chunk_tags", "pos_tags", "upos", "pos", "label",
    )  # fmt: skip

    def example(self, record: Record, columns: Columns, number: int) -> Example:
        """A row of words and tags; a plain text is cut at its blanks."""
        words = split(record.fields.get(columns.text))
        if not words:
            raise ValueError(f"{record.where} has no words in column {columns.text!r}; remove the row")
        raw = record.fields.get(columns.label) if columns.label else None
        tags = None if raw is None else tuple(str(tag) for tag in split(raw))
        if tags is not None and len(tags) != len(words):
            raise ValueError(
                f"{record.where} has {len(words)} words and {len(tags)} tags; every word needs exactly one tag"
            )
        blank = next((n for n, word in enumerate(words) if not word.strip()), None)
        if blank is not None:
            raise ValueError(f"{record.where}: word {blank + 1} is empty; remove it and its tag")
        return Example(str(record.fields.get("id") or number), tuple(words), tags, record.where)

    def read(self, source: str, split: str = "train") -> list[Example]:
        """Sentences; IOB1, whose entities may begin with I-, is turned into BIO."""
        return [e if e.label is None else e._replace(label=begun(e.label)) for e in super().read(source, split)]

    def labels_of(self, example: Example) -> Iterable[str]:
        """The tags of a sentence."""
        tags: Iterable[str] = example.label
        return tags

    def encode(self, tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> list[Features]:
        """Words -> pieces; a word without any is one unknown token."""
        numbers = self.index(examples)
        # The blank before a word is what byte-level and Unigram vocabularies begin a word with; WordPiece drops it.
        distinct = list(dict.fromkeys(" " * (n > 0) + w for e in examples for n, w in enumerate(e.texts)))
        pieces = dict(zip(distinct, tokenizer.encode_lines(distinct), strict=True))
        unknown = [tokenizer.mask_id if tokenizer.unk_id is None else tokenizer.unk_id]
        features = []
        for number, example in enumerate(examples):
            words = [(pieces[" " * (n > 0) + w] or unknown)[: max_length - 2] for n, w in enumerate(example.texts)]
            target = None if example.label is None else [numbers[tag] for tag in example.label]
            features += [
                window(tokenizer, words, first, last, number, target)
                for first, last in parts([len(word) for word in words], max_length - 2)
            ]
        return features

    def targets(self, features: Sequence[Features]) -> Tensor:
        """The tag's number at first pieces, else IGNORED, [N, T]."""
        result = torch.full((len(features), max(len(f.ids) for f in features)), IGNORED)
        for row, feature in zip(result, features, strict=True):
            if feature.target != IGNORED:
                row[: len(feature.ids)] = torch.tensor(
                    [IGNORED if word < 0 else feature.target[word] for word in feature.places]
                )
        return result

    def build(self, encoder: Encoder, head: str = "linear") -> Classifier | Tagger | Answerer:
        """A tagger."""
        return Tagger(encoder, len(self.labels))

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Cross-entropy, summed over the words as in the original, [N]."""
        logits = outputs[:, : targets.shape[1]].transpose(1, 2)
        losses = nn.functional.cross_entropy(logits, targets, reduction="none", ignore_index=IGNORED)
        return losses.sum(-1)

    def collect(self, outputs: Any, features: Sequence[Features]) -> list[Any]:
        """The likeliest tag of each word and its probability, as (word, tag, probability)."""
        best = outputs.float().softmax(-1).max(-1)
        values, tags = best.values.tolist(), best.indices.tolist()
        return [
            [(word, tags[n][slot], values[n][slot]) for slot, word in enumerate(feature.places) if word >= 0]
            for n, feature in enumerate(features)
        ]

    def decode(
        self, collected: Sequence[Any], features: Sequence[Features], examples: Sequence[Example]
    ) -> list[dict[str, Any]]:
        """The tags of each sentence, their probabilities, and the entities they spell."""
        predictions = []
        for example, group in zip(examples, grouped(collected, features, len(examples)), strict=True):
            found = {word: (self.labels[tag], round(p, 6)) for part in group for word, tag, p in part}
            tags = [found[word][0] for word in range(len(example.texts))]
            entry: dict[str, Any] = {"id": example.id, "tokens": list(example.texts), "tags": tags}
            entry["scores"] = [found[word][1] for word in range(len(example.texts))]
            if spans_are_tagged(self.labels):
                entry["entities"] = entities(tags, example.texts)
            predictions.append(entry)
        return predictions

    def score(self, predictions: Sequence[Mapping[str, Any]], examples: Sequence[Example]) -> dict[str, float]:
        """Precision, recall and F1 of whole entities (as conlleval), or the micro F1 of plain tags; word accuracy."""
        pairs = known(predictions, examples)
        guesses, gold = [p["tags"] for p, _ in pairs], [list(e.label) for _, e in pairs]
        right = [a == b for g, h in zip(guesses, gold, strict=True) for a, b in zip(g, h, strict=True)]
        accuracy = sum(right) / len(right)
        if not spans_are_tagged(self.labels or sorted({tag for tags in gold for tag in tags})):
            return {"accuracy": accuracy, "f1": accuracy}  # one tag a word: micro F1 is accuracy
        from seqeval.metrics import f1_score, precision_score, recall_score

        return {
            "f1": float(f1_score(gold, guesses, zero_division=0)),
            "precision": float(precision_score(gold, guesses, zero_division=0)),
            "recall": float(recall_score(gold, guesses, zero_division=0)),
            "accuracy": accuracy,
        }


def split(value: Any) -> list[str]:
    """A list of strings from a list or from a text with blanks."""
    return value.split() if isinstance(value, str) else [str(item) for item in value or ()]


def spans_are_tagged(labels: Iterable[str]) -> bool:
    """Whether the tags say where entities begin and continue."""
    entity = [label for label in labels if label != "O"]
    return bool(entity) and all(label[:2] in ("B-", "I-", "E-", "S-", "L-", "U-") for label in entity)


def begun(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags in which every entity begins with B- (or is S-), BILOU turned into BIOES, IOB1 into BIO."""
    if not spans_are_tagged(tags):
        return tuple(tags)
    result: list[str] = []
    for tag in tags:
        tag = {"L-": "E-", "U-": "S-"}.get(tag[:2], tag[:2]) + tag[2:]
        before = result[-1] if result else "O"
        goes_on = before[:2] in ("B-", "I-") and before[2:] == tag[2:]
        result.append("B-" + tag[2:] if tag[:2] == "I-" and not goes_on else tag)
    return tuple(result)


def parts(sizes: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Cut words of these sizes into runs of at most `room` pieces: first and last + 1 of each."""
    first = used = 0
    for number, size in enumerate(sizes):
        if used + size > room and number > first:
            yield first, number
            first, used = number, 0
        used += size
    yield first, len(sizes)


def window(
    tokenizer: Tokenizer, words: list[list[int]], first: int, last: int, example: int, target: list[int] | None
) -> Features:
    """The features of the words from `first` to `last`."""
    ids, places = [tokenizer.cls_id], [-1]
    for number in range(first, last):
        ids += words[number]
        places += [number] + [-1] * (len(words[number]) - 1)
    ids, places = [*ids, tokenizer.sep_id], [*places, -1]
    return Features(ids, [0] * len(ids), example, IGNORED if target is None else target, places)


def entities(tags: Sequence[str], words: Sequence[str]) -> list[dict[str, Any]]:
    """The entities that tags spell, read as conlleval does: type, first word, last word + 1, text."""
    found: list[tuple[str, int, int]] = []
    for number, tag in enumerate(tags):
        place, kind = tag[:1], tag[2:]
        before = tags[number - 1] if number else "O"
        if tag == "O":
            continue
        if place in "BS" or before[2:] != kind or before[:1] in "OES":
            found.append((kind, number, number))
        found[-1] = (found[-1][0], found[-1][1], number + 1)
    return [
        {"type": kind, "start": first, "end": end, "text": " ".join(words[first:end])} for kind, first, end in found
    ]
