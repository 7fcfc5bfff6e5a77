"""What makes a tiny ELECTRA learn: the tiny preset with one change at a time, for the same number of tokens.

    python benchmarks/tiny_recipes.py --out results/tiny_recipes.json preset lr-2e-3 two-layers

Each recipe is trained from the start and measured as `electra demo` measures; its row is added to the file, which
makes the command resumable. Without names all recipes that the file lacks are run.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from electra.config import PRESETS, PrepareConfig, PretrainConfig
from electra.data.errors import plant_errors
from electra.data.ngrams import Ngrams
from electra.data.shards import open_examples
from electra.data.tokenizer import load_tokenizer
from electra.demo import KINDS, TEXTS, heldout_documents, measure, model_scores, word_scores
from electra.detect import word_spans
from electra.detection.pretrained import Model
from electra.machine import provenance
from electra.predict import load
from electra.prepare import prepare
from electra.pretrain import pretrain
from electra.storage import read_json, write_json
from electra.training.log import read_metrics

RECIPES: dict[str, dict[str, Any]] = {
    "preset": {},
    "lr-2e-3": {"learning_rate": 2e-3},
    "lr-5e-4": {"learning_rate": 5e-4},
    "lambda-10": {"disc_weight": 10.0},
    "batch-64-lr-2e-3": {"train_batch_size": 64, "learning_rate": 2e-3},
    "mask-10": {"mask_prob": 0.10},
    "temperature-1.5": {"temperature": 1.5},
    "share-none": {"share": "none"},
    "two-layers": {"num_hidden_layers": 2, "generator_depth": 0.5},
    "wide-256": {"hidden_size": 256, "num_attention_heads": 8, "intermediate_size": 1024, "generator_width": 0.5},
    "random-init": {"init": "random"},
}
WORD_RULES = {"maximum": max, "mean": np.mean} | {  # from the scores of the pieces to that of the word
    f"mean + {w} ln n": lambda p, w=w: np.mean(p) + w * math.log(len(p)) for w in (0.3, 0.5, 1.0)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help=", ".join(RECIPES))
    parser.add_argument("--source", default="python-docs")
    parser.add_argument("--tokens", type=float, default=6e6)
    parser.add_argument("--data", default="runs/recipes/data", help="where prepared text is kept")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = read_json(options.out) if options.out.exists() else {}
    source = PrepareConfig((options.source,), options.data, vocab_size=PRESETS["tiny"].model.vocab_size, heldout=0.05)
    prepare(source)
    texts = {kind: plant_errors(heldout_documents(source), kind, TEXTS, seed=1) for kind in KINDS}
    if "bigram counts" not in found:
        found["bigram counts"] = counting(options.data, texts)
    for name in options.recipes or [name for name in RECIPES if name not in found]:
        found[name] = run(recipe(RECIPES[name], options), texts)
        write_json(options.out, found | {"tokens": options.tokens, **provenance()})
        print(name, found[name], flush=True)


def recipe(changes: dict[str, Any], options: argparse.Namespace) -> PretrainConfig:
    """The tiny preset with changes to the model or the run."""
    base = PRESETS["tiny"]
    of_model = {name: value for name, value in changes.items() if hasattr(base.model, name)}
    of_run = {name: value for name, value in changes.items() if name not in of_model}
    return replace(
        base, model=replace(base.model, **of_model), data=options.data, max_tokens=int(options.tokens),
        train_steps=1_000_000, eval_steps=0, save_steps=0, log_steps=200, **of_run,
    )  # fmt: skip


def run(config: PretrainConfig, texts: dict[str, list]) -> dict[str, Any]:
    """Train and measure."""
    with tempfile.TemporaryDirectory() as folder:
        pretrain(replace(config, out=folder))
        model = load(folder)
        last = read_metrics(Path(folder))[-1]
    row = {"seconds": round(last["seconds"]), "tokens_per_second": round(last["tokens"] / last["seconds"])}
    row |= {name: round(last[name], 4) for name in ("gen_loss", "disc_loss", "disc_auc")}
    for kind, planted in texts.items():
        row[kind] = {rule: by_rule(planted, model, rule) for rule in WORD_RULES}
    return row


def by_rule(texts: list, model: Model, rule: str) -> dict[str, float]:
    """AUC, AP and false alarms where a word's score is made from its pieces' by a rule."""
    encodings = [model.tokenizer.backend.encode(t.words, is_pretokenized=True, add_special_tokens=False) for t in texts]
    scores, wrong = [], []
    for text, encoding, pieces in zip(texts, encodings, model_scores(model, [e.ids for e in encodings]), strict=True):
        for first, last in word_spans(encoding.word_ids):
            scores.append(WORD_RULES[rule](pieces[first : last + 1]))
            wrong.append(text.is_wrong[encoding.word_ids[first] or 0])
    return {
        name: round(value, 3) for name, value in measure(np.array(scores), np.array(wrong, float))._asdict().items()
    }


def counting(data: str, texts: dict[str, list]) -> dict[str, Any]:
    """The same of bigram counts of the training text."""
    train, tokenizer = open_examples(data, "train"), load_tokenizer(data)
    ngrams = Ngrams(np.concatenate(train.tokens), train.vocab_size, tokenizer.special_ids)

    def score(rows: list) -> list:
        return [ngrams.strangeness(ids).tolist() for ids in rows]

    by_demo = {kind: measure(*word_scores(planted, tokenizer, score))._asdict() for kind, planted in texts.items()}
    return {kind: {name: round(value, 3) for name, value in found.items()} for kind, found in by_demo.items()}


if __name__ == "__main__":
    main()
