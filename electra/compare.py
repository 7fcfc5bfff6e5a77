"""Compare: objectives, sharing modes or sizes at equal compute, from the same weights and on the same masks."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from rich.console import Console

from electra.config import CompareConfig, FinetuneConfig, PretrainConfig, require
from electra.config.compare import read_budget
from electra.console import say
from electra.data.loader import Loader
from electra.data.shards import open_examples
from electra.data.tokenizer import load_tokenizer
from electra.detect import read_text
from electra.finetune import finetune
from electra.machine import provenance
from electra.pretrain import FREE_TO_CHANGE, fit_to_data, pretrain, require_readable, save_model
from electra.race.compute import budgeted, examined_steps
from electra.race.contestants import Contestant, read_contestants
from electra.race.examination import Examination, examine, set_examination
from electra.race.results import Result, describe, figures, standings, table, table_html, title_of
from electra.race.words import neighbour_purity, occurrences, side_by_side
from electra.report import svg_of
from electra.show import page
from electra.storage import only_writer, read_json, sha256, write_atomically, write_json
from electra.training.cost import flops_per_token
from electra.training.device import choose_device
from electra.training.identity import flat
from electra.training.trainer import Trainer

PILOT_MINUTES = 1.0  # training that measures the first contestant's speed, where the budget is a time


def compare(config: CompareConfig) -> dict[str, Any]:
    """Race the contestants, examine each on its way, write table, figures and summary.json; returns the summary.

    The same command again continues it; runs already made are reused, also by another set of contestants.

    Raises:
        ValueError: a contestant, a budget or the data is not as it must be; nothing has been trained.
        Interrupted: a signal asked the current run to stop; it has saved.
    """
    if config.words:
        return compare_words(config)
    contestants = fitted(read_contestants(config), config)
    require_tasks(config)
    examination = set_examination(contestants[0].config, config.generator)
    out = Path(config.out)
    with only_writer(out):
        flops = budget_in_flops(config, contestants[0])
        for c in contestants:  # before the first has run for hours
            budgeted(c, loader_of(c.config), flops, config.points)
        results: list[Result] = []
        for seed in range(config.seeds):
            for c in contestants:
                results += race(config, c, seed, flops, examination)
            summary = publish(config, contestants, flops, results)  # a round is a race in itself
    return summary


def fitted(contestants: list[Contestant], config: CompareConfig) -> list[Contestant]:
    """The contestants with the data's vocabulary."""
    train, tokenizer = open_examples(config.data, "train"), load_tokenizer(config.data)
    require(len(train) > 0, f"{config.data} holds no examples to train on")
    for c in contestants:
        require_readable(c.config, train, tokenizer)
    return [c._replace(config=fit_to_data(c.config, train, tokenizer)) for c in contestants]


def loader_of(config: PretrainConfig) -> Loader:
    """What a run will read."""
    train, t = open_examples(config.data, "train", verify=False), load_tokenizer(config.data)
    return Loader(train, config.train_batch_size, config.seed, t.sep_id, t.pad_id, t.special_ids, config.packed)


# -- what a contestant may spend ---------------------------------------------------------------------------------------


def budget_in_flops(config: CompareConfig, first: Contestant) -> float:
    """The operations every contestant gets; a time is turned into them once, and remembered."""
    amount, unit = read_budget(config.budget)
    if unit == "FLOPs":
        return amount
    tokens = amount if unit == "tokens" else 60 * amount * tokens_per_second(config, first, amount)
    return tokens * flops_per_token(first.config, loader_of(first.config).seq_length)["total"]


