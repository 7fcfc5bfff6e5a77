"""Evaluation: GLUE from its folders to the files its server takes, question answering beside what needs no network."""

import json
import shutil
import sys

import pytest
import torch
from test_finetune import config, folder, learned, rows  # noqa: F401
from test_tasks import write_official

import electra
from electra.cli import main
from electra.config import EvaluateConfig
from electra.core.storage import read_json, write_json
from electra.finetuning.evaluate import evaluate
from electra.tasks import GLUE, TASKS, Example

SUBMITTED = {"CoLA", "SST-2", "MRPC", "STS-B", "QQP", "MNLI-m", "MNLI-mm", "AX", "QNLI", "RTE", "WNLI"}
MISMATCHED = "index\tpromptID\tpairID\tgenre\tsentence1\tsentence2\tgold_label\n"


@pytest.fixture(scope="module")
def glue(tmp_path_factory):
    """The official folders, two rows each."""
    root = tmp_path_factory.mktemp("glue")
    for name in GLUE:
        write_official(root, name)
    (root / "MNLI/dev_mismatched.tsv").write_text(MISMATCHED + "0\t1\t1n\tg\ta\tb\tcontradiction\n")
    (root / "MNLI/test_mismatched.tsv").write_text("index\tsentence1\tsentence2\n0\ta\tb\n1\tc\td\n")
    (root / "diagnostic").mkdir()
    (root / "diagnostic/diagnostic.tsv").write_text("index\tsentence1\tsentence2\n" + "0\ta\tb\n" * 3)
    return root


def test_a_suite_writes_scores_and_submissions(folder, glue, tmp_path, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sys.modules["electra.finetuning.evaluate"], "RESAMPLES", 5)
    settings = vars(config(folder, tmp_path / "out", epochs=1.0)) | {"train": "", "dev": "", "seeds": 1}
    results = evaluate(EvaluateConfig(**settings, suite="glue", data=str(glue)))["results"]
    assert [(r["task"], r["split"]) for r in results if r["task"] != "mnli"] == [
        (n, "dev") for n in GLUE if n != "mnli"
    ]
    matched, mismatched = (r for r in results if r["task"] == "mnli")
    assert (matched["split"], mismatched["split"]) == ("dev", "dev_mismatched")
    assert (matched["examples"], mismatched["examples"]) == (2, 1)
    assert "mnli (mismatched)" in capsys.readouterr().out + (tmp_path / "out/report.html").read_text()
    files = {f.stem: f for f in (tmp_path / "out").glob("*/submission/*.tsv")}
    assert files.keys() == SUBMITTED
    for name, count in {"MNLI-mm": 2, "AX": 3, "RTE": 1, "STS-B": 1}.items():
        header, *rows = files[name].read_text().splitlines()
        assert header == "index\tprediction" and [row.split("\t")[0] for row in rows] == [str(n) for n in range(count)]
    said = {name: files[name].read_text().split()[-1] for name in SUBMITTED}
    assert said["RTE"] in ("entailment", "not_entailment") and said["AX"] in GLUE["mnli"].label_set
    assert said["CoLA"] in "01" and 0 <= float(said["STS-B"]) <= 5


def test_small_tasks_start_from_the_suites_mnli_model(folder, glue, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sys.modules["electra.finetuning.evaluate"], "RESAMPLES", 5)
    for name in ("MNLI", "RTE", "CoLA"):
        shutil.copytree(glue / name, tmp_path / "glue" / name)
    settings = vars(config(folder, tmp_path / "out", epochs=1.0, learning_rate=1e-12)) | {"train": "", "dev": ""}
    evaluate(EvaluateConfig(**settings | {"seeds": 1}, suite="glue", data=str(tmp_path / "glue"), from_mnli=True))
    started = {n: read_json(tmp_path / "out" / n / "finetuned/finetune.json")["model"] for n in ("mnli", "rte", "cola")}
    assert started["rte"] == str(tmp_path / "out/mnli/finetuned")
    assert started["mnli"] == started["cola"] == str(folder / "model")
    with pytest.raises(ValueError, match="has no folder MNLI"):
        shutil.rmtree(tmp_path / "glue" / "MNLI")
        evaluate(EvaluateConfig(**settings, suite="glue", data=str(tmp_path / "glue"), from_mnli=True))


