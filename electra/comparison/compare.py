"""The verb `compare`: train objectives, sharing modes or sizes at equal compute, and score them on the same text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from electra.comparison.agenda import Agenda, warn_if_short
from electra.comparison.budget import budgeted, examined_steps
from electra.comparison.contestants import Contestant, read_contestants
from electra.comparison.examination import Examination, examine, set_examination
from electra.comparison.identity import folder_of, key_of, runs_of
from electra.comparison.pilot import budget_in_flops, rows_of_run, seconds_of
from electra.comparison.results import Result, cells, describe, figures, standings, title_of
from electra.comparison.tasks import RaceTask, fine_tune, read_tasks
from electra.config import CompareConfig, PretrainConfig, require
from electra.config.base import part_of
from electra.config.compare import read_budget
from electra.core.hardware import provenance
from electra.core.html import page, svg_of, table
from electra.core.log import logger, only_progress, show_progress
from electra.core.storage import only_writer, read_json, write_atomically, write_json
from electra.cost.operations import flops_per_token
from electra.data.shards import Examples, open_examples, prepared_folder
from electra.models.encoder import uncompiled
from electra.objectives import find_objective
from electra.pretraining.first_weights import build_objective
from electra.pretraining.resumption import fit_to_data, require_readable
from electra.pretraining.run import build_trainer, pretrain, save_model
from electra.pretraining.start import fit_to_start, load_start
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.training.device import choose_device
from electra.training.distributed import World
from electra.training.trainer import Trainer

OnRound = Callable[[list[list[str]], list[str], str], None]
Entry = tuple[Contestant, int]  # a contestant and the seed of a run
LAST_FILE = "report.html"  # of a run


def compare(config: CompareConfig, on_round: OnRound = lambda rows, names, title: None) -> dict[str, Any]:
    """Train and examine the contestants; write report, figures and summary.json, and return the summary.

    All spend as many operations (six for each matrix parameter and token, and attention's), to within one step. A
    second call continues, and reuses finished runs even for another set of contestants. `on_round` is called after
    every seed with the rows of the table, its columns and its title. A part (`part`) trains and examines its runs and
    returns nothing.

    Raises:
        ValueError: a contestant, the budget or the data is invalid; raised before training.
        Interrupted: a signal stopped the current run after it saved its state.
    """
    contestants = fitted(read_contestants(config), config)
    tasks = read_tasks(config.task)
    examination = set_examination(contestants[0].config, config.generator)
    if config.part:
        train_part(config, contestants, tasks, examination)
        return {}
    with only_writer(Path(config.out)):
        flops = budget_in_flops(config, contestants[0])
        runs = first_runs(config, contestants, flops)
        agenda = agenda_of(config, entries_of(config, contestants), flops)
        results: list[Result] = []
        diverged: list[str] = []
        for seed in range(config.seeds):
            for c in contestants:
                agenda.begin(f"{c.name}, seed {seed}")
                try:
                    results += race(config, c.name, run_of(c, seed, flops, config.points), tasks, examination)
                except FloatingPointError as error:
                    logger.warning(f"{c.name} with seed {seed} diverged and is left out: {error}")
                    diverged.append(f"{c.name}, seed {seed}")
                agenda.end(f"{c.name}, seed {seed}")
            if not results:
                raise FloatingPointError(f"every run diverged: {'; '.join(diverged)}. Lower the learning rate")
            summary = publish(
                config, contestants, runs, flops, results, diverged, on_round
            )  # each round is a complete comparison
    return summary


def entries_of(config: CompareConfig, contestants: list[Contestant]) -> list[Entry]:
    """Return the runs of a race in their order."""
    return [(c, seed) for seed in range(config.seeds) for c in contestants]


def first_runs(config: CompareConfig, contestants: list[Contestant], flops: float) -> dict[str, PretrainConfig]:
    """Return the first run of each contestant, so that errors in any are found before one trains for hours."""
    runs = {c.name: run_of(c, 0, flops, config.points) for c in contestants}
    warn_if_short({name: run.train_steps for name, run in runs.items()})
    return runs


def agenda_of(config: CompareConfig, entries: Sequence[Entry], flops: float) -> Agenda:
    """Return which of these runs are still to be trained."""
    pending, expected = dict[str, float](), dict[str, float]()
    for c, seed in entries:
        run = run_of(c, seed, flops, config.points)
        folder = folder_of(runs_of(config), c.name, seed, key_of(run, config.points))
        if not (folder / LAST_FILE).exists():
            if c.name not in expected:
                expected[c.name] = expected_seconds(config, c, run)
            pending[f"{c.name}, seed {seed}"] = expected[c.name]
    return Agenda(pending, len(entries))


def expected_seconds(config: CompareConfig, c: Contestant, run: PretrainConfig) -> float:
    """Return about how long a run trains: the budget if that is a time, otherwise by timed steps."""
    amount, unit = read_budget(config.budget)
    return c.times * 60 * amount if unit == "minutes" else seconds_of(config, c.name, run)


def train_part(
    config: CompareConfig, contestants: list[Contestant], tasks: Sequence[RaceTask], examination: Examination
) -> None:
    """Train and examine every n-th run, while other machines take the others."""
    flops = budget_in_flops(config, contestants[0])
    entries = entries_of(config, contestants)
    mine = entries[part_of(config.part)]
    require(bool(mine), f"part {config.part} has nothing to train: there are {len(entries)} runs; give a lower i")
    first_runs(config, contestants, flops)
    logger.info(f"part {config.part} takes {len(mine)} of {len(entries)} runs")
    agenda = agenda_of(config, mine, flops)
    for c, seed in mine:
        agenda.begin(f"{c.name}, seed {seed}")
        try:
            race(config, c.name, run_of(c, seed, flops, config.points), tasks, examination)
        except FloatingPointError as error:
            logger.warning(f"{c.name} with seed {seed} diverged: {error}")
        agenda.end(f"{c.name}, seed {seed}")
    logger.info(
        f"part {config.part}: its runs are trained; the same command without --part collects those of all parts"
    )


def fitted(contestants: list[Contestant], config: CompareConfig) -> list[Contestant]:
    """Return the contestants with the vocabulary of the data; ValueError if one cannot train on it."""
    train, tokenizer = open_examples(config.data, "train"), load_tokenizer(prepared_folder(config.data))
    require(len(train) > 0, f"{config.data} holds no examples to train on; prepare more text")
    found = [c._replace(config=fit(c.config, train, tokenizer)) for c in contestants]
    for c in found:
        require_readable(c.config, train, tokenizer)
    return found


def fit(config: PretrainConfig, train: Examples, tokenizer: Tokenizer) -> PretrainConfig:
    """Return the configuration with the sizes of its starting model, or with the vocabulary of the data."""
    if config.init in ("random", "corpus"):
        return fit_to_data(config, train, tokenizer)
    return fit_to_start(config, load_start(config.init), tokenizer)


def run_of(c: Contestant, seed: int, flops: float, points: int) -> PretrainConfig:
    """Return a contestant's run with a seed, which determines its rows and hence its number of steps."""
    seeded = c._replace(config=replace(c.config, seed=seed))
    return budgeted(seeded, rows_of_run(seeded.config), flops, points)


# -- running -----------------------------------------------------------------------------------------------------------


def race(
    config: CompareConfig, name: str, run: PretrainConfig, tasks: Sequence[RaceTask], examination: Examination
) -> list[Result]:
    """Train one contestant with one seed, unless already done, and examine it at every point."""
    folder = folder_of(runs_of(config), name, run.seed, key_of(run, config.points))
    steps = examined_steps(run.train_steps, config.points)
    if not (folder / LAST_FILE).exists():
        with only_progress():
            pretrain(replace(run, out=str(folder)), keep_points(folder, steps, run.data), World())
    if not (folder / "points" / f"step-{0:08d}" / "point.json").exists():
        keep_points(folder, steps, run.data)(untrained(run, folder))
    seq_length = open_examples(run.data, "train", verify=False).seq_length
    results = []
    for number, step in enumerate(steps):
        point = folder / "points" / f"step-{step:08d}"
        tokens = read_json(point / "point.json")["tokens"]
        due = tasks if number > config.points - (config.task_points or config.points) else ()
        scores = scores_of(point, examination, run, due)
        per_token = flops_per_token(run, seq_length, done=step / run.train_steps)["total"] if step else 0.0
        results.append(Result(name, run.seed, number, step, tokens, tokens * per_token, scores))
    return results


def untrained(run: PretrainConfig, folder: Path) -> Trainer:
    """Return a run at its step 0; its first weights follow from its configuration."""
    train, tokenizer = open_examples(run.data, "train", verify=False), load_tokenizer(run.data)
    start = None if run.init in ("random", "corpus") else load_start(run.init)
    device = choose_device(run.device)
    objective = build_objective(run, train, tokenizer, start, False).to(device)
    return build_trainer(objective, run, folder, device, train, tokenizer)


def keep_points(folder: Path, steps: list[int], data: str) -> Callable[[Trainer], None]:
    """Return a hook that saves the model after the given steps."""

    def keep(trainer: Trainer) -> None:
        if trainer.step in steps:
            trainer.require_finite()
            point = folder / "points" / f"step-{trainer.step:08d}"
            trainer.module.eval()
            save_model(point, trainer, load_tokenizer(prepared_folder(data)))
            write_json(point / "point.json", {"step": trainer.step, "tokens": trainer.tokens})

    return keep


def scores_of(
    point: Path, examination: Examination, run: PretrainConfig, tasks: Sequence[RaceTask]
) -> dict[str, float]:
    """Return the scores of a saved point; scores on file are not measured again."""
    path = point / "scores.json"
    known: dict[str, dict[str, float]] = read_json(path) if path.exists() else {}
    measures: dict[str, Callable[[], dict[str, float]]] = {
        f"held-out text {examination.fingerprint}": partial(examine_point, point, examination, run),
        **{f"task {task.written} {task.fingerprint}": partial(fine_tune, point, task, run) for task in tasks},
    }
    scores: dict[str, float] = {}
    for name, measure in measures.items():
        if name not in known:
            step = f"{int(point.name.removeprefix('step-')):,} of {run.train_steps:,}"
            show_progress(f"{point} {name}", {"examining step": step, "on": name.rpartition(" ")[0]})
            with only_progress():
                known[name] = measure()
            write_json(path, known)
        scores |= known[name]
    return scores


def examine_point(point: Path, examination: Examination, run: PretrainConfig) -> dict[str, float]:
    """Return the scores on held-out text; the loss is included only if the head predicts a probability."""
    with uncompiled():
        scores = examine(point / "model", examination, choose_device(run.device))
    if not find_objective(run.objective).traits.outputs_probability:
        scores.pop("disc_loss", None)
    return scores


# -- showing -----------------------------------------------------------------------------------------------------------


def publish(
    config: CompareConfig,
    contestants: list[Contestant],
    runs: dict[str, PretrainConfig],
    flops: float,
    results: list[Result],
    diverged: list[str],
    on_round: OnRound,
) -> dict[str, Any]:
    """Call `on_round` with the table; write summary.json, the figures and report.html; return the summary."""
    out, names = Path(config.out), [c.name for c in contestants]
    found = standings(results, names)
    title = title_of(contestants, flops, len({r.seed for r in results}), diverged)
    rows = cells(found, names)
    on_round(rows, names, title)
    summary = {
        "budget": config.budget,
        "flops": flops,
        "seeds": len({r.seed for r in results}),
        "diverged": diverged,
        "contestants": {c.name: describe(runs[c.name]) | {"times": c.times} for c in contestants},
        "standings": {score: {n: s._asdict() for n, s in of.items()} for score, of in found.items()},
        "results": [r._asdict() for r in results],
        **provenance(),
    }
    write_json(out / "summary.json", summary)
    plots = {name: svg_of(figure) for name, figure in figures(results, contestants).items()}
    for old in out.glob("*_against_*.svg"):  # from another set of contestants
        if old.stem not in plots:
            old.unlink()
    for name, svg in plots.items():
        with write_atomically(out / f"{name}.svg", "w") as file:
            file.write(svg)
    with write_atomically(out / "report.html", "w") as file:
        file.write(
            page("A race at equal compute", f"<p>{title}</p>{table(['', *names], rows)}{''.join(plots.values())}")
        )
    logger.info(f"wrote {out / 'summary.json'} and {out / 'report.html'}")
    return summary
