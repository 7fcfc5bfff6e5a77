"""What makes a tiny ELECTRA learn: the tiny preset as it was under AdamW, with one change at a time.

    python benchmarks/tiny_recipes.py --out results/tiny_recipes.json adamw muon-2e-3 --tokens 2e6 --seeds 0,1
    python benchmarks/tiny_recipes.py --out results/tiny_recipes.json --source wiki.txt

Each recipe is trained from the start and measured on held-out text: the generator's loss, the discriminator's against
the replacements of one generator (the judge: that of AdamW after two million tokens), and planted wrong words as
`electra demo` measures them. Its row is added to the file, which makes the command resumable, as are the runs.
Without names all recipes are run.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from result_file import add
from sklearn.metrics import roc_auc_score

from electra.config import SIZES, PrepareConfig, PretrainConfig, find_preset
from electra.core.runs import read_metrics
from electra.core.storage import read_json
from electra.cost.bench import random_rows, training_step, windows
from electra.data.prepare import prepare
from electra.data.shards import open_examples
from electra.demo import REPLACED_EXAMPLES, heldout_documents
from electra.evaluation.counting import Ngrams
from electra.evaluation.replacements import replaced_examples
from electra.evaluation.scores import (
    KINDS,
    TEXTS,
    measure,
    model_scores,
    word_scores,
)
from electra.inference.detector import Detector
from electra.inference.load import load
from electra.pretraining.run import pretrain
from electra.text.errors.probes import plant_errors
from electra.text.pieces import word_spans
from electra.text.tokenizer import load_tokenizer

MUON = {"optimizer": "muon", "learning_rate": 2e-3}
COOLED = MUON | {"cooldown": 0.5}
SHORT = COOLED | {"random_sample_prob": 0.3, "short_stage": 0.9}
RECIPES: dict[str, dict[str, Any]] = {
    "adamw": {},
    "muon-1e-3": {"optimizer": "muon"},
    "muon-2e-3": MUON,
    "muon-2e-3-cooldown-0.5": COOLED,
    "muon-2e-3-cooldown-0.25": MUON | {"cooldown": 0.25},
    "muon-4e-3": MUON | {"learning_rate": 4e-3},
    "batch-16": {"train_batch_size": 16},
    "batch-8": {"train_batch_size": 8},
    "muon-2e-3-batch-16": MUON | {"train_batch_size": 16},
    "muon-1e-3-batch-16": {"optimizer": "muon", "train_batch_size": 16},
    "muon-15e-4-batch-8": {"optimizer": "muon", "learning_rate": 1.5e-3, "train_batch_size": 8},
    "lr-2e-3": {"learning_rate": 2e-3},
    "lr-5e-4": {"learning_rate": 5e-4},
    "lambda-10": {"disc_weight": 10.0},
    "batch-64-lr-2e-3": {"train_batch_size": 64, "learning_rate": 2e-3},
    "mask-10": {"mask_prob": 0.10},
    "muon-2e-3-cooldown-0.5-mask-25": COOLED | {"mask_prob": 0.25},
    "muon-2e-3-cooldown-0.5-random-20": COOLED | {"random_sample_prob": 0.2},
    "muon-2e-3-cooldown-0.5-random-30": COOLED | {"random_sample_prob": 0.3},
    "muon-2e-3-cooldown-0.5-random-40": COOLED | {"random_sample_prob": 0.4},
    "muon-2e-3-cooldown-0.5-random-30-short": SHORT,
    "muon-2e-3-cooldown-0.5-random-30-short-slow-generator": SHORT | {"generator_lr_scale": 0.6},  # the fast recipe
    "muon-2e-3-cooldown-0.5-random-30-batch-16": COOLED | {"random_sample_prob": 0.3, "train_batch_size": 16},
    "muon-3e-3-cooldown-0.5-random-30": COOLED | {"learning_rate": 3e-3, "random_sample_prob": 0.3},
    "temperature-1.5": {"temperature": 1.5},
    "share-none": {"share": "none"},
    "generator-half": {"generator_width": 0.5},
    "two-layers": {"num_hidden_layers": 2, "generator_depth": 0.5},
    "wide-256": {"hidden_size": 256, "num_attention_heads": 8, "intermediate_size": 1024, "generator_width": 0.5},
    "random-init": {"init": "random"},
    "dropout": {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1},
}
JUDGE_TOKENS = 2e6
ROUNDS = 15  # of ten steps each, when steps are timed
WORD_RULES = {  # from the scores of the pieces to that of the word
    "maximum": max, "mean": np.mean, "mean + 0.5 ln n": lambda p: np.mean(p) + 0.5 * math.log(len(p)),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help=", ".join(RECIPES))
    parser.add_argument("--source", default="python-docs")
    parser.add_argument("--tokens", type=float, default=6e6)
    parser.add_argument("--seeds", default="0", help="with commas")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--speed", action="store_true", help="only time the recipes' steps, in turn")
    parser.add_argument("--runs", default="runs/recipes", help="where prepared text and runs are kept")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    options.runs = Path(options.runs) / Path(options.source).stem
    if options.speed:
        runs = {name: configured(name, 0, options.tokens, options) for name in options.recipes or RECIPES}
        return add(options.out, "seconds_per_step", seconds_per_step(runs))
    asked = questions(options)
    if not (options.out.exists() and "bigram counts" in read_json(options.out)):
        add(options.out, "bigram counts", counting(str(options.runs / "data"), asked.texts))
    for seed, name in product(map(int, options.seeds.split(",")), options.recipes or RECIPES):
        config = configured(name, seed, options.tokens, options)
        pretrain(config)
        row = {"recipe": name, "seed": seed, "tokens": options.tokens} | measured(Path(config.out), asked)
        add(options.out, Path(config.out).name, row)
        print(row, flush=True)


class Questions(NamedTuple):
    """What every run is asked."""

    texts: dict[str, list]  # with planted words, by their kind
    replaced: tuple[list, list]  # the judge's replacements in held-out examples, and where they are


def questions(options: argparse.Namespace) -> Questions:
    """Prepare the text and train the judge, unless that was done."""
    source = PrepareConfig(
        (options.source,), str(options.runs / "data"), vocab_size=SIZES["tiny"].model.vocab_size, heldout=0.05
    )
    prepare(source)
    judge = configured("adamw", 0, JUDGE_TOKENS, options)
    pretrain(judge)
    texts = {kind: plant_errors(heldout_documents(source), kind, TEXTS, seed=1) for kind in KINDS}
    model = load(judge.out)
    assert isinstance(model, Detector) and model.generator
    return Questions(texts, replaced_examples(model.generator, model.tokenizer, judge, REPLACED_EXAMPLES))


def configured(name: str, seed: int, tokens: float, options: argparse.Namespace) -> PretrainConfig:
    """ELECTRA's tiny preset under AdamW, without memory, with a recipe's changes to the model or the run."""
    fast, changes = find_preset("tiny", "electra"), RECIPES[name]
    base = replace(
        SIZES["tiny"], model=replace(fast.model, memory=0), init=fast.init, adam_beta2=fast.adam_beta2,
        mask_token_prob=fast.mask_token_prob,
    )  # fmt: skip
    of_model = {key: value for key, value in changes.items() if hasattr(base.model, key)}
    of_run = {key: value for key, value in changes.items() if key not in of_model}
    return replace(
        base, model=replace(base.model, **of_model), data=str(options.runs / "data"), max_tokens=int(tokens),
        out=str(options.runs / f"{name}-{tokens / 1e6:g}M-{seed}"), threads=options.threads, seed=seed,
        train_steps=1_000_000, eval_steps=200, save_steps=500, save_total_limit=1, log_steps=100, **of_run,
    )  # fmt: skip


def seconds_per_step(configs: dict[str, PretrainConfig]) -> dict[str, float]:
    """The median seconds of a compiled step of each run, in full rows or those of its short stage, in turn."""
    steps: dict[str, Callable[[], None]] = {}
    times: dict[str, list[float]] = {name: [] for name in configs}
    for name, run in configs.items():
        config = replace(run, compile="on")
        whole = config.model.max_position_embeddings
        length = config.short_length if config.short_stage else whole
        batches = random_rows(config.model.vocab_size, config.train_batch_size * whole // length, length)
        steps[name], _ = training_step(config, batches)
    for _, name in product(range(ROUNDS), times):
        times[name] += windows(steps[name], 1, 10, torch.device("cpu"))
    return {name: round(statistics.median(each), 4) for name, each in times.items()}


def measured(run: Path, asked: Questions) -> dict[str, Any]:
    """All figures of a run."""
    model, last = load(run), read_metrics(run)[-1]
    row: dict[str, Any] = {name: round(last[name], 4) for name in ("gen_loss", "disc_loss", "disc_auc")}
    examples, is_replaced = asked.replaced
    labels, odds = np.concatenate(is_replaced), np.concatenate(model_scores(model, examples))
    row["judged_loss"] = round(float(np.logaddexp(0, np.where(labels, -odds, odds)).mean()), 4)
    row["judged_auc"] = round(float(roc_auc_score(labels, odds)), 4)
    for kind, planted in asked.texts.items():
        row[kind] = {rule: by_rule(planted, model, rule) for rule in WORD_RULES}
    return row


def by_rule(texts: list, model: Detector, rule: str) -> dict[str, float]:
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