def squad(path, count, impossible=False):
    """Where is the fox? Beside the river."""
    animals, places = ("fox", "dog", "walker"), ("river", "meal", "café")
    paragraphs = []
    for n in range(count):
        animal, place = animals[n % 3], places[n // 3 % 3]
        context = f"The quick {animal} jumps over the {place}. A cook eats a small meal."
        none = impossible and n % 4 == 0
        answers = [] if none else [{"text": place, "answer_start": context.index(place)}]
        question = {"id": str(n), "question": f"the {animal} jumps over", "answers": answers, "is_impossible": none}
        paragraphs.append({"context": context, "qas": [question]})
    path.write_text(json.dumps({"version": "2.0", "data": [{"title": "t", "paragraphs": paragraphs}]}))
    return str(path)


def test_questions_with_the_original_head_from_training_to_an_answer(folder, tmp_path, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sys.modules["electra.finetuning.evaluate"], "RESAMPLES", 100)
    train, dev = squad(tmp_path / "train.json", 90), squad(tmp_path / "dev.json", 18)
    settings = vars(config(folder, tmp_path / "out", epochs=4.0)) | dict(train=train, dev=dev, task="qa", head="joint")
    (result,) = evaluate(EvaluateConfig(**settings | {"seeds": 1}))["results"]
    names = {b["name"]: b["score"] for b in result["baselines"]}
    assert names.keys() == {"word overlap"} and result["kept"] > 60
    out = tmp_path / "out/finetuned"
    asked = tmp_path / "asked.jsonl"
    asked.write_text('["the dog jumps over", "The quick dog jumps over the river. A cook eats a small meal."]\n')
    capsys.readouterr()
    main(["predict", str(out), "--input", str(asked)])
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["answer"] == "river"


def test_baselines_of_questions_by_hand():
    context = "It rained. The old mill of Ely was built in 1763 by Hugo Brand. It burned."
    asked = Example("0", ("When was the mill of Ely built?", context), (("1763", context.index("1763")),))
    none = Example("1", ("Who painted it?", "Nobody knows"), ())
    ((name, (found,)),) = TASKS["qa"]().baselines([asked], [asked])
    assert name == "word overlap" and found["answer"] == "in 1763 by Hugo Brand"
    assert context[found["start"] :].startswith(found["answer"])
    silent, overlap = TASKS["qa"]().baselines([asked, none], [asked, none])
    task = TASKS["qa"](may_be_unanswerable=True)
    assert silent[0] == "no answer" and task.score(silent[1], [asked, none])["exact"] == 50
    assert task.score(overlap[1], [asked, none])["f1"] == pytest.approx(50 * 2 / 6, abs=1e-6)


def test_baselines_read_text_without_blanks():
    train = [
        Example(str(n), (text,), label)
        for n, (text, label) in enumerate([("很好吃，快", "1"), ("不好吃。慢", "0")] * 4)
    ]
    asked = [Example("a", ("真慢啊",), "0"), Example("b", ("快！",), "1")]
    found = dict(TASKS["classification"]().baselines(train, asked))["tf-idf + logistic regression"]
    assert [prediction["label"] for prediction in found] == ["0", "1"]
    context = "那里下雨。老磨坊建于1763年。后来烧了。"
    question = Example("0", ("老磨坊建于何时？", context), (("1763年", context.index("1763")),))
    ((_, (answer,)),) = TASKS["qa"]().baselines([question], [question])
    assert answer["answer"] == "1763年" and context[answer["start"] :].startswith("1763年")


def test_a_model_without_names_for_its_labels_answers(learned, tmp_path):  # noqa: F811
    """As `save_pretrained` writes it where nobody gave id2label."""
    import transformers

    network = transformers.AutoModelForSequenceClassification.from_pretrained(learned)
    content = read_json(learned / "config.json")
    network.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((learned / name).read_bytes())
    bare = read_json(tmp_path / "config.json")
    for key in ("id2label", "label2id", "task", "task_settings", "problem_type"):
        bare.pop(key, None)
    write_json(tmp_path / "config.json", bare)
    text = "the quick dog eats"
    with torch.no_grad():
        (mine,) = electra.load(tmp_path).predict([text])
        (named,) = electra.load(learned).predict([text])
    assert mine["label"] == f"LABEL_{content['label2id'][named['label']]}"
    assert mine["score"] == pytest.approx(named["score"], abs=1e-5)


def test_sets_of_labels_have_a_curve_of_precision(folder, tmp_path, monkeypatch, drawn):  # noqa: F811
    monkeypatch.setattr(sys.modules["electra.finetuning.evaluate"], "RESAMPLES", 20)
    file = tmp_path / "t.jsonl"
    file.write_text("".join(json.dumps({"text": r["text"], "labels": [r["label"]]}) + "\n" for r in rows(60, 3)))
    settings = vars(config(folder, tmp_path / "out", epochs=1.0)) | {"train": str(file), "dev": "", "seeds": 1}
    (result,) = evaluate(EvaluateConfig(**settings, suite=str(file)))["results"]
    html = (tmp_path / "out/report.html").read_text()
    assert result["task"] == "multi_label" and "Precision and recall" in html and "recall of all labels" in html


def test_a_report_of_another_model_is_not_lost(learned, folder, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sys.modules["electra.finetuning.evaluate"], "RESAMPLES", 5)
    settings = vars(config(folder, tmp_path / "out")) | {"model": str(learned), "train": "", "seeds": 1}
    first = evaluate(EvaluateConfig(**settings))
    assert evaluate(EvaluateConfig(**settings))["results"] == first["results"]
    shutil.copytree(learned, tmp_path / "other")
    with pytest.raises(ValueError, match=r"(?s)out belongs to another.*model: .*other.*choose another --out"):
        evaluate(EvaluateConfig(**settings | {"model": str(tmp_path / "other")}))
    assert read_json(tmp_path / "out/summary.json")["model"] == str(learned)
