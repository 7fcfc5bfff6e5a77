"""How well a detector finds the words that people get wrong, beside three that learned nothing from errors.

A spell checker (a lower-case word that pyspellchecker does not know is wrong), counts of neighbouring words in the
training text, and, if given, rules (Harper, from npm). Each on labelled texts and on errors planted in held-out text:
F0.5 at its own place, at the model's threshold, and of the model where it marks as many right words.

    python benchmarks/wrong_words.py MODEL --labelled fce=fce_dev.jsonl --text encyclopedia=heldout.txt \\
        --data PREPARED --grammar-checker node_modules --out results/wrong_words.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from grammar_checker import grammar_scores  # noqa: E402

from electra.core.hardware import provenance  # noqa: E402
from electra.core.storage import read_json, write_json  # noqa: E402
from electra.data.shards import open_examples  # noqa: E402
from electra.evaluation.counting import Ngrams  # noqa: E402
from electra.inference.detector import Detector  # noqa: E402
from electra.inference.load import load  # noqa: E402
from electra.inference.task_model import TaskModel  # noqa: E402
from electra.tasks.error_metric import Scored, at_threshold, best_threshold, resampled, scored  # noqa: E402
from electra.tasks.errors import MARKS_PER_100, Errors  # noqa: E402
from electra.tasks.examples import Example  # noqa: E402
from electra.text.errors.probes import plant_errors  # noqa: E402
from electra.text.errors.tagged import RIGHT, WRONG, Token  # noqa: E402
from electra.text.labels import sigmoid  # noqa: E402
from electra.text.pieces import word_score, word_spans  # noqa: E402
from electra.text.tokenizer import Tokenizer  # noqa: E402

Found = list[list[float]]  # a score for each word of each text; a higher one is more suspicious
Checker = Callable[[Sequence[Example]], Found]
KINDS = ("random", "misspelling", "confusable", "doubled")
TEXTS = 400  # of each kind of planted errors, two in each
DRAWS = 1000  # bootstrap draws of the texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a detector")
    parser.add_argument("--labelled", action="append", default=[], help="NAME=FILE of labelled texts, several times")
    parser.add_argument("--text", action="append", default=[], help="NAME=FILE of held-out text, several times")
    parser.add_argument("--data", help="prepared training text, whose neighbouring words are counted")
    parser.add_argument("--grammar-checker", type=Path, help="a node_modules that holds harper.js")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    model = load(options.model)
    checkers: dict[str, Checker] = {"model": detector(model), "spell_checker": spell_checker()}
    found: dict[str, Any] = {"model": options.model, "threshold": model.threshold, "bootstrap_draws": DRAWS}
    if options.data:
        checkers["bigrams"] = neighbours(options.data, model.tokenizer)
    if options.grammar_checker:
        package = read_json(options.grammar_checker / "harper.js" / "package.json")
        found["grammar_checker"] = f"{package['name']} {package['version']}"
        checkers["grammar_checker"] = rules(options.grammar_checker)
    for name, file in (given.split("=", 1) for given in options.labelled):
        found[name] = compared(Errors(threshold=0.5).read(file, "dev"), checkers, model.threshold)
        print(name, found[name], flush=True)
    for name, file in (given.split("=", 1) for given in options.text):
        for kind in KINDS:
            examples = planted(Path(file).read_text("utf-8"), kind)
            found[f"{name}_{kind}"] = compared(examples, checkers, model.threshold)
            print(name, kind, found[f"{name}_{kind}"], flush=True)
    write_json(options.out, found | provenance("pyspellchecker"))


# -- what is marked --


def planted(text: str, kind: str) -> list[Example]:
    """Return texts of thirty words, two of each wrong."""
    examples = []
    for number, probe in enumerate(plant_errors(text.split("\n\n"), kind, TEXTS, seed=1)):
        ends = np.cumsum([len(word) + 1 for word in probe.words]) - 1
        spans = zip(probe.words, ends.tolist(), probe.is_wrong, strict=True)
        label = tuple(Token(end - len(word), end, WRONG if wrong else RIGHT) for word, end, wrong in spans)
        examples.append(Example(str(number), (probe.text,), label, kind))
    return examples


def words_of(example: Example) -> list[str]:
    """Return the words of a text as its labels cut them."""
    return [example.texts[0][token.start : token.end] for token in example.label]


# -- the checkers --


def detector(model: Detector) -> Checker:
    """Return the model's probability that a word is wrong."""
    task = Errors(threshold=model.threshold, evidence=model.evidence)
    asked = TaskModel(model.session, task, "errors", model.tokenizer, model.longest)
    return lambda examples: [answer["wrong"] for answer in asked.answer(examples)]


def spell_checker() -> Checker:
    """Return 1 for a lower-case word that the spell checker does not know, else 0."""
    from spellchecker import SpellChecker

    known = SpellChecker()

    def score(word: str) -> float:
        plain = word.strip(".,;:!?()\"'’”“")
        return float(plain.isalpha() and plain.islower() and plain not in known)

    return lambda examples: [[score(word) for word in words_of(example)] for example in examples]


def neighbours(data: str, tokenizer: Tokenizer) -> Checker:
    """Return how seldom a word's pieces stand beside their neighbours in the training text."""
    train = open_examples(data, "train")
    ngrams = Ngrams(np.concatenate(train.tokens), train.vocab_size, tokenizer.special_ids)

    def score(example: Example) -> list[float]:
        words = words_of(example)
        encoding = tokenizer.backend.encode(words, is_pretokenized=True, add_special_tokens=False)
        pieces, scores = ngrams.strangeness(encoding.ids).tolist(), [0.0] * len(words)
        for first, last in word_spans(encoding.word_ids):
            scores[encoding.word_ids[first] or 0] = float(sigmoid(word_score(pieces[first : last + 1])))
        return scores

    return lambda examples: [score(example) for example in examples]


def rules(node_modules: Path) -> Checker:
    """Return 1 for a word that a rule objects to, else 0."""
    return lambda examples: grammar_scores(node_modules, [words_of(example) for example in examples])


# -- the figures --


def compared(examples: Sequence[Example], checkers: dict[str, Checker], threshold: float) -> dict[str, Any]:
    """Return each checker's figures where it stands, and the model's where it marks as many right words."""
    words = {
        name: scored([{"wrong": row} for row in check(examples)], examples)  # type: ignore[arg-type]
        for name, check in checkers.items()
    }
    result: dict[str, Any] = {"texts": len(examples)}
    for name, there in words.items():
        yes_or_no = len(np.unique(there.probability)) <= 2
        at = threshold if name == "model" else 0.5 if yes_or_no else best_threshold(there, MARKS_PER_100 / 100)
        result[name] = figures(there, at)
        if name != "model":
            equal = best_threshold(words["model"], result[name]["false_marks"])
            result[name]["model_at_equal_marks"] = figures(words["model"], equal)
    return result


def figures(words: Scored, threshold: float) -> dict[str, Any]:
    """Return the scores at a threshold, the interval of F0.5 and the area under the curve."""
    draws: NDArray[np.int64] = np.random.default_rng(0).integers(0, words.text.max() + 1, (DRAWS, words.text.max() + 1))
    interval = np.quantile(resampled(words, threshold, draws)["f0.5"], (0.025, 0.975))
    area = roc_auc_score(words.is_wrong, words.probability)
    row = at_threshold(words, threshold) | {"threshold": threshold, "auc": float(area)}
    return {name: round(value, 4) for name, value in row.items()} | {"f0.5_interval": interval.round(4).tolist()}


if __name__ == "__main__":
    main()
