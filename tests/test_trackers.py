"""Trackers: the lines of metrics.jsonl arrive, once and in one run; a tracker that fails costs nothing but itself."""

import sys
import time
from types import SimpleNamespace

import pytest
from safetensors.torch import load_file
from test_finetune import config
from test_finetune import folder as labelled  # noqa: F401  # a fixture
from tiny import hook_step, stop_after, tiny_config, write_data

from electra.config import FinetuneConfig, PretrainConfig
from electra.core.errors import Interrupted
from electra.core.runs import read_metrics
from electra.core.storage import read_json
from electra.finetuning.run import finetune
from electra.pretraining.run import pretrain
from electra.training import trackers
from electra.training.distributed import World


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("trackers") / "data")


class Recorder:
    """A tracker that remembers; it is given to runs in the place of wandb."""

    runs: list["Recorder"]

    def __init__(self, run):
        self.id, self.run, self.lines, self.is_closed = run.id or f"id {len(self.runs)}", run, [], False
        self.runs.append(self)

    def add(self, step, values):
        self.lines.append((step, dict(values)))

    def close(self):
        self.is_closed = True


@pytest.fixture
def recorder(monkeypatch):
    kind = type("Recording", (Recorder,), {"runs": []})
    monkeypatch.setitem(trackers.TRACKERS, "wandb", kind)
    return kind


def test_nothing_is_reported_unless_asked():
    assert PretrainConfig().report_to == FinetuneConfig(model="m", train="t").report_to == "none"


def test_every_line_is_reported(data, tmp_path, recorder):
    pretrain(tiny_config(data, tmp_path / "run", report_to="wandb"))
    (run,) = recorder.runs
    lines = read_metrics(tmp_path / "run")
    assert [step for step, _ in run.lines] == [line["step"] for line in lines]
    assert run.lines[0][1]["train/disc_loss"] == lines[0]["disc_loss"]
    assert "eval/disc_auc" in run.lines[-1][1]
    assert run.run.settings["learning_rate"] == 1e-3 and run.is_closed


def test_a_resumed_run_continues_the_same_run_of_the_tracker(data, tmp_path, recorder, monkeypatch):
    config = tiny_config(data, tmp_path / "run", report_to="wandb")
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        hook_step(patch, after=stop_after(10))
        pretrain(config)
    pretrain(config)
    first, second = recorder.runs
    assert first.is_closed and second.run.id == first.id and second.run.step == 10
    assert read_json(tmp_path / "run" / trackers.FILE) == {"wandb": first.id}
    assert [step for step, _ in first.lines + second.lines] == [line["step"] for line in read_metrics(tmp_path / "run")]


def test_only_the_first_process_reports(data, tmp_path, recorder):
    pretrain(tiny_config(data, tmp_path / "run", report_to="wandb", train_steps=5), world=World(rank=1))
    assert not recorder.runs


def test_each_seed_of_a_fine_tuning_is_a_run_of_the_tracker(tmp_path, recorder, labelled):  # noqa: F811
    finetune(config(labelled, tmp_path / "out", report_to="wandb", seeds=2, epochs=1.0))
    assert [run.run.folder.name for run in recorder.runs] == ["seed-0", "seed-1"]
    assert all("eval/accuracy" in run.lines[-1][1] for run in recorder.runs)


@pytest.mark.parametrize("method", ["__init__", "add", "close"])
def test_a_tracker_that_fails_is_left_out_with_one_warning(data, tmp_path, recorder, monkeypatch, capsys, method):
    def fail(*_):
        raise ConnectionError("no network")

    monkeypatch.setattr(recorder, method, fail)
    pretrain(tiny_config(data, tmp_path / "reported", report_to="wandb"))
    said = capsys.readouterr().err
    assert said.count("nothing more is reported to wandb: ConnectionError: no network") == 1
    pretrain(tiny_config(data, tmp_path / "alone"))
    weights = (load_file(tmp_path / run / "model" / "model.safetensors") for run in ("reported", "alone"))
    one, other = ({name: tensor.tolist() for name, tensor in found.items()} for found in weights)
    assert one == other


