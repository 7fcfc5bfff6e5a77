"""How well wrong words are found and mended in held-out text, beside counting, a spell checker and, if given, rules.

Six kinds of errors, two in each text of 30 words: the generator's replacements, random words, confusable words,
misspellings, dropped words (the word behind the gap counts as wrong) and doubled words. AUC, average precision, and
clean words marked in 100 when half of the wrong ones are; suggestions that hold the right word at rank 1 and in five.

    python benchmarks/detection_quality.py runs/mine --text encyclopedia=wiki.txt.xz --text medical=medical.txt.xz \
        --out results/detection_quality.json

Texts must not have been trained on: --heldout 0.01 keeps the documents that `prepare --heldout 0.01` set apart.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from grammar_checker import grammar_scores  # noqa: E402

from electra.config import PrepareConfig  # noqa: E402
from electra.core.hardware import provenance  # noqa: E402
from electra.core.storage import read_json, write_json  # noqa: E402
from electra.data.chunks import is_heldout  # noqa: E402
from electra.data.corpus import Corpus  # noqa: E402
from electra.data.shards import open_examples  # noqa: E402
from electra.evaluation.counting import Ngrams  # noqa: E402
from electra.evaluation.scores import measure, model_scores, word_scores  # noqa: E402
from electra.inference.detector import Detector, Query, detect_texts  # noqa: E402
from electra.inference.load import load  # noqa: E402
from electra.text.errors.probes import Planted, plant_errors  # noqa: E402

KINDS = ("generator", "random", "confusable", "misspelling", "dropped", "doubled")
MENDABLE = ("generator", "random", "confusable", "misspelling")  # a word stands where the right one stood
DOCUMENTS = 3000  # read of each file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a run, or a model folder with its generator")
    parser.add_argument("--text", action="append", required=True, help="NAME=FILE, several times")
    parser.add_argument("--heldout", type=float, default=0.0, help="share that prepare set apart; 0: take all")
    parser.add_argument("--data", default="", help="prepared training text, for counting; default: the run's")
    parser.add_argument("--texts", type=int, default=400, help="texts of each kind")
    parser.add_argument("--mended", type=int, default=100, help="texts of each kind whose suggestions are judged")
    parser.add_argument("--grammar-checker", type=Path, help="a node_modules that holds harper.js: grammar_checker.py")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    model = load(options.model)
    scorers = {"model": lambda rows: model_scores(model, rows)} | counting(options, model)
    found: dict[str, Any] = {"model": options.model, "texts": options.texts}
    if options.grammar_checker:
        package = read_json(options.grammar_checker / "harper.js" / "package.json")
        found["grammar_checker"] = f"{package['name']} {package['version']}"
    for name, path in (text.split("=", 1) for text in options.text):
        documents = list(heldout_documents(path, options.heldout))
        found[name] = {"clean": clean(model, documents[: options.texts])}
        for kind in KINDS:
            texts = planted(model, documents, kind, options.texts)
            found[name][kind] = judged(model, texts, scorers, options.mended if kind in MENDABLE else 0)
            if options.grammar_checker and found[name][kind]["texts"]:
                found[name][kind]["grammar_checker"] = ruled(options.grammar_checker, texts)
            print(name, kind, found[name][kind], flush=True)
            write_json(options.out, found | provenance("pyspellchecker"))


def heldout_documents(path: str, share: float) -> Iterator[str]:
    """The first documents of a file that were not trained on, in lower case as the tokeniser reads them."""
    taken = 0
    for lines in Corpus(PrepareConfig((path,), heldout=share)):
        document = "\n".join(lines)
        if not share or is_heldout(document.encode(), share):
            taken += 1
            yield document.lower()
        if taken == DOCUMENTS:
            return


def counting(options: argparse.Namespace, model: Detector) -> dict[str, Any]:
    """Unigram rarity and bigram counts of the training text, where it is at hand."""
    data = options.data or read_json(Path(options.model) / "config.json").get("data", "")
    if not (Path(data) / "manifest.json").exists():
        return {}
    train = open_examples(data, "train")
    ngrams = Ngrams(np.concatenate(train.tokens), train.vocab_size, model.tokenizer.special_ids)
    return {
        "unigram": lambda rows: [ngrams.rarity(ids).tolist() for ids in rows],
        "bigram": lambda rows: [ngrams.strangeness(ids).tolist() for ids in rows],
    }


def planted(model: Detector, documents: list[str], kind: str, count: int) -> list[Planted]:
    """Texts with errors of a kind."""
    if kind != "generator":
        return plant_errors(documents, kind, count, seed=1)
    return [replaced_by_generator(model, text, n) for n, text in enumerate(plant_errors(documents, "random", count, 2))]


def replaced_by_generator(model: Detector, text: Planted, seed: int) -> Planted:
    """The same places, filled by what the generator samples there; a sample that is right is no error."""
    assert model.generator is not None, "this needs a model with its generator"
    words, is_wrong = [o or w for w, o in zip(text.words, text.originals, strict=True)], [False] * len(text.words)
    rng, tokenizer = torch.Generator().manual_seed(seed), model.tokenizer
    for place in (i for i, wrong in enumerate(text.is_wrong) if wrong):
        left, right = (tokenizer.encode(" ".join(part)).ids for part in (words[:place], words[place + 1 :]))
        half = (model.longest - 3) // 2
        row, where = model.row([*left[-half:], tokenizer.mask_id, *right[:half]]), min(len(left), half) + 1
        (logits,) = model.generator(model.pad([row]) | {"positions": np.array([[where]])}, ("logits",))
        drawn = int(torch.multinomial(torch.from_numpy(logits.ravel()).softmax(0), 1, generator=rng))
        sample = tokenizer.backend.decode([drawn]).strip()
        if sample.isalpha() and sample != words[place]:
            words[place], is_wrong[place] = sample, True
    return Planted(words, is_wrong, text.originals)


def clean(model: Detector, documents: list[str]) -> dict[str, float]:
    """Words in 100 that the stored threshold marks in text without errors."""
    texts = [" ".join(document.split()[:100]) for document in documents]
    words = [w for words in detect_texts(model, [Query(text, model.threshold, 0) for text in texts]) for w in words]
    count = sum(any(c.isalnum() for c in word.text) for word in words)
    marked = sum(word.is_marked(model.threshold) for word in words)
    return {"threshold": round(model.threshold, 4), "words": count, "marks_per_100": round(100 * marked / count, 3)}


def judged(model: Detector, texts: list[Planted], scorers: dict[str, Any], mended: int) -> dict[str, Any]:
    """All figures for texts of one kind."""
    texts = [text for text in texts if any(text.is_wrong)]
    row: dict[str, Any] = {"texts": len(texts)}
    if not texts:
        return row
    for name, score in scorers.items():
        row[name] = rounded(measure(*word_scores(texts, model.tokenizer, score))._asdict())
    spelling = Spelling()
    wrong = np.array([w for text in texts for w in text.is_wrong], float)
    row["spell_checker"] = rounded(
        measure(np.array([s for t in texts for s in map(spelling.score, t.words)]), wrong)._asdict()
    )
    if mended:
        row["suggestions"] = rounded(ranks(model, texts[:mended], spelling))
    return row


def ruled(node_modules: Path, texts: list[Planted]) -> dict[str, float]:
    """A checker that says yes or no: beside the curves' figures the one place on them where it stands."""
    texts = [text for text in texts if any(text.is_wrong)]
    scores = np.array([s for row in grammar_scores(node_modules, [t.words for t in texts]) for s in row])
    wrong = np.array([w for text in texts for w in text.is_wrong], float)
    place = {"recall": scores[wrong == 1].mean(), "false_alarms_there": 100 * scores[wrong == 0].mean()}
    return rounded(measure(scores, wrong)._asdict() | place)


