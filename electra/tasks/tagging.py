"""A tag for every word: entities and chunks (BIO, BIOES, IOB1), or plain tags such as parts of speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from electra.core.log import logger
from electra.models.kinds import Kind
from electra.tasks.base import Array, Task
from electra.tasks.columns import Columns
from electra.tasks.examples import (
    IGNORED,
    Draws,
    Example,
    Features,
    Prediction,
    Predictions,
    Raw,
    Sample,
    as_list,
    grouped,
    known,
    require_a_tag_each,
)
from electra.text.errors.tagged import RIGHT, joined
from electra.text.labels import Tag, word_tags
from electra.text.pieces import split_as_detected
from electra.text.records import Record
from electra.text.tags import begun, entities, spans_are_tagged
from electra.text.tokenizer import Tokenizer
from electra.text.windows import Wanted, word_windows

if TYPE_CHECKING:
    from torch import Tensor

    from electra.models.encoder import Encoder
    from electra.models.heads import Network


class Tagging(Task):
    """A tag for each word, read off the word's first piece; long sentences are split into windows."""

    main_metric: ClassVar[str] = "f1"
    wanted: ClassVar[Wanted | None] = None
    heads: ClassVar[Mapping[str, Kind]] = {"linear": Kind.TAGGER}
    length: ClassVar[int] = 256
    splits_words: ClassVar[bool] = True
    text_names: ClassVar[tuple[str, ...]] = ("tokens", "words", "text", "sentence")
    pair_names: ClassVar[tuple[str, ...]] = ()
    label_names: ClassVar[tuple[str, ...]] = (
        "tags", "ner_tags", "labels", "chunk_tags", "pos_tags", "upos", "pos", "label",
    )  # fmt: skip

    @classmethod
    def recognises(cls, sample: Sample) -> bool:
        """Return whether a row is a list of words."""
        return bool({"tokens", "words"} & sample.columns) or sample.text_is_list

    def example(self, record: Record, columns: Columns, number: int) -> Example:
        """Turn a row of words and tags into an example; a plain text is split at its blanks."""
        words = as_list(record.fields.get(columns.text))
        if not words:
            raise ValueError(f"{record.where} has no words in column {columns.text!r}; remove the row")
        raw = record.fields.get(columns.label) if columns.label else None
        tags = None if raw is None else tuple(str(tag) for tag in as_list(raw))
        require_a_tag_each(words, tags, record.where)
        return Example(str(record.fields.get("id") or number), tuple(words), tags, record.where)

    def asked(self, given: str | Sequence[str], number: int, tokenizer: Tokenizer) -> Example:
        """Turn words, or a text, which is split as `detect` splits it, into an example."""
        if not isinstance(given, str):
            return Example(str(number), tuple(given))
        spans = split_as_detected(given, tokenizer.encode(given))
        return Example(str(number), tuple(given[a:b] for a, b in spans), raw=Raw(given, tuple(spans)))

    def read(self, source: str, split: str = "train") -> list[Example]:
        """Read sentences; IOB1, whose entities may begin with I-, is turned into BIO."""
        return [e if e.label is None else e._replace(label=begun(e.label)) for e in super().read(source, split)]

    def labels_of(self, example: Example) -> Iterable[str]:
        tags: Iterable[str] = example.label
        return tags

    def numbered(self, examples: Sequence[Example]) -> dict[str, int]:
        """Return the number of each tag; rare tags that only an official test set holds count as missed."""
        found = {tag for example in examples for tag in example.label or ()} - {"O"}
        if not found.intersection(self.labels):
            return self.index(examples)
        if unseen := sorted(found.difference(self.labels)):
            logger.warning(
                f"{examples[0].file}: the training data has no {', '.join(unseen)}; words tagged so count as missed"
            )
        return {tag: number for number, tag in enumerate(self.labels)}

    def encode(self, tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> list[Features]:
        """Turn sentences into rows of pieces; a word without any piece is one unknown token."""
        numbers = self.numbered(examples)
        features = []
        rows = word_windows(tokenizer, [example.texts for example in examples], max_length)
        for number, (example, windows) in enumerate(zip(examples, rows, strict=True)):
            target = IGNORED if example.label is None else [numbers.get(t, IGNORED) for t in example.label]
            features += [Features(w.ids, w.token_type_ids, number, target, w.places, w.is_cut) for w in windows]
        return features

    def targets(self, features: Sequence[Features]) -> Tensor:
        """Return the tag's number at first pieces and IGNORED elsewhere, [N, T]."""
        import torch

        result = torch.full((len(features), max(len(f.ids) for f in features)), IGNORED)
        for row, feature in zip(result, features, strict=True):
            if feature.target != IGNORED:
                row[: len(feature.ids)] = torch.tensor(
                    [IGNORED if word < 0 else feature.target[word] for word in feature.places]
                )
        return result

    def build(self, encoder: Encoder, head: str = "linear") -> Network:
        from electra.models.task_heads import Tagger

        return Tagger(encoder, len(self.labels))

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return cross-entropy, summed over the words as in the original, [N]."""
        from torch.nn.functional import cross_entropy

        logits = outputs[:, : targets.shape[1]].transpose(1, 2)
        return cross_entropy(logits, targets, reduction="none", ignore_index=IGNORED).sum(-1)

    def collect(self, outputs: Mapping[str, Array], feature: Features) -> list[Tag]:
        """Return the likeliest tag of each word, in the order of the words."""
        return word_tags(self.labels, outputs["logits"], feature.places)

    def decode(
        self, collected: Sequence[Any], features: Sequence[Features], examples: Sequence[Example]
    ) -> Predictions:
        """Return the tags of each sentence, their probabilities, and the entities they spell.

        Of a text as given, words and entities have their offsets in it.
        """
        has_spans, predictions = spans_are_tagged(self.labels), Predictions()
        for example, group in zip(examples, grouped(collected, features, len(examples)), strict=True):
            found = [tag for part in group for tag in part]
            tags = [tag.name for tag in found]
            entry: dict[str, Any] = {"id": example.id, "tokens": list(example.texts), "tags": tags}
            entry["scores"] = [tag.probability for tag in found]
            if example.raw:
                entry["offsets"] = [list(span) for span in example.raw.spans]
            predictions.append(entry | ({"entities": found_entities(tags, example)} if has_spans else {}))
        return predictions

    def score(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Return precision, recall and F1 of entities (as conlleval), or micro F1 of plain tags; word accuracy."""
        pairs = known(predictions, examples)
        guesses, gold = [p["tags"] for p, _ in pairs], [list(e.label) for _, e in pairs]
        right = [a == b for g, h in zip(guesses, gold, strict=True) for a, b in zip(g, h, strict=True)]
        accuracy = sum(right) / len(right)
        if not self.has_spans([e for _, e in pairs]):
            return {"accuracy": accuracy, "f1": accuracy}  # one tag a word: micro F1 is accuracy
        from seqeval.metrics import f1_score, precision_score, recall_score

        return {
            "f1": float(f1_score(gold, guesses, zero_division=0)),
            "precision": float(precision_score(gold, guesses, zero_division=0)),
            "recall": float(recall_score(gold, guesses, zero_division=0)),
            "accuracy": accuracy,
        }

    def has_spans(self, examples: Sequence[Example]) -> bool:
        """Return whether whole entities are scored."""
        return spans_are_tagged(self.labels or sorted({tag for example in examples for tag in example.label}))

    def resampled(self, predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws) -> list[float]:
        """Return the F1 of each draw, from each sentence's counts of right, predicted and gold entities (or words)."""
        has_spans = self.has_spans(examples)
        pairs = zip(predictions, examples, strict=True)
        counts = np.array([matches(p["tags"], e.label, has_spans) for p, e in pairs])
        right, given, there = np.array([counts[drawn].sum(0) for drawn in draws]).T
        scores: list[float] = (2 * right / np.maximum(1, given + there)).tolist()
        return scores

    def constant(self, train: Sequence[Example]) -> Callable[[Example], dict[str, Any]]:
        """Return a function that answers with each word's commonest tag, the commonest of all for unknown words."""
        by_word: dict[str, Counter[str]] = {}
        for e in train:
            for word, tag in zip(e.texts, e.label, strict=True):
                by_word.setdefault(word, Counter())[tag] += 1
        common = Counter(tag for e in train for tag in e.label).most_common(1)[0][0]
        best = {word: tags.most_common(1)[0][0] for word, tags in by_word.items()}
        return lambda example: {"tags": [best.get(word, common) for word in example.texts]}


def found_entities(tags: Sequence[str], example: Example) -> list[dict[str, Any]]:
    """Return the entities in the tags: type, words from `start` to `end`, text; and characters, of a text as given."""
    raw, result = example.raw, []
    for kind, first, end in entities(tags):
        entity: dict[str, Any] = {"type": kind, "start": first, "end": end}
        if raw:
            start_char, end_char = raw.spans[first][0], raw.spans[end - 1][1]
            place = {"start_char": start_char, "end_char": end_char}
            result.append(entity | place | {"text": raw.text[start_char:end_char]})
        else:
            words = example.texts[first:end]
            result.append(entity | {"text": joined(words, [RIGHT] * len(words)).text})
    return result


def matches(guessed: Sequence[str], gold: Sequence[str], has_spans: bool) -> tuple[int, int, int]:
    """Return the numbers of right, predicted and gold entities (or words) of a sentence."""
    if not has_spans:
        return sum(a == b for a, b in zip(guessed, gold, strict=True)), len(guessed), len(gold)
    given, there = (set(entities(tags)) for tags in (guessed, gold))
    return len(given & there), len(given), len(there)