def test_a_tracker_that_hangs_delays_nothing(data, tmp_path, recorder, monkeypatch, capsys):
    monkeypatch.setattr(recorder, "add", lambda *_: time.sleep(100))
    monkeypatch.setattr(trackers, "LAST_LINES", 0.1)
    pretrain(tiny_config(data, tmp_path / "run", report_to="wandb"))
    assert "nothing more is reported to wandb: it has not answered" in capsys.readouterr().err


def test_a_tracker_that_is_not_installed_is_named(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    pretrain(tiny_config(data, tmp_path / "run", report_to="mlflow", train_steps=5))
    assert "pip install 'electra[mlflow]'" in capsys.readouterr().err


# -- the trackers themselves -------------------------------------------------------------------------------------------


def test_tensorboard_has_every_line_once_though_the_run_was_killed(data, tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def die(trainer):
        if trainer.step == 13:
            raise RuntimeError("killed")

    run = tiny_config(data, tmp_path / "run", report_to="tensorboard")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        hook_step(patch, after=die)  # the checkpoint is of step 10, a line of step 12 is reported already
        pretrain(run)
    pretrain(run)
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    found.Reload()
    for tag in ("train/disc_loss", "eval/disc_auc"):
        kind, name = tag.split("/")
        lines = [(line["step"], line[name]) for line in read_metrics(tmp_path / "run") if line["kind"] == kind]
        assert [(event.step, pytest.approx(event.value)) for event in found.Scalars(tag)] == lines


def report_to(kind, path, id="", step=0):
    """Report one line to a tracker; return its id."""
    tracker = kind(trackers.Tracked(path, {"learning_rate": 1e-3, "model": {"layers": 2}}, id, step))
    tracker.add(step + 4, {"train/loss": 2.5})
    tracker.close()
    return tracker.id


def test_wandb_is_told_the_run_and_its_steps(tmp_path, monkeypatch):
    begun, lines, ended = [], [], []

    def init(**about):
        begun.append(about)
        run = dict(define_metric=lambda *_, **__: None, log=lines.append, finish=lambda: ended.append(1))
        return SimpleNamespace(**run)

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    id = report_to(trackers.WeightsAndBiases, tmp_path)
    assert report_to(trackers.WeightsAndBiases, tmp_path, id, step=10) == id
    assert [about["id"] for about in begun] == [id, id] and begun[1]["resume"] == "allow"
    assert lines == [{"step": 4, "train/loss": 2.5}, {"step": 14, "train/loss": 2.5}] and len(ended) == 2


def test_trackio_is_told_the_run_and_its_steps(tmp_path, monkeypatch):
    begun, lines, ended = [], [], []

    def init(**about):
        begun.append(about)
        return SimpleNamespace(log=lambda values, step: lines.append((step, values)), finish=lambda: ended.append(1))

    monkeypatch.setitem(sys.modules, "trackio", SimpleNamespace(init=init))
    id = report_to(trackers.Trackio, tmp_path)
    assert report_to(trackers.Trackio, tmp_path, id, step=10) == id
    assert [about["name"] for about in begun] == [id, id] and begun[1]["resume"] == "allow"
    assert lines == [(4, {"train/loss": 2.5}), (14, {"train/loss": 2.5})] and len(ended) == 2


def test_mlflow_is_told_the_run_and_its_steps(tmp_path, monkeypatch):
    client = FakeMlflow()
    entities = SimpleNamespace(Metric=lambda *values: values)
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=lambda: client, entities=entities))
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    id = report_to(trackers.MLflow, tmp_path)
    assert report_to(trackers.MLflow, tmp_path, id, step=10) == id
    assert client.created == [(trackers.PROJECT, str(tmp_path))]
    assert client.params["learning_rate"] == 1e-3
    assert [(name, value, step) for name, value, _, step in client.metrics] == [
        ("train/loss", 2.5, 4),
        ("train/loss", 2.5, 14),
    ]


class FakeMlflow:
    """What of MLflow's client is used."""

    def __init__(self):
        self.created, self.params, self.metrics, self.experiments = [], {}, [], []

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id=name) if name in self.experiments else None

    def create_experiment(self, name):
        self.experiments.append(name)
        return name

    def create_run(self, experiment, run_name):
        self.created.append((experiment, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id="7"))

    def log_param(self, id, name, value):
        self.params[name] = value

    def log_batch(self, id, metrics):
        self.metrics += metrics

    def set_terminated(self, id):
        assert id == "7"
