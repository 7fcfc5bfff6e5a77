"""Continue a general tiny model on text of a field, with and without new entries in its vocabulary, at equal compute.

    python benchmarks/extension.py --general WIKI.txt --field MEDICAL.txt --tasks TASKS --out results/extension.json

All runs start from one general model and spend as many operations as `--tokens` in the general model's vocabulary. Each
is measured on the field's held-out text: the losses a token and a character, planted wrong words as `electra demo`
measures them, and tasks, fine-tuned once for each seed. Rows `at the start` are the losses before any training. A row
that is in the file is not measured again, and runs continue.
"""

from __future__ import annotations

import argparse
import lzma
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
from backbones import measured, planted
from result_file import add

from electra.config import EvaluateConfig, PrepareConfig, PretrainConfig, find_preset
from electra.core.runs import last_evaluation
from electra.core.storage import read_json
from electra.cost.operations import flops_per_token
from electra.data.chunks import is_heldout
from electra.data.corpus import Corpus
from electra.data.prepare import prepare
from electra.data.shards import open_examples
from electra.finetuning.evaluate import evaluate
from electra.pretraining.run import pretrain
from electra.text.tokenizer import load_tokenizer

VOCABULARY = 8192
CONTESTANTS = {  # entries that are added, and where their vectors come from
    "the general vocabulary": (0, "mean"),
    "new entries, means": (2000, "mean"),
    "new entries, counts": (2000, "counts"),
}
TASKS = {"ncbi_disease": (2.0, 0), "rct_sections": (1.0, 8_000)}  # epochs, and examples to train on; 0: all
RATE = 1e-3  # of continued training and of fine-tuning


def main() -> None:
    options = read_options()
    general = pretrained_general(options)
    sources = {count: prepared(options, general, count) for count in {count for count, _ in CONTESTANTS.values()}}
    add(options.out, "vocabulary", read_json(Path(sources[2000].out) / "extension.json") | {"entries": 2000})
    texts = planted(sources[0])
    for name in CONTESTANTS:
        once(options.out, f"{name}, at the start", lambda name=name: at_the_start(options, general, name, sources))
    main, means, counts = CONTESTANTS
    for names in ((main, means), (counts,)):  # the question first, then whether other vectors are better
        pairs = list(product(range(options.seeds), names))
        for seed, name in pairs:
            run = continued(options, general, name, seed, sources)
            once(options.out, f"{name}, seed {seed}", lambda run=run: row(run, texts))
        for (seed, name), task in product(pairs, TASKS):
            model = str(folder_of(options, name, seed))
            once(
                options.out,
                f"{name}, seed {seed}, {task}",
                lambda m=model, t=task, s=seed: fine_tuned(options, m, t, s),
            )
    for task in TASKS:
        once(options.out, f"general, {task}", lambda task=task: fine_tuned(options, general, task, 0))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--general", required=True, help="general text")
    parser.add_argument("--field", required=True, help="text of a field")
    parser.add_argument("--tasks", required=True, type=Path, help="folder of the tasks")
    parser.add_argument("--general-tokens", type=float, default=1.8e6, help="that the general model is trained on")
    parser.add_argument("--tokens", type=float, default=5e5, help="of a run in the general vocabulary")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", default="runs/extension", type=Path, help="where prepared text and runs are kept")
    parser.add_argument("--out", required=True, type=Path)
    return parser.parse_args()


def once(file: Path, name: str, measure: Any) -> None:
    """Add a row that the file does not have."""
    if not file.exists() or name not in read_json(file):
        found = measure()
        add(file, name, found)
        print(name, found, flush=True)


# -- runs --------------------------------------------------------------------------------------------------------------


def pretrained_general(options: argparse.Namespace) -> str:
    """The folder of the general model."""
    data = str(options.runs / "general-data")
    prepare(PrepareConfig((options.general,), data, vocab_size=VOCABULARY, num_workers=1))
    config = settings(data, options.runs / "general", options.general_tokens, 0)
    pretrain(config)
    return config.out


def prepared(options: argparse.Namespace, general: str, count: int) -> PrepareConfig:
    """The field's text in the general vocabulary with `count` entries more."""
    out = str(options.runs / f"field-data-{count}")
    config = PrepareConfig((options.field,), out, tokenizer=general, extend=count, num_workers=1)
    prepare(config)
    return config


