"""How often the first suggestion is the word that was meant, on errors planted in text that was not trained on.

One word of each passage is made wrong, as people do it; every other passage is for fitting the weights of the ranking
(--fit), the rest for measuring. Suggestions with the model's dictionary, and without it: those of the generator alone.

    python benchmarks/suggestions.py results/gpu/small --text TEXT --out results/suggestions.json

--words TEXT writes the model's dictionary from the text it was trained on, where `electra pretrain` has not.
"""

from __future__ import annotations

import argparse
import lzma
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from electra.core.hardware import provenance  # noqa: E402
from electra.core.storage import write_json  # noqa: E402
from electra.inference.detector import Detector, encode, expected_words, suggest  # noqa: E402
from electra.inference.fixing import SURE  # noqa: E402
from electra.inference.load import load  # noqa: E402
from electra.inference.model import Model  # noqa: E402
from electra.inference.suggestions import Place, Ranking, log_probabilities, odds_right  # noqa: E402
from electra.text.dictionary import FILE, count_words, write_dictionary  # noqa: E402
from electra.text.errors import kinds  # noqa: E402
from electra.text.errors.language import Language, find_language  # noqa: E402
from electra.text.errors.lexicon import Lexicon  # noqa: E402
from electra.text.errors.tagged import split_words  # noqa: E402
from electra.text.pieces import spans_in_text  # noqa: E402

KINDS = ("spelling", "confusable", "confused", "inflection", "doubled", "needless")
RANKED = ("spelling", "confusable", "confused", "inflection")  # kinds the weights are fitted on
WORDS = (12, 80)  # words of a passage, at least and at most
TRIES = 30  # words of a passage tried for an error
PENALTY = 1e-3  # on the squared weights that are fitted


class Error(NamedTuple):
    """A word that is wrong in its text, and what was there; "" if it is one too many."""

    place: Place
    meant: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a run, or a model folder with its generator")
    parser.add_argument("--text", required=True, help="text that was not trained on, a passage a line; .xz or plain")
    parser.add_argument("--words", help="training text: write the dictionary first")
    parser.add_argument("--errors", type=int, default=300, help="errors of each kind")
    parser.add_argument("--fit", action="store_true", help="fit the weights instead of measuring")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.words:
        normalise = load(options.model).tokenizer.backend.normalizer.normalize_str
        write_dictionary(Path(options.model), count_words(map(normalise, lines(options.words))))
    model = load(options.model, threads=1)
    assert isinstance(model, Detector) and model.candidates, f"{options.model} has no {FILE}: see --words"
    passages = [line for line in lines(options.text) if WORDS[0] <= len(line.split()) <= WORDS[1]]
    random.Random(0).shuffle(passages)
    planters = {kind: Planting(model, passages, kind) for kind in (RANKED if options.fit else KINDS)}
    part = passages[0::2] if options.fit else passages[1::2]
    errors = {kind: list(planting.errors(part, options.errors)) for kind, planting in planters.items()}
    if options.fit:
        print("weights of the generator, the discriminator and the edits:", fit(model, errors))
        return
    found: dict[str, Any] = {"model": options.model, "errors": options.errors, "threads": 1}
    for kind, there in errors.items():
        found[kind] = {"dictionary": measured(model, there), "generator": measured(without_dictionary(model), there)}
        print(kind, found[kind], flush=True)
        write_json(options.out, found | provenance("rapidfuzz"))


def lines(file: str) -> Iterator[str]:
    """The lines of a text file, which may be compressed."""
    with lzma.open(file, "rt") if file.endswith(".xz") else open(file) as text:
        yield from (line.strip() for line in text)


