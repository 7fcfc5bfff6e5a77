"""Evaluate: scores of a pre-trained model on tasks, several seeds, beside what needs no network at all."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from electra.config import EvaluateConfig, FinetuneConfig, require
from electra.console import say
from electra.convert import is_finetuned
from electra.finetune import finetune
from electra.finetuning.material import is_a, percent
from electra.finetuning.report import evaluation_html
from electra.finetuning.task_model import TaskModel, load_task_model
from electra.predict import model_folder
from electra.storage import write_atomically, write_json
from electra.tasks import GLUE, Example, Task

RESAMPLES, FEWEST, PATIENCE = 1000, 50, 20.0  # of the bootstrap; fewer where scoring is slow (seconds)
Predictions = list[dict[str, Any]]


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Score a model on a file or a suite; returns what summary.json holds.

    A pre-trained model is fine-tuned first, with each seed; a fine-tuned one is scored as it is.

    Raises:
        ValueError: the model or the data does not fit.
    """
    require(bool(config.model), "which model? name a run, a Hugging Face directory, or a fine-tuned model")
    out = Path(config.out)
    if config.suite == "glue":
        results = [evaluate_task(task_config(config, name), out / name) for name in suite_tasks(config)]
    else:
        file = config.suite or config.dev
        require(bool(file), "which data? name a file to measure on: --suite FILE, or --suite glue --data FOLDER")
        results = [evaluate_task(replace(config, dev=file), out)]
    summary = {"model": config.model, "results": results}
    write_json(out / "summary.json", summary)
    Console().print(table(results))
    write_html(out, results)
    say(f"wrote {out / 'summary.json'} and {out / 'report.html'}")
    return summary


def suite_tasks(config: EvaluateConfig) -> list[str]:
    """The tasks of GLUE whose folders are there."""
    found = [name for name in GLUE if folder_of(config, name).is_dir()]
    require(bool(found), f"{config.data or '.'}: no folder of a GLUE task there ({', '.join(sorted(GLUE))})")
    return found


def folder_of(config: EvaluateConfig, name: str) -> Path:
    """Where a task of the suite lies: under its own name or ours."""
    theirs = Path(config.data) / GLUE[name].folder
    return theirs if theirs.is_dir() else Path(config.data) / name


def task_config(config: EvaluateConfig, name: str) -> EvaluateConfig:
    """The configuration of one task of the suite."""
    folder = str(folder_of(config, name))
    return replace(config, task=name, train=folder, dev=folder)


