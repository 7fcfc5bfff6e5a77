"""Wrong words: the discriminator's own question, asked of errors that people make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from electra.config.base import require
from electra.core.log import logger
from electra.models.kinds import Kind
from electra.tasks.base import Array, Task
from electra.tasks.error_evidence import fitted, weighed
from electra.tasks.error_features import Asked, FirstRow, right_words, rows_of, tells_case, unknown_words
from electra.tasks.error_metric import Scored, at_threshold, best_threshold, recall_by_kind, resampled, scored
from electra.tasks.error_sources import read_sources
from electra.tasks.examples import Draws, Example, Features, Prediction, Predictions, grouped
from electra.tasks.training_set import FixedSet, PlantedSet, TrainingSet
from electra.tasks.word_pieces import overlapping, words_of
from electra.text.dictionary import Dictionary, read_dictionary
from electra.text.errors.language import find_language
from electra.text.errors.passages import passages
from electra.text.errors.planting import Planter
from electra.text.errors.tagged import RIGHT, WRONG, Tagged, split_words
from electra.text.evidence import Evidence, Weights
from electra.text.labels import sigmoid
from electra.text.pieces import LEAST, PIECE_EVIDENCE, logit
from electra.text.tokenizer import Tokenizer
from electra.text.windows import Wanted

if TYPE_CHECKING:
    from torch import Tensor, nn

    from electra.interface import Packed
    from electra.models.encoder import Encoder
    from electra.models.heads import Network

LONGEST = 60  # words of a passage of clean text on which a model is measured
MARKS_PER_100 = 1.5  # right words in 100 that the stored threshold may mark
LIKELY = 0.5  # planted errors are plainer than people's, so what is best for them is too strict for people
MIX = 0.5
WEIGHT = "dictionary_"  # of the scores that are a dictionary's weights


class Errors(Task):
    """Which words are wrong? Learned by the pre-trained head, scored word by word as `detect` scores them.

    mix: share of planted examples beside labelled ones. language: lists of errors to plant. marks_per_100: right words
    in 100 that the threshold may mark. threshold: words from this probability on count as marked; None: the best on
    the data that is scored. evidence: what a dictionary adds to the network's odds.
    """

    main_metric: ClassVar[str] = "f0.5"
    heads: ClassVar[Mapping[str, Kind]] = {"linear": Kind.DISCRIMINATOR}
    keeps_head: ClassVar[bool] = True
    options: ClassVar[tuple[str, ...]] = ("mix", "language", "marks_per_100")
    wanted: ClassVar[Wanted | None] = None

    def __init__(
        self,
        labels: Sequence[str] = (),
        columns: Mapping[str, str] | None = None,
        mix: float | None = None,
        language: str | None = None,
        marks_per_100: float | None = None,
        threshold: float | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        super().__init__(labels, columns)
        self.mix, self.language, self.threshold, self.evidence = mix, language, threshold, evidence
        self.dictionary: Dictionary | None = None
        self.marks_per_100 = MARKS_PER_100 if marks_per_100 is None else marks_per_100

    def settings(self) -> dict[str, Any]:
        return {"columns": self.columns, **{name: getattr(self, name) for name in self.options}}

    # -- reading --

    def read_beside(self, folder: Path) -> None:
        """Read the dictionary of the pre-trained model; its weights are fitted to the data that is scored."""
        self.dictionary = read_dictionary(folder)

    def read(self, source: str, split: str = "train") -> list[Example]:
        """Read labelled texts and clean ones; to measure on, plant errors in the clean ones, always the same.

        An example has one text. Its label is the tokens of the text with their tags, None for clean training text.
        """
        clean, labelled = read_sources(source, split, self.columns)
        examples = [Example(str(n), (text.text,), text.tokens, where) for n, (text, where) in enumerate(labelled)]
        if split != "train" and clean:
            planter = self.planter(clean, cased=False)
            planted = [planter.plant(text, 0, 0, n) for n, text in enumerate(passages(clean, LONGEST))]
            return examples + [
                Example(str(n), (t.text,), t.tokens, source) for n, t in enumerate(planted, len(examples))
            ]
        return examples + [Example(str(n), (text,), None, source) for n, text in enumerate(clean, len(examples))]

    def planter(self, clean: Sequence[str], cased: bool) -> Planter:
        """Return a planter of the errors of the language; warn if the text is in another one."""
        language = find_language(self.language or "english")
        planter = Planter(clean, language, cased)
        if language.prepositions and not planter.lexicon.known.intersection(language.prepositions):
            logger.warning(f"the text has no word like {language.prepositions[0]!r}: is it in another language? "
                           "--language none plants errors without lists")  # fmt: skip
        return planter

    def learn(self, examples: Sequence[Example]) -> None:
        """Refuse labelled texts without a wrong word; report what there is."""
        labelled = [example for example in examples if example.label is not None]
        wrong = sum(token.tag != RIGHT for example in labelled for token in example.label)
        if labelled:
            self.labels = RIGHT, WRONG
            require(wrong > 0, f"{labelled[0].where}: no word is tagged as wrong; tag some with i")
        clean = len(examples) - len(labelled)
        require(
            self.mix is None or bool(labelled and clean), "--mix needs clean and labelled text: --train A.txt,B.jsonl"
        )
        there = [f"{clean:,} lines of clean text"] * bool(clean)
        there += [f"{len(labelled):,} labelled texts with {wrong:,} wrong words"] * bool(labelled)
        logger.info(", ".join(there))

    def labels_of(self, example: Example) -> Iterable[str]:
        return (RIGHT if token.tag == RIGHT else WRONG for token in example.label)

    # -- features --

    def encode(self, tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> list[Features]:
        """Turn texts into rows; one longer than a row is cut between words."""
        tagged = (Tagged(example.texts[0], example.label or ()) for example in examples)
        words = (words_of(tokenizer, text) for text in tagged)
        return [row for n, there in enumerate(words) for row in rows_of(tokenizer, max_length, there, n)]

    def training_set(self, tokenizer: Tokenizer, examples: Sequence[Example], max_length: int) -> TrainingSet:
        """Return the labelled texts, and the clean ones with errors planted as they are read."""
        labelled = self.encode(tokenizer, [e for e in examples if e.label is not None], max_length)
        clean = [e.texts[0] for e in examples if e.label is None]
        if not clean:
            return FixedSet(labelled)
        planter = self.planter(clean, tells_case(tokenizer))
        texts = list(passages(clean, max_length // 2))
        logger.info(f"errors are planted in {len(texts):,} passages: {', '.join(planter.names)}")
        share = MIX if self.mix is None else self.mix
        return PlantedSet(planter, texts, FirstRow(tokenizer, max_length), labelled, share)

    # -- training --

    def targets(self, features: Sequence[Features]) -> Tensor:
        """Return the number of each slot's word, and whether the word of that number is wrong, [N, 2, T]; -1: none."""
        import torch

        result = torch.full((len(features), 2, max(len(f.ids) for f in features)), -1)
        for row, feature in zip(result, features, strict=True):
            row[0, : len(feature.places)] = torch.tensor(feature.places)
            row[1, : len(feature.target)] = torch.tensor([is_wrong for _, _, is_wrong in feature.target])
        return result

    def build(self, encoder: Encoder, head: str = "linear") -> Network:
        from electra.models.heads import Discriminator

        return Discriminator(encoder)

    def run(self, network: nn.Module, packed: Packed, targets: Tensor | None = None) -> Tensor:
        """Return the logit of each token, [N, T, 1]."""
        from electra.models.task_heads import unpacked

        return unpacked(network(*packed[:4]), packed.tokens)[..., None]

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return the cross-entropy of each word's score as `detect` combines it, summed over the words, [N]."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        numbers, is_wrong = targets.unbind(1)
        pieces, words = (numbers >= 0).float(), numbers.clamp_min(0)
        count = outputs.new_zeros(numbers.shape).scatter_add(1, words, pieces).clamp_min(1)
        total = outputs.new_zeros(numbers.shape).scatter_add(1, words, outputs[..., 0] * pieces)
        scores = total / count + PIECE_EVIDENCE * count.log()
        losses = binary_cross_entropy_with_logits(scores, is_wrong.clamp_min(0).float(), reduction="none")
        return (losses * (is_wrong >= 0)).sum(-1)

    def config_entries(self, scores: Mapping[str, float]) -> dict[str, Any]:
        """Return the threshold that was best on the dev file, read by `load`."""
        if "threshold" not in scores:
            logger.warning("without --dev the threshold stays at 0.5; electra detect --calibrate sets it by clean text")
            return {}
        weights = {name: scores[WEIGHT + name] for name in Weights._fields if WEIGHT + name in scores}
        return {"detection_threshold": scores["threshold"]} | ({"dictionary_weights": weights} if weights else {})

    # -- answering --

    def collect(self, outputs: Mapping[str, Array], feature: Features) -> list[tuple[Asked, float]]:
        """Return each word with the probability that it is wrong, as `detect` gives it."""
        places = np.array(feature.places)
        slots = np.flatnonzero(places >= 0)
        logits = np.clip(outputs["logits"][slots], -logit(1 - LEAST), logit(1 - LEAST))
        count = np.bincount(places[slots], minlength=len(feature.target))
        means = np.bincount(places[slots], logits, len(feature.target)) / count
        return list(zip(feature.target, sigmoid(means + PIECE_EVIDENCE * np.log(count)).tolist(), strict=True))

    def decode(
        self, collected: Sequence[Any], features: Sequence[Features], examples: Sequence[Example]
    ) -> Predictions:
        """Return the words of each text and the probability that each is wrong, 0 for those that are never marked."""
        predictions = Predictions()
        for example, group in zip(examples, grouped(collected, features, len(examples)), strict=True):
            (text,), words = example.texts, [word for part in group for word in part]
            tokens = split_words(text) if example.label is None else [token[:2] for token in example.label]
            there, odds = overlapping(tokens, [asked for asked, _ in words]), [p for _, p in words]
            if self.evidence:
                odds = self.evidence.probabilities(text, [(a, b) for (a, b, _), _ in words], odds).tolist()
            found = [max((odds[n] for n in numbers), default=0.0) for numbers in there]
            predictions.append({"id": example.id, "words": [text[a:b] for a, b in tokens], "wrong": found})
        return predictions

    # -- scoring --

    def score(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Return the scores at the threshold, the threshold, and the recall of each kind of error.

        While a threshold is sought, so are the weights of a dictionary.
        """
        weights = dict[str, float]()
        if self.dictionary and self.threshold is None:
            found = fitted(self.dictionary, predictions, examples)
            weights = {WEIGHT + name: weight for name, weight in found._asdict().items()}
            predictions = weighed(Evidence(self.dictionary, found), predictions, examples)
        words = scored(predictions, examples)
        threshold = self.threshold_for(words)
        scores = at_threshold(words, threshold) | {"threshold": threshold} | weights
        return scores | recall_by_kind(words, threshold)

    def threshold_for(self, words: Scored) -> float:
        """Return the model's threshold, or the best for these words; a word likelier wrong than right is always marked.

        The exception is a threshold of 0.5 that would mark too many right words.
        """
        if self.threshold is not None:
            return self.threshold
        most = self.marks_per_100 / 100
        best, is_modest = best_threshold(words, most), at_threshold(words, LIKELY)["false_marks"] <= most
        return min(best, LIKELY) if is_modest else best

    def resampled(self, predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws) -> list[float]:
        return self.resampled_scores(predictions, examples, draws)[self.main_metric]

    def resampled_scores(
        self, predictions: Sequence[Prediction], examples: Sequence[Example], draws: Draws
    ) -> dict[str, list[float]]:
        words = scored(predictions, examples)
        return resampled(words, self.threshold_for(words), draws)

    def baselines(
        self, train: Sequence[Example], examples: Sequence[Example], learned: bool = True
    ) -> list[tuple[str, Predictions]]:
        """Return what a list of the training text's words finds: words that are not in it, except names."""
        if not train:
            return []
        known_words = {word for e in train for word in right_words(e)}
        return [("unknown words", [unknown_words(example, known_words) for example in examples])]