class Planting:
    """Errors of one kind."""

    def __init__(self, model: Detector, passages: list[str], kind: str) -> None:
        language = find_language("english")
        if kind == "confusable":  # pairs that differ in a letter or two: an error like any confused word
            language = Language()._replace(confused=language.confusable)
        self.change = kinds.KINDS["confused" if kind == "confusable" else kind].change
        self.model, self.lexicon, self.rng = model, Lexicon(passages, language), random.Random(kind)

    def errors(self, passages: list[str], count: int) -> Iterator[Error]:
        """At most `count` errors, one in a passage."""
        for passage in passages:
            error = self.plant(passage)
            if error:
                yield error
                count -= 1
            if not count:
                return

    def plant(self, passage: str) -> Error | None:
        """Make one word wrong; None if the kind fits no word that was tried."""
        spans = split_words(passage)
        words = [passage[a:b] for a, b in spans]
        for at in self.rng.sample(range(len(words)), min(TRIES, len(words))):
            edit = self.change(kinds.Place(words, at, words[at].lower()), self.lexicon, self.rng)
            if edit and edit.written:
                before, after = passage[: spans[at][0]], passage[spans[at + edit.taken - 1][1] :]
                number = [is_wrong for _, is_wrong in edit.written].index(True)
                written = [word for word, _ in edit.written]
                start = len(before) + len(" ".join([*written[:number], ""]))
                text = before + " ".join(written) + after
                return self.error(text, start, start + len(written[number]), "" if len(written) > 1 else words[at])
        return None

    def error(self, text: str, start: int, end: int, meant: str) -> Error | None:
        """The error as the model's tokeniser sees it; None if it cuts the word."""
        encoding = encode(self.model, text)
        spans = spans_in_text(text, encoding)
        numbers = [n for n, span in enumerate(spans) if (span.start, span.end) == (start, end)]
        return Error(Place(text, encoding.ids, spans, numbers[0]), meant) if numbers else None


def without_dictionary(model: Detector) -> Detector:
    """The same model, as if it had none."""
    return Detector(model.session, model.tokenizer, model.longest, model.generator, model.threshold)


def measured(model: Detector, errors: list[Error]) -> dict[str, float]:
    """How often the word that was meant is first, among five and among all; CPU time for a word by itself."""
    start = time.process_time()
    found = [suggest(model, [error.place])[0] for error in errors]
    seconds = time.process_time() - start
    ranks = [
        words.index(error.meant) if error.meant in words else 10**6
        for (words, _), error in zip(found, errors, strict=True)
    ]
    sure = [rank == 0 for rank, (_, certainty) in zip(ranks, found, strict=True) if certainty >= SURE]
    shares = {name: np.mean(np.array(ranks) < most) for name, most in (("at_1", 1), ("at_5", 5), ("any", 10**6))}
    shares |= {
        "sure": len(sure) / len(errors),
        "at_1_of_sure": np.mean(sure) if sure else 0.0,
        "candidates": np.mean([len(words) for words, _ in found]),
        "milliseconds_a_word": 1e3 * seconds / len(errors),
    }
    return {"errors": len(errors)} | {name: round(float(value), 3) for name, value in shares.items()}


def fit(model: Detector, errors: dict[str, list[Error]]) -> list[float]:
    """The weights under which the words that were meant are likeliest among the candidates (a conditional logit)."""
    from scipy.optimize import minimize

    sets = [each for there in errors.values() for each in features(model, there)]

    def loss(weights: np.ndarray) -> float:
        scores = [table @ weights for table, _ in sets]
        likelihood = [
            s[n] - s.max() - np.log(np.exp(s - s.max()).sum()) for s, (_, n) in zip(scores, sets, strict=True)
        ]
        return float(PENALTY * weights @ weights - np.mean(likelihood))

    return minimize(loss, np.ones(3)).x.round(2).tolist()


def features(model: Detector, errors: list[Error]) -> Iterator[tuple[np.ndarray, int]]:
    """Each error's candidates, [candidates, 3], and the number of the one that was meant, where it is among them."""
    assert model.generator is not None and model.candidates is not None
    generator = Model(model.generator, model.tokenizer, model.longest)
    ranking = Ranking(model, generator, model.candidates)
    for place, meant in errors:
        there = ranking.trials(place, expected_words(model, [place])[0])
        words, trials = [each.candidate.word for each in there], [each.trial for each in there]
        if meant in words:
            edits = [-each.candidate.edits for each in there]
            columns = log_probabilities(generator, trials), odds_right(model, trials), edits
            yield np.array(columns).T, words.index(meant)


if __name__ == "__main__":
    main()