def tokens_per_second(config: CompareConfig, first: Contestant, minutes: float) -> float:
    """The first contestant's speed on this machine, measured once in a short run of its own."""
    run = replace(first.config, max_minutes=min(PILOT_MINUTES, minutes), train_steps=1_000_000, eval_steps=0)
    pilot = runs_of(config) / "pilots" / key_of(run, 0)
    if not (pilot / "speed.json").exists():
        times: list[tuple[float, int]] = []
        say(f"measuring the speed of {first.name}")
        pretrain(replace(run, out=str(pilot)), lambda trainer: times.append((trainer.seconds, trainer.tokens)))
        if not times:  # killed between its last step and the file below: its times are lost
            shutil.rmtree(pilot)
            return tokens_per_second(config, first, minutes)
        half = times[len(times) // 2 :]  # without compiling and warming up
        (start, before), (end, after) = half[0] if len(half) > 1 else (0.0, 0), times[-1]
        write_json(pilot / "speed.json", {"tokens_per_second": (after - before) / (end - start)})
    return float(read_json(pilot / "speed.json")["tokens_per_second"])


def key_of(config: PretrainConfig, points: int) -> str:
    """What a run is known by: its resolved configuration, its text, and where it is examined."""
    said = {name: value for name, value in flat(config).items() if name not in FREE_TO_CHANGE}
    said |= {"points": points, "text": sha256(Path(config.data) / "manifest.json")}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def runs_of(config: CompareConfig) -> Path:
    """Where the runs lie."""
    return Path(config.runs or f"{config.out}/runs")


# -- running -----------------------------------------------------------------------------------------------------------


def race(config: CompareConfig, c: Contestant, seed: int, flops: float, examination: Examination) -> list[Result]:
    """Train one contestant with one seed, unless that was done, and examine it at every point."""
    seeded = c._replace(config=replace(c.config, seed=seed))
    run = budgeted(seeded, loader_of(seeded.config), flops, config.points)
    key = key_of(run, config.points)
    folder = folder_of(runs_of(config), c.name, seed, key)
    steps = examined_steps(run.train_steps, config.points)
    if not (folder / "report.html").exists():  # what a run writes last
        say(f"{c.name}, seed {seed}: {run.train_steps:,} steps")
        pretrain(replace(run, out=str(folder)), keep_points(folder, steps))
    seq_length = open_examples(run.data, "train", verify=False).seq_length
    results = []
    for number, step in enumerate(steps, 1):
        point = folder / "points" / f"step-{step:08d}"
        tokens = read_json(point / "point.json")["tokens"]
        tasks = config.task if number > config.points - (config.task_points or config.points) else ()
        scores = scores_of(point, examination, run, tasks)
        per_token = flops_per_token(run, seq_length, done=step / run.train_steps)["total"]
        results.append(Result(c.name, seed, number, step, tokens, tokens * per_token, scores))
    return results


def folder_of(runs: Path, name: str, seed: int, key: str) -> Path:
    """Where a run lies, or shall lie; one that was written otherwise but is the same is found too."""
    return next(runs.glob(f"*-{key}"), runs / f"{re.sub('[^a-z0-9_.]+', '-', name.lower())[:60]}-{seed}-{key}")


def keep_points(folder: Path, steps: list[int]) -> Callable[[Trainer], None]:
    """A hook that saves the model after the given steps."""

    def keep(trainer: Trainer) -> None:
        if trainer.step in steps:
            trainer.require_finite()
            point = folder / "points" / f"step-{trainer.step:08d}"
            config = cast(PretrainConfig, trainer.config)
            trainer.module.eval()
            save_model(point, trainer.module, load_tokenizer(config.data), config, trainer)  # type: ignore[arg-type]
            write_json(point / "point.json", {"step": trainer.step, "tokens": trainer.tokens})

    return keep


def scores_of(point: Path, examination: Examination, run: PretrainConfig, tasks: Sequence[str]) -> dict[str, float]:
    """The scores of a saved point, each examination made once."""
    path = point / "scores.json"
    known: dict[str, dict[str, float]] = read_json(path) if path.exists() else {}
    asked: dict[str, Callable[[], dict[str, float]]] = {
        f"held-out text {examination.fingerprint}": partial(examine_point, point, examination, run),
        **{f"task {task} {files_of(task)}": partial(fine_tune, point, task, run.seed) for task in tasks},
    }
    scores: dict[str, float] = {}
    for name, ask in asked.items():
        if name not in known:
            known[name] = ask()
            write_json(path, known)
        scores |= known[name]
    return scores


def require_tasks(config: CompareConfig) -> None:
    """Refuse tasks without data, or of one name, before anything is trained."""
    names = [Path(task).name for task in config.task]
    for task in config.task:
        require(names.count(Path(task).name) == 1, f"two tasks are called {Path(task).name}: rename a folder")
        for split in ("train", "dev"):
            require(
                len(list(Path(task).glob(f"{split}.*"))) == 1, f"{task} must hold one file {split}.* (jsonl, tsv ...)"
            )


def files_of(task: str) -> str:
    """What a task is known by: changed files are another task."""
    files = (sha256(next(Path(task).glob(f"{split}.*"))) for split in ("train", "dev"))
    return hashlib.sha256(" ".join(files).encode()).hexdigest()[:12]


def fine_tune(point: Path, task: str, seed: int) -> dict[str, float]:
    """The dev score of a saved point fine-tuned on a task."""
    train, dev = (str(next(Path(task).glob(f"{split}.*"))) for split in ("train", "dev"))
    out = str(point / "tasks" / f"{Path(task).name}-{files_of(task)}")
    found = finetune(FinetuneConfig(model=str(point), train=train, dev=dev, out=out, seed=seed))
    metric = found["main_metric"]
    return {f"{Path(task).name} {metric}": float(found["scores"][metric]["median"])}


@torch.compiler.set_stance("force_eager")
def examine_point(point: Path, examination: Examination, run: PretrainConfig) -> dict[str, float]:
    """The scores on held-out text."""
    return examine(point / "model", examination, choose_device(run.device))


# -- showing -----------------------------------------------------------------------------------------------------------


def publish(
    config: CompareConfig, contestants: list[Contestant], flops: float, results: list[Result]
) -> dict[str, Any]:
    """Print the table; write summary.json, the figures and report.html."""
    out, names = Path(config.out), [c.name for c in contestants]
    found = standings(results, names)
    title = title_of(contestants, flops, len({r.seed for r in results}))
    Console(highlight=False).print(table(found, names, title))
    summary = {
        "budget": config.budget,
        "flops": flops,
        "seeds": len({r.seed for r in results}),
        "contestants": {c.name: describe(c.config) | {"times": c.times} for c in contestants},
        "standings": {score: {n: s._asdict() for n, s in of.items()} for score, of in found.items()},
        "results": [r._asdict() for r in results],
        **provenance(),
    }
    write_json(out / "summary.json", summary)
    pictures = {name: svg_of(figure) for name, figure in figures(results, contestants).items()}
    for name, svg in pictures.items():
        with write_atomically(out / f"{name}.svg", "w") as file:
            file.write(svg)
    with write_atomically(out / "report.html", "w") as file:
        file.write(
            page("A race at equal compute", "".join([f"<p>{title}</p>", table_html(found, names), *pictures.values()]))
        )
    say(f"wrote {out / 'summary.json'} and {out / 'report.html'}")
    return summary


def compare_words(config: CompareConfig) -> dict[str, Any]:
    """Draw the contextual vectors of words from two models side by side; print how well the words are kept apart."""
    words = list(dict.fromkeys(word.strip().lower() for word in config.words.split(",") if word.strip()))
    require(len(words) > 1, "--words needs two words or more, with commas between")
    lines = [line for name in config.text for line in read_text(name).splitlines()]
    found = {model: occurrences(model, words, lines) for model in config.models}
    purity = {model: neighbour_purity(o) for model, o in found.items()}
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    with write_atomically(out / "words.svg", "w") as file:
        file.write(svg_of(side_by_side(found, config.projection)))
    for model, value in purity.items():
        print(f"{model}: neighbour purity {value:.3f}")
    summary = {"words": words, "occurrences": {w: next(iter(found.values())).words.count(w) for w in words}}
    summary |= {"neighbour_purity": purity}
    write_json(out / "words.json", summary)
    say(f"wrote {out / 'words.svg'} and {out / 'words.json'}")
    return summary