def settings(data: str, out: Path, tokens: float, seed: int, **changes: Any) -> PretrainConfig:
    """The tiny preset for as many tokens; warmed up in a tenth of its steps."""
    preset = find_preset("tiny")
    steps = int(tokens / preset.train_batch_size / 128)
    return replace(
        preset, data=data, out=str(out), max_tokens=int(tokens), train_steps=1_000_000, seed=seed, threads=1,
        warmup_steps=max(1, steps // 10), eval_steps=0, eval_batches=1000, save_steps=500, save_total_limit=1,
        log_steps=50, **changes,
    )  # fmt: skip


def continued(
    options: argparse.Namespace, general: str, name: str, seed: int, sources: dict[int, PrepareConfig]
) -> PretrainConfig:
    """A run from the general model, for the operations of `--tokens` in the general vocabulary."""
    count, vectors = CONTESTANTS[name]
    shape = find_preset("tiny").model
    costs = [
        flops_per_token(replace(find_preset("tiny"), model=replace(shape, vocab_size=V)), 128)["total"]
        for V in (VOCABULARY, VOCABULARY + count)
    ]
    out = folder_of(options, name, seed)
    changes = dict(init=general, init_vectors=vectors, learning_rate=RATE)
    config = settings(sources[count].out, out, options.tokens * costs[0] / costs[1], seed, **changes)
    pretrain(config)
    return config


def folder_of(options: argparse.Namespace, name: str, seed: int) -> Path:
    """The folder of a run."""
    return options.runs / f"{name.replace(' ', '-').replace(',', '')}-{seed}"


# -- measuring ---------------------------------------------------------------------------------------------------------


def at_the_start(
    options: argparse.Namespace, general: str, name: str, sources: dict[int, PrepareConfig]
) -> dict[str, float]:
    """Losses after a step that changes nothing."""
    count, vectors = CONTESTANTS[name]
    out = options.runs / f"start-{name.replace(' ', '-').replace(',', '')}"
    changes = dict(init=general, init_vectors=vectors, learning_rate=1e-12, weight_decay=0.0)
    config = replace(settings(sources[count].out, out, 1, 0, **changes), train_steps=1, max_tokens=0)
    pretrain(config)
    return losses(config)


def row(config: PretrainConfig, texts: dict[str, list]) -> dict[str, Any]:
    """All figures of a run, without tasks."""
    return measured(Path(config.out), texts) | losses(config)


def losses(config: PretrainConfig) -> dict[str, float]:
    """Held-out losses a token, and a character of the same text."""
    last, tokenizer = last_evaluation(Path(config.out)), load_tokenizer(config.data)
    heldout = open_examples(config.data, "heldout")
    tokens = sum(int((~np.isin(shard, list(tokenizer.special_ids))).sum()) for shard in heldout.tokens)
    per_character = tokens / heldout_characters(config.data)
    found = {"tokens_per_character": per_character}
    for loss in ("gen_loss", "disc_loss"):
        found |= {loss: last[loss], f"{loss}_per_character": last[loss] * per_character}
    return {name: round(value, 4) for name, value in found.items()}


def heldout_characters(data: str) -> int:
    """Characters of the held-out text, white space left out."""
    plan = read_json(Path(data) / "prepare.json")
    config = PrepareConfig(tuple(plan["sources"]), data, heldout=plan["heldout"])
    documents = ("\n".join(lines) for lines in Corpus(config))
    return sum(len("".join(d.split())) for d in documents if is_heldout(d.encode(), config.heldout))


def fine_tuned(options: argparse.Namespace, model: str, task: str, seed: int) -> dict[str, Any]:
    """The score of a model on a task's development set."""
    epochs, limit = TASKS[task]
    folder = options.runs / "tasks" / task
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev"):
        with lzma.open(options.tasks / task / f"{split}.jsonl.xz", "rt", encoding="utf-8") as file:
            rows = islice(file, limit) if limit and split == "train" else file
            (folder / f"{split}.jsonl").write_text("".join(rows), encoding="utf-8")
    config = EvaluateConfig(
        model=model, train=str(folder / "train.jsonl"), suite=str(folder / "dev.jsonl"), seed=seed, seeds=1,
        out=f"{model}-{task}", learning_rate=RATE, epochs=epochs, baseline=False, threads=1, log_steps=100,
    )  # fmt: skip
    (result,) = evaluate(config)["results"]
    return {name: result[name] for name in ("main_metric", "median", "interval")}


if __name__ == "__main__":
    main()
