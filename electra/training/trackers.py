"""Report the metrics of a run to an experiment tracker, beside metrics.jsonl. A tracker never stops or delays a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from electra.config import TrainConfig, to_dict
from electra.core.log import logger
from electra.core.storage import read_object, write_json
from electra.training.log import Log

PROJECT = "electra"  # under which the trackers list runs
FILE = "tracker.json"  # in the folder of a run: the names of its runs at trackers
LAST_LINES = 60.0  # seconds to wait for a tracker when a run has ended


class Tracked(NamedTuple):
    """The run that is reported."""

    folder: Path
    settings: dict[str, Any]
    id: str  # of the tracker's run that goes on; "" for a new one
    step: int  # from which the run continues


class Tracker(Protocol):
    """A run at a tracker."""

    id: str  # by which it is found when the run goes on

    def __init__(self, run: Tracked) -> None: ...

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Report the metrics at a step."""

    def close(self) -> None:
        """Wait until all is reported."""


class TensorBoard:
    """Event files in the folder of the run."""

    id = "tensorboard"

    def __init__(self, run: Tracked) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # A run that was killed has reported steps that it takes again.
        self.writer = SummaryWriter(str(run.folder / self.id), purge_step=run.step + 1 if run.step else None)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """A run of wandb, online or, with WANDB_MODE=offline, in the folder of the run."""

    def __init__(self, run: Tracked) -> None:
        import wandb

        self.id = run.id or uuid4().hex
        about = {"project": PROJECT, "name": str(run.folder), "config": run.settings, "dir": str(run.folder)}
        # Otherwise it sends what the terminal shows, too.
        self.run = wandb.init(id=self.id, resume="allow", settings={"console": "off"}, **about)
        self.run.define_metric("*", step_metric="step")  # its own count allows no step twice

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log({"step": step, **values})

    def close(self) -> None:
        self.run.finish()


class Trackio:
    """A run of trackio, in its local database."""

    def __init__(self, run: Tracked) -> None:
        import trackio

        self.id = run.id or f"{run.folder.name}-{uuid4().hex[:8]}"  # it continues runs by name
        self.run = trackio.init(project=PROJECT, name=self.id, resume="allow", config=run.settings, embed=False)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        self.run.finish()


class MLflow:
    """A run of MLflow, where its own settings (MLFLOW_TRACKING_URI) say."""

    def __init__(self, run: Tracked) -> None:
        from mlflow import MlflowClient

        self.client = MlflowClient()
        self.id = run.id or self.create(run)

    def create(self, run: Tracked) -> str:
        found = self.client.get_experiment_by_name(PROJECT)
        experiment = found.experiment_id if found else self.client.create_experiment(PROJECT)
        id = str(self.client.create_run(experiment, run_name=str(run.folder)).info.run_id)
        for name, value in run.settings.items():
            self.client.log_param(id, name, value)
        return id

    def add(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self.client.log_batch(self.id, [Metric(name, value, now, step) for name, value in values.items()])

    def close(self) -> None:
        self.client.set_terminated(self.id)


TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard, "wandb": WeightsAndBiases, "trackio": Trackio, "mlflow": MLflow,
}  # fmt: skip


@contextlib.contextmanager
def reported(log: Log, config: TrainConfig, folder: Path, step: int) -> Iterator[None]:
    """Report the lines of a log to the tracker of the configuration, if it names one."""
    if config.report_to == "none":
        yield
        return
    reporter = Reporter(config.report_to, folder, to_dict(config), step)
    log.report = reporter.add
    try:
        yield
    finally:
        log.report = None
        reporter.close()


class Reporter:
    """Send lines to a tracker from a thread of its own, so that a slow one holds up no step; stop if it fails."""

    def __init__(self, tracker: str, folder: Path, settings: dict[str, Any], step: int) -> None:
        self.tracker, self.folder, self.settings, self.step = tracker, folder, settings, step
        self.lines: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self.thread = Thread(target=self.report, daemon=True, name=f"report to {tracker}")
        self.thread.start()

    def add(self, line: Mapping[str, Any]) -> None:
        """Report a line of metrics.jsonl, soon."""
        self.lines.put(line)

    def close(self) -> None:
        """Wait until the tracker has the last lines, but only so long."""
        self.lines.put(None)
        self.thread.join(LAST_LINES)
        if self.thread.is_alive():
            self.warn(f"it has not answered for {LAST_LINES:.0f} seconds")

    def report(self) -> None:
        """Report lines until there are no more, or one fails."""
        try:
            tracker = self.open()
            while (line := self.lines.get()) is not None:
                tracker.add(line["step"], values_of(line))
            tracker.close()
        except ModuleNotFoundError as error:
            self.warn(f"{error}; pip install 'electra[{self.tracker}]'")
        except Exception as error:  # of any kind: the run is worth more
            self.warn(f"{type(error).__name__}: {error}")

    def open(self) -> Tracker:
        """Begin a run at the tracker, or continue the one that the folder names."""
        file = self.folder / FILE
        known = read_object(file) if file.exists() else {}
        run = Tracked(self.folder, self.settings, known.get(self.tracker, ""), self.step)
        tracker = TRACKERS[self.tracker](run)
        write_json(file, known | {self.tracker: tracker.id})
        return tracker

    def warn(self, why: str) -> None:
        """Warn that the tracker is left out."""
        logger.warning(
            f"nothing more is reported to {self.tracker}: {why.rstrip('.')}. The run goes on; "
            f"{self.folder / 'metrics.jsonl'} has all of its metrics"
        )


def values_of(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a line by name, as in train/loss."""
    return {f"{line['kind']}/{name}": value for name, value in line.items() if name not in ("kind", "step")}
