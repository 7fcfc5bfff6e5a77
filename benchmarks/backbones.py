"""Compare backbones at tiny's size, with and without a memory of word pairs, and what each part brings.

    python benchmarks/backbones.py --out results/backbones.json electra modernbert --tokens 3e6 --seeds 0,1,2
    python benchmarks/backbones.py --out results/backbones_clock.json --minutes 4 --source wiki.txt
    python benchmarks/backbones.py --out results/backbones_step.json --speed electra modernbert

Each contestant is trained from the start, for as many tokens or minutes, and measured on held-out text: the
generator's loss, the discriminator's, and planted wrong words as `electra demo` measures them. Its row is added to the
file, which makes the command resumable, as are the runs. Without names all contestants are trained. By the clock they
should run alone on the machine. With --speed only their steps are timed, in turn, in rows of the short stage.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from result_file import add
from tiny_recipes import counting, seconds_per_step

from electra.config import PrepareConfig, PretrainConfig, find_preset
from electra.core.runs import read_metrics
from electra.core.storage import read_json
from electra.data.prepare import prepare
from electra.demo import heldout_documents
from electra.evaluation.scores import KINDS, TEXTS, measure, model_scores, word_scores
from electra.inference.load import load
from electra.pretraining.run import pretrain
from electra.text.errors.probes import plant_errors
from electra.text.tokenizer import load_tokenizer

PLAIN = {"memory": 0}
CONTESTANTS: dict[str, tuple[str, dict[str, Any]]] = {  # architecture, and changes to the preset's model or run
    "electra": ("electra", PLAIN),
    "modernbert": ("modernbert", PLAIN),
    "modernbert without neighbours": ("modernbert", PLAIN | {"attention_bias": False}),
    "modernbert with windows": ("modernbert", PLAIN | {"global_attn_every_n_layers": 2, "local_attention": 16}),
    "electra, memory": ("electra", {}),
    "modernbert, memory": ("modernbert", {}),  # the tiny preset
    "modernbert without neighbours, memory": ("modernbert", {"attention_bias": False}),
    "memory of 2^16 x 16": ("modernbert", {"memory": 1 << 16}),
    "memory of 2^16 x 32": ("modernbert", {"memory": 1 << 16, "memory_size": 32}),
    "memory of 2^18 x 32": ("modernbert", {"memory_size": 32}),
    "memory of 2^20 x 16": ("modernbert", {"memory": 1 << 20}),
    "modernbert, memory, 8192": ("modernbert", {"vocab_size": 8192}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestants", nargs="*", help=", ".join(CONTESTANTS))
    parser.add_argument("--source", default="python-docs")
    parser.add_argument("--tokens", type=float, default=0)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--seeds", default="0", help="with commas")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--speed", action="store_true", help="only time the contestants' steps, in turn")
    parser.add_argument("--runs", default="runs/backbones", help="where prepared text and runs are kept")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    options.runs = Path(options.runs) / Path(options.source).stem
    if options.speed:
        torch.set_num_threads(options.threads or torch.get_num_threads())
        runs = {name: configured(name, 0, options) for name in options.contestants or CONTESTANTS}
        return add(options.out, "seconds_per_step", seconds_per_step(runs))
    for seed, name in product(map(int, options.seeds.split(",")), options.contestants or CONTESTANTS):
        config = configured(name, seed, options)
        source = PrepareConfig((options.source,), config.data, vocab_size=config.model.vocab_size, heldout=0.05)
        prepare(source)
        counted = f"bigram counts, {config.model.vocab_size}"
        texts = planted(source)
        if not (options.out.exists() and counted in read_json(options.out)):
            add(options.out, counted, counting(config.data, texts))
        pretrain(config)
        row = {"contestant": name, "seed": seed, "threads": options.threads} | measured(Path(config.out), texts)
        add(options.out, Path(config.out).name, row)
        print(row, flush=True)


def configured(name: str, seed: int, options: argparse.Namespace) -> PretrainConfig:
    """The tiny preset of an architecture, with a contestant's changes."""
    architecture, changes = CONTESTANTS[name]
    preset = find_preset("tiny", architecture)
    shape = {f.name for f in fields(preset.model)}
    model = replace(preset.model, **{key: value for key, value in changes.items() if key in shape})
    budget = f"{options.tokens / 1e6:g}M" if options.tokens else f"{options.minutes:g}min"
    return replace(
        preset, model=model, data=str(options.runs / f"data-{model.vocab_size}"), max_tokens=int(options.tokens),
        max_minutes=options.minutes, out=str(options.runs / f"{name.replace(' ', '-')}-{budget}-{seed}"),
        threads=options.threads, precision=options.precision, seed=seed, train_steps=1_000_000, eval_steps=0,
        save_steps=500, save_total_limit=1, log_steps=100,
        **{key: value for key, value in changes.items() if key not in shape},
    )  # fmt: skip


def planted(source: PrepareConfig) -> dict[str, list]:
    """Held-out texts with wrong words, by their kind."""
    documents = heldout_documents(source)
    return {kind: plant_errors(documents, kind, TEXTS, seed=1) for kind in (*KINDS, "confusable")}


def measured(run: Path, texts: dict[str, list]) -> dict[str, Any]:
    """All figures of a run."""
    model, last = load(run), read_metrics(run)[-1]
    row = {name: round(last[name], 4) for name in ("tokens", "seconds", "gen_loss", "disc_loss", "disc_auc")}
    tokenizer = load_tokenizer(run / "model")
    for kind, wrong in texts.items():
        scores = word_scores(wrong, tokenizer, lambda rows: model_scores(model, rows))
        row[kind] = {name: round(value, 3) for name, value in measure(*scores)._asdict().items()}
    return row


if __name__ == "__main__":
    main()
