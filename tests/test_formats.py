"""Files that an earlier version wrote still load, continue and answer as they did then."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import electra
from electra.config import FinetuneConfig, pretrain_config_from_dict
from electra.core.runs import read_metrics
from electra.finetuning.run import finetune
from electra.pretraining.run import pretrain
from electra.text.dictionary import FILE

FORMATS = Path(__file__).parent / "formats"
EXPECTED = json.loads((FORMATS / "expected.json").read_text(encoding="utf-8"))
TEXT = "the quick fox eats the river . a lazy xylophone dog"
INPUTS = {
    "classification": [TEXT],
    "regression": [TEXT],
    "tagging": [TEXT.split()],
    "qa": [["where does the fox walk", TEXT]],
}
NEWER = ("certainty",)  # fields of a word that the kept answers had not yet
CLOCK = ("seconds", "tokens_per_second")  # what no two runs have in common


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A copy of the files, in which the relative paths of their configurations hold."""
    shutil.copytree(FORMATS, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_close(found, expected):
    """The same structure, with numbers that are nearly the same."""
    if isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-4, rel=1e-4)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert_close(one, other)
    else:
        assert found == expected


def without_clock(metrics):
    return {name: value for name, value in metrics.items() if name not in CLOCK}


def config_of(run):
    return pretrain_config_from_dict(json.loads(Path(run, "config.json").read_text(encoding="utf-8")))


def words_of(path):
    """What the detector says of every word, as JSON has it."""
    words = json.loads(json.dumps([word._asdict() for word in electra.load(path).detect(TEXT, threshold=0.0)]))
    return [{name: value for name, value in word.items() if name not in NEWER} for word in words]


def test_a_finished_run_is_read_and_not_trained_again():
    metrics = Path("run/metrics.jsonl").read_bytes()
    assert_close(without_clock(pretrain(config_of("run"))), without_clock(EXPECTED["run"]))
    assert Path("run/metrics.jsonl").read_bytes() == metrics


def test_an_unfinished_run_continues_to_the_same_end():
    assert not Path("unfinished/model").exists()
    before = read_metrics(Path("unfinished"))
    found = pretrain(replace(config_of("unfinished"), out="unfinished"))
    assert read_metrics(Path("unfinished"))[: len(before)] == before  # it did not begin anew
    assert_close(without_clock(found), without_clock(EXPECTED["run"]))
    Path("unfinished/model", FILE).unlink()  # the earlier version wrote none
    assert_close(words_of("unfinished"), EXPECTED["detect"])


def test_a_run_detects():
    assert_close(words_of("run"), EXPECTED["detect"])


@pytest.mark.parametrize("task", INPUTS)
def test_a_fine_tuned_model_answers(task):
    assert_close(electra.load(f"tasks/{task}").predict(INPUTS[task]), EXPECTED[task])


def test_an_unfinished_fine_tuning_continues():
    settings = dict(train_steps=6, threads=1, device="cpu", precision="fp32", max_length=24)
    data = dict(model="run", train="train.jsonl", dev="train.jsonl", out="tasks/unfinished")
    checkpoint = Path("tasks/unfinished/runs/seed-0/checkpoints/step-00000003")
    assert checkpoint.is_dir()
    summary = finetune(FinetuneConfig(**data, **settings))
    assert summary["seeds"][0]["step"] == 6 and not checkpoint.exists()
    assert electra.load("tasks/unfinished").predict([TEXT])[0]["label"] in ("fox", "none")


@pytest.mark.parametrize("name, key", [("detector", "detect"), ("classifier", "classification")])
def test_an_exported_model_answers(name, key):
    pytest.importorskip("onnxruntime")
    path = f"exported/{name}"
    found = words_of(path) if key == "detect" else electra.load(path).predict(INPUTS[key])
    assert_close(found, EXPECTED[key])
