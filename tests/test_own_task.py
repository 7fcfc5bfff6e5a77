"""A task from outside the package, named module:Class: trained, saved, loaded, scored; errors of such names."""

import re
import sys
from pathlib import Path

import pytest
from test_finetune import config, folder, rows, write_lines  # noqa: F401

import electra
from electra.config import EvaluateConfig
from electra.core.storage import read_json, write_json
from electra.finetuning.evaluate import evaluate
from electra.finetuning.run import finetune
from electra.tasks import TASKS, find_task

DOCS = Path(__file__).parents[1] / "docs/howto/extend.md"
NAME = "urgency:Urgency"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The task of the documentation, importable."""
    (snippet,) = re.findall(r"```python\n([^`]*class Urgency\b.*?)```", DOCS.read_text(), re.S)
    (tmp_path / "urgency.py").write_text(snippet)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("urgency", None)


def test_the_task_of_the_documentation_is_learned_and_found_again(folder, tmp_path, module):  # noqa: F811
    messages = [{"text": r["text"], "label": "now!" if r["label"] == "dog" else "later"} for r in rows(240, 0)]
    train, dev = (write_lines(tmp_path / f"{n}.jsonl", part) for n, part in enumerate((messages[:200], messages[200:])))
    c = config(folder, tmp_path / "out", task=NAME, train=train, dev=dev)
    summary = finetune(c)
    assert summary["task"] == NAME and summary["main_metric"] == "macro_f1"
    assert summary["scores"]["macro_f1"]["kept"] > 0.9
    assert read_json(tmp_path / "out/config.json")["task"] == NAME
    sys.modules.pop("urgency")  # as another process finds it
    model = electra.load(tmp_path / "out")
    assert isinstance(model, electra.TaskModel) and type(model.task).__name__ == "Urgency"
    assert model.predict(["the quick dog"])[0]["label"] == "urgent"
    settings = vars(c) | {"model": str(tmp_path / "out"), "out": str(tmp_path / "scored"), "train": "", "task": "auto"}
    (result,) = evaluate(EvaluateConfig(**settings, suite=dev))["results"]
    assert result["task"] == NAME and result["kept"] > 0.9
    write_json(tmp_path / "out/config.json", read_json(tmp_path / "out/config.json") | {"task": "gone:Urgency"})
    with pytest.raises(ValueError, match="no module 'gone'"):
        electra.load(tmp_path / "out")


def test_names_of_ours_are_found_by_themselves():
    assert all(find_task(name) is task for name, task in TASKS.items())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere:Mine", "no module 'nowhere'; is its folder in PYTHONPATH"),
        ("json:JSONDecoder", "no class 'JSONDecoder' derived from Task"),
        ("taging", "unknown task 'taging'; .*or your own as module:Class"),
    ],
)
def test_a_task_that_is_not_there_is_said(folder, tmp_path, name, said):  # noqa: F811
    with pytest.raises(ValueError, match=said):
        finetune(config(folder, tmp_path / "out", task=name))
    assert not (tmp_path / "out").exists()