def evaluate_task(config: EvaluateConfig, out: Path) -> dict[str, Any]:
    """Scores of every seed and of the baselines on one task; the predictions go into `out`."""
    folder = model_folder(Path(config.model))
    if is_finetuned(folder):
        models = [load_task_model(folder)]
        scored = models[0]
        require(
            config.task in ("auto", scored.name), f"{config.model} is fine-tuned for {scored.name}, not {config.task}"
        )
    else:
        models = finetuned_models(config, out)
        scored = models[0]
    examples = scored.task.read(config.dev, "dev")
    answered = [model.answer(examples) for model in models]
    rows = [row_of(f"seed {n}", scored.task, p, examples) for n, p in enumerate(answered)]
    train = scored.task.read(config.train, "train") if config.train else []
    baselines = [
        row_of(name, scored.task, p, examples) for name, p in baseline_answers(config, scored, train, examples)
    ]
    for number, predictions in enumerate(answered):
        write_predictions(out / f"predictions-{number}.jsonl", predictions, examples)
    median = sorted(range(len(rows)), key=lambda n: rows[n]["score"])[(len(rows) - 1) // 2]
    scores = [row["score"] for row in rows]
    return {
        "task": scored.name,
        "file": config.dev,
        "examples": len(examples),
        "main_metric": scored.task.main_metric,
        "median": float(np.median(scores)),
        "spread": float(np.std(scores)),
        "interval": rows[median]["interval"],
        "median_seed": median,
        "seeds": rows,
        "baselines": baselines,
    }


def finetuned_models(config: EvaluateConfig, out: Path) -> list[TaskModel]:
    """Fine-tune with each seed, unless that has been done."""
    require(bool(config.train), f"{config.model} is not fine-tuned; give --train FILE to fine-tune it first")
    given = {f.name: getattr(config, f.name) for f in fields(FinetuneConfig)}
    work = out / "finetuned"
    summary = finetune(FinetuneConfig(**given | {"out": str(work)}))
    return [load_task_model(work / "runs" / f"seed-{r['seed']}" / "model") for r in summary["seeds"]]


def row_of(name: str, task: Task, predictions: Predictions, examples: Sequence[Example]) -> dict[str, Any]:
    """All scores of one set of predictions, and the bootstrap interval of the main one."""
    scores = task.score(predictions, examples)
    interval = bootstrap(lambda p, e: task.score(p, e)[task.main_metric], predictions, examples)
    return {"name": name, "score": scores[task.main_metric], "interval": interval, "scores": scores}


def bootstrap(
    score: Callable[[Predictions, list[Example]], float], predictions: Predictions, examples: Sequence[Example]
) -> tuple[float, float]:
    """The 95 % interval of a score over examples drawn again with replacement."""
    rng = np.random.default_rng(0)
    labelled = [n for n, example in enumerate(examples) if example.label is not None]
    found: list[float] = []
    start = time.monotonic()
    while len(found) < RESAMPLES and (len(found) < FEWEST or time.monotonic() - start < PATIENCE):
        drawn = rng.choice(labelled, len(labelled))
        found.append(score([predictions[n] for n in drawn], [examples[n] for n in drawn]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def baseline_answers(
    config: EvaluateConfig, model: TaskModel, train: Sequence[Example], examples: Sequence[Example]
) -> list[tuple[str, Predictions]]:
    """What the commonest answer gets, and for one label a text TF-IDF with logistic regression."""
    if not train or is_a(model.name, "qa"):
        return []
    found = [("majority", constant_answers(model.name, train, examples))]
    if config.baseline and is_a(model.name, "classification"):
        found.append(("tf-idf + logistic regression", tfidf_answers(train, examples)))
    return found


def constant_answers(name: str, train: Sequence[Example], examples: Sequence[Example]) -> Predictions:
    """The answer that needs no reading: the commonest label, the mean, each word's commonest tag."""
    if is_a(name, "regression"):
        mean = float(np.mean([e.label for e in train]))
        return [{"id": e.id, "score": mean} for e in examples]
    if is_a(name, "tagging"):
        by_word: dict[str, Counter[str]] = {}
        for e in train:
            for word, tag in zip(e.texts, e.label, strict=True):
                by_word.setdefault(word, Counter())[tag] += 1
        common = Counter(tag for e in train for tag in e.label).most_common(1)[0][0]
        best = {word: tags.most_common(1)[0][0] for word, tags in by_word.items()}
        return [{"id": e.id, "tags": [best.get(word, common) for word in e.texts]} for e in examples]
    if is_a(name, "multi_label"):
        labels = Counter(label for e in train for label in e.label)
        kept = [label for label, n in labels.items() if n > len(train) / 2]
        return [{"id": e.id, "labels": kept} for e in examples]
    label = Counter(e.label for e in train).most_common(1)[0][0]
    return [{"id": e.id, "label": label} for e in examples]


def tfidf_answers(train: Sequence[Example], examples: Sequence[Example]) -> Predictions:
    """Logistic regression on words and pairs of words; those of a second text are others, and shared ones a third."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(analyzer=grams, sublinear_tf=True, min_df=1),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    model.fit([e.texts for e in train], [e.label for e in train])
    return [
        {"id": e.id, "label": str(label)}
        for e, label in zip(examples, model.predict([e.texts for e in examples]), strict=True)
    ]


def grams(texts: tuple[str, ...]) -> list[str]:
    """Words and pairs of words of each text under the text's number, and the words both texts have."""
    words = [text.lower().split() for text in texts]
    found = [f"{n}:{gram}" for n, w in enumerate(words) for gram in (*w, *(f"{a} {b}" for a, b in pairwise(w)))]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    return [*found, *(f"both:{word}" for word in sorted(shared))]


def write_predictions(path: Path, predictions: Predictions, examples: Sequence[Example]) -> None:
    """One line an example: what it is, what was answered, what is right."""
    with write_atomically(path, "w") as file:
        for prediction, e in zip(predictions, examples, strict=True):
            line = {"id": e.id, "texts": e.texts, "gold": e.label, **prediction}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def table(results: Sequence[dict[str, Any]]) -> Table:
    """The results as the terminal shows them."""
    shown = Table("task", "model", "metric", "median", "spread", "95 % interval", "n")
    for r in results:

        def interval(row: dict[str, Any], task: str = r["task"]) -> str:
            return " to ".join(percent(task, bound) for bound in row["interval"])

        name = f"this one, {len(r['seeds'])} seeds" if len(r["seeds"]) > 1 else "this one"
        median, spread = percent(r["task"], r["median"]), percent(r["task"], r["spread"])
        shown.add_row(r["task"], name, r["main_metric"], median, spread, interval(r), f"{r['examples']:,}")
        for b in r["baselines"]:
            shown.add_row("", b["name"], "", percent(r["task"], b["score"]), "", interval(b), "")
    return shown


def write_html(out: Path, results: Sequence[dict[str, Any]]) -> None:
    """Write report.html: the table, and for each task where the median seed goes wrong."""
    parts = []
    for r in results:
        folder = out / r["task"] if len(results) > 1 or (out / r["task"]).is_dir() else out
        lines = (folder / f"predictions-{r['median_seed']}.jsonl").read_text(encoding="utf-8").splitlines()
        parts.append((r, [json.loads(line) for line in lines]))
    with write_atomically(out / "report.html", "w") as file:
        file.write(evaluation_html(parts))
