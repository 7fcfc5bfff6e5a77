"""The runs of a race: train each to the same compute, keep its points, and examine them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from electra.comparison.agenda import Agenda
from electra.comparison.budget import budgeted, examined_steps
from electra.comparison.contestants import Contestant
from electra.comparison.examination import Examination, examine
from electra.comparison.identity import folder_of, key_of, runs_of
from electra.comparison.pilot import rows_of_run, seconds_of
from electra.comparison.results import Result
from electra.comparison.tasks import RaceTask, fine_tune
from electra.config import CompareConfig, PretrainConfig
from electra.config.compare import read_budget
from electra.core.log import logger, only_progress, show_progress
from electra.core.storage import read_json, write_json
from electra.cost.operations import flops_per_token
from electra.data.shards import open_examples, open_training, prepared_folder
from electra.models.encoder import uncompiled
from electra.objectives import find_objective
from electra.pretraining.first_weights import build_objective
from electra.pretraining.run import build_trainer, pretrain, save_model
from electra.pretraining.start import start_of
from electra.text.tokenizer import load_tokenizer
from electra.training.device import choose_device
from electra.training.distributed import World
from electra.training.trainer import Trainer

LAST_FILE = "report.html"  # of a run


class Run(NamedTuple):
    """A contestant's training with one seed."""

    contestant: Contestant
    config: PretrainConfig  # with the seed, and the steps that the budget allows

    @property
    def name(self) -> str:
        """The contestant and the seed."""
        return f"{self.contestant.name}, seed {self.config.seed}"


def run_of(contestant: Contestant, seed: int, flops: float, points: int) -> Run:
    """Return a contestant's run with a seed, which determines its rows and hence its number of steps."""
    seeded = contestant._replace(config=replace(contestant.config, seed=seed))
    return Run(contestant, budgeted(seeded, rows_of_run(seeded.config), flops, points))


class Race:
    """Train and examine runs, and collect their results; a run that diverges is left out.

    results: those of all runs so far, a result for each point. diverged: names of the runs that are left out.
    """

    def __init__(
        self, config: CompareConfig, runs: Sequence[Run], tasks: Sequence[RaceTask], examination: Examination
    ) -> None:
        self.config, self.tasks, self.examination = config, tasks, examination
        self.agenda = Agenda(self.pending(runs), len(runs))
        self.results: list[Result] = []
        self.diverged: list[str] = []

    def pending(self, runs: Sequence[Run]) -> dict[str, float]:
        """Return the runs that are not trained yet, each with the seconds that its training will take."""
        found, expected = dict[str, float](), dict[str, float]()
        for run in runs:
            if not self.is_trained(run):
                name = run.contestant.name
                if name not in expected:
                    expected[name] = self.expected_seconds(run)
                found[run.name] = expected[name]
        return found

    def expected_seconds(self, run: Run) -> float:
        """Return about how long a run trains: the budget if that is a time, otherwise by timed steps."""
        amount, unit = read_budget(self.config.budget)
        if unit == "minutes":
            return run.contestant.times * 60 * amount
        return seconds_of(self.config, run.contestant.name, run.config)

    def folder(self, run: Run) -> Path:
        """Return the folder of a run."""
        key = key_of(run.config, self.config.points)
        return folder_of(runs_of(self.config), run.contestant.name, run.config.seed, key)

    def is_trained(self, run: Run) -> bool:
        """Return whether a run is finished."""
        return (self.folder(run) / LAST_FILE).exists()

    def take(self, run: Run) -> None:
        """Train a run, unless that is done, and add the results of its points."""
        self.agenda.begin(run.name)
        try:
            self.train(run)
            self.results += self.examined(run)
        except FloatingPointError as error:
            logger.warning(f"{run.name} diverged and is left out: {error}")
            self.diverged.append(run.name)
        self.agenda.end(run.name)

    def train(self, run: Run) -> None:
        """Train a run, unless that is done, and keep its points, the untrained network among them."""
        folder, config = self.folder(run), run.config
        keep = keep_points(folder, examined_steps(config.train_steps, self.config.points), config.data)
        if not self.is_trained(run):
            with only_progress():
                pretrain(replace(config, out=str(folder)), keep, World())
        if not (point_of(folder, 0) / "point.json").exists():
            keep(untrained(config, folder))

    def examined(self, run: Run) -> list[Result]:
        """Return the results of all points of a trained run."""
        folder, config, points = self.folder(run), run.config, self.config.points
        seq_length = open_examples(config.data, "train", verify=False).seq_length
        first_with_tasks = points - (self.config.task_points or points) + 1
        results = []
        for number, step in enumerate(examined_steps(config.train_steps, points)):
            tokens = read_json(point_of(folder, step) / "point.json")["tokens"]
            per_token = flops_per_token(config, seq_length, done=step / config.train_steps)["total"] if step else 0.0
            scores = self.scores(folder, step, config, self.tasks if number >= first_with_tasks else ())
            results.append(Result(run.contestant.name, config.seed, number, step, tokens, tokens * per_token, scores))
        return results

    def scores(self, folder: Path, step: int, run: PretrainConfig, tasks: Sequence[RaceTask]) -> dict[str, float]:
        """Return the scores of the point after a step; scores on file are not measured again."""
        point, examination = point_of(folder, step), self.examination
        path = point / "scores.json"
        known: dict[str, dict[str, float]] = read_json(path) if path.exists() else {}
        measures: dict[str, Callable[[], dict[str, float]]] = {
            f"held-out text {examination.fingerprint}": partial(examine_point, point, examination, run),
            **{f"task {task.written} {task.fingerprint}": partial(fine_tune, point, task, run) for task in tasks},
        }
        scores: dict[str, float] = {}
        for name, measure in measures.items():
            if name not in known:
                at = f"{step:,} of {run.train_steps:,}"
                show_progress(f"{point} {name}", {"examining step": at, "on": name.rpartition(" ")[0]})
                with only_progress():
                    known[name] = measure()
                write_json(path, known)
            scores |= known[name]
        return scores


# -- points ------------------------------------------------------------------------------------------------------------


def point_of(folder: Path, step: int) -> Path:
    """Return the folder of the point that a run keeps after a step."""
    return folder / "points" / f"step-{step:08d}"


def keep_points(folder: Path, steps: Sequence[int], data: str) -> Callable[[Trainer], None]:
    """Return a hook that saves the model after the given steps."""

    def keep(trainer: Trainer) -> None:
        if trainer.step in steps:
            trainer.require_finite()
            point = point_of(folder, trainer.step)
            trainer.module.eval()
            save_model(point, trainer, load_tokenizer(prepared_folder(data)))
            write_json(point / "point.json", {"step": trainer.step, "tokens": trainer.tokens})

    return keep


def untrained(run: PretrainConfig, folder: Path) -> Trainer:
    """Return a run at its step 0; its first weights follow from its configuration."""
    train, tokenizer = open_training(run.data, verify=False)
    device = choose_device(run.device)
    objective = build_objective(run, train, tokenizer, start_of(run)).to(device)
    return build_trainer(objective, run, folder, device, train, tokenizer)


def examine_point(point: Path, examination: Examination, run: PretrainConfig) -> dict[str, float]:
    """Return the scores on held-out text; the loss is included only if the head predicts a probability."""
    with uncompiled():
        scores = examine(point / "model", examination, choose_device(run.device))
    if not find_objective(run.objective).traits.outputs_probability:
        scores.pop("disc_loss", None)
    return scores