def rounded(row: dict[str, float]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in row.items()}


class Spelling:
    """A spell checker that counts words and edits letters."""

    def __init__(self) -> None:
        from spellchecker import SpellChecker

        self.checker = SpellChecker()

    def score(self, word: str) -> float:
        """Higher is more suspicious: unknown words, then rare ones."""
        plain = word.strip(".,;:!?()\"'")
        return 1.0 - self.checker.word_usage_frequency(plain) if plain.isalpha() else 0.0

    def suggestions(self, word: str) -> list[str]:
        """Known words near it, the commonest first."""
        near = self.checker.candidates(word) or set()
        return sorted(near - {word}, key=lambda w: -self.checker.word_usage_frequency(w))[:5]


def ranks(model: Detector, texts: list[Planted], spelling: Spelling) -> dict[str, float]:
    """How often the right word is the first suggestion, and among five."""
    hits: dict[str, list[bool]] = {name: [] for name in ("at_1", "at_5", "spell_checker_at_1", "spell_checker_at_5")}
    for text, words in zip(texts, detect_texts(model, [Query(t.text, 0.0, 5) for t in texts]), strict=True):
        by_start = {word.start: word.suggestions for word in words}
        start = 0
        for word, is_wrong, original in zip(text.words, text.is_wrong, text.originals, strict=True):
            if is_wrong:
                for name, found in (
                    ("", list(by_start.get(start, ()))),
                    ("spell_checker_", spelling.suggestions(word)),
                ):
                    hits[name + "at_1"].append(original in found[:1])
                    hits[name + "at_5"].append(original in found)
            start += len(word) + 1
    return {name: float(np.mean(each)) for name, each in hits.items()}


if __name__ == "__main__":
    random.seed(0)
    main()
