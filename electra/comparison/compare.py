"""The verb `compare`: train objectives, sharing modes or sizes at equal compute, and score them on the same text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

from electra.comparison.agenda import warn_if_short
from electra.comparison.contestants import Contestant, read_contestants
from electra.comparison.examination import Examination, set_examination
from electra.comparison.pilot import budget_in_flops
from electra.comparison.race import Race, Run, run_of
from electra.comparison.results import cells, describe, figures, standings, title_of
from electra.comparison.tasks import RaceTask, read_tasks
from electra.config import CompareConfig, require
from electra.config.base import part_of
from electra.core.hardware import provenance
from electra.core.html import page, svg_of, table
from electra.core.log import logger
from electra.core.storage import only_writer, write_atomically, write_json
from electra.data.shards import open_training
from electra.pretraining.resumption import fit, require_readable
from electra.pretraining.start import start_of

OnRound = Callable[[list[list[str]], list[str], str], None]


def compare(config: CompareConfig, on_round: OnRound = lambda rows, names, title: None) -> dict[str, Any]:
    """Train and examine the contestants; write report, figures and summary.json, and return the summary.

    All spend as many operations (six for each matrix parameter and token, and attention's), to within one step. A
    second call continues, and reuses finished runs even for another set of contestants. `on_round` is called after
    every seed with the rows of the table, its columns and its title. A part (`part`) trains and examines its runs and
    returns nothing.

    Raises:
        ValueError: a contestant, the budget or the data is invalid; raised before training.
        Interrupted: a signal stopped the current run after it saved its state.
        FloatingPointError: every run of the first seed diverged.
    """
    contestants = fitted(read_contestants(config), config)
    tasks = read_tasks(config.task)
    examination = set_examination(contestants[0].config, config.generator)
    with nullcontext() if config.part else only_writer(Path(config.out)):
        flops = budget_in_flops(config, contestants[0])
        # Of all seeds, so that errors in any run are found before one trains for hours.
        rounds = [[run_of(c, seed, flops, config.points) for c in contestants] for seed in range(config.seeds)]
        runs = [*chain.from_iterable(rounds)]
        warn_if_short({run.contestant.name: run.config.train_steps for run in rounds[0]})
        if config.part:
            take_part(config, runs, tasks, examination)
            return {}
        race = Race(config, runs, tasks, examination)
        for of_seed in rounds:
            for run in of_seed:
                race.take(run)
            if not race.results:
                raise FloatingPointError(f"every run diverged: {'; '.join(race.diverged)}. Lower the learning rate")
            summary = publish(race, rounds[0], flops, on_round)  # each round is a complete comparison
    return summary


def fitted(contestants: list[Contestant], config: CompareConfig) -> list[Contestant]:
    """Return the contestants with the sizes of their starting models and of the data.

    Raises:
        ValueError: there are no examples, or a contestant cannot train on them.
    """
    train, tokenizer = open_training(config.data)
    found = [c._replace(config=fit(c.config, train, tokenizer, start_of(c.config))) for c in contestants]
    for c in found:
        require_readable(c.config, train, tokenizer)
    return found


def take_part(config: CompareConfig, runs: Sequence[Run], tasks: Sequence[RaceTask], examination: Examination) -> None:
    """Train and examine every n-th run, while other machines take the others."""
    mine = runs[part_of(config.part)]
    require(bool(mine), f"part {config.part} has nothing to train: there are {len(runs)} runs; give a lower i")
    logger.info(f"part {config.part} takes {len(mine)} of {len(runs)} runs")
    race = Race(config, mine, tasks, examination)
    for run in mine:
        race.take(run)
    logger.info(
        f"part {config.part}: its runs are trained; the same command without --part collects those of all parts"
    )


def publish(race: Race, first: Sequence[Run], flops: float, on_round: OnRound) -> dict[str, Any]:
    """Call `on_round` with the table; write summary.json, the figures and report.html; return the summary.

    first: the run of each contestant with the first seed.
    """
    config, results, contestants = race.config, race.results, [run.contestant for run in first]
    out, names, seeds = Path(config.out), [c.name for c in contestants], len({r.seed for r in results})
    found = standings(results, names)
    title = title_of(contestants, flops, seeds, race.diverged)
    rows = cells(found, names)
    on_round(rows, names, title)
    summary = {
        "budget": config.budget,
        "flops": flops,
        "seeds": seeds,
        "diverged": race.diverged,
        "contestants": {c.name: describe(run) | {"times": c.times} for c, run in first},
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
