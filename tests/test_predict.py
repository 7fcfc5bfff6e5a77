"""Asking a model: from the command line, without training, and its evaluation beside baselines."""

import gzip
import io
import json
import os
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_finetune import config, folder, rows, tags, write_lines  # noqa: F401

import electra
from electra.cli import main, verbs
from electra.config import EvaluateConfig, PredictConfig
from electra.core.storage import read_json
from electra.data.rows import first_fit, lay_out
from electra.finetuning.evaluate import evaluate
from electra.finetuning.run import finetune
from electra.inference.model import MAX_TOKENS, PADDING, PADDING_SHARE, by_length
from electra.inference.predict import MOST, Question, groups, predict
from electra.inference.task_model import TaskModel
from electra.inference.zero_shot import row_of, zero_shot
from electra.server.engine import ModelEngine
from electra.tasks import Features
from electra.text.lines import open_lines


@pytest.fixture(scope="module")
def learned(folder):  # noqa: F811
    out = folder / "asked"
    finetune(config(folder, out))
    return out


@pytest.fixture
def few_rounds(monkeypatch):
    """Intervals of a hundred bootstrap rounds."""
    monkeypatch.setattr(sys.modules["electra.finetuning.evaluate"], "RESAMPLES", 100)


def test_predict_reads_texts_and_json_and_prints_json_lines(learned, tmp_path, capsys):
    file = tmp_path / "in.txt"
    file.write_text('the dog\n\n{"text": "the fox"}\n["a dog", "a fox"]\n[not json\n', encoding="utf-8")
    main(["predict", str(learned), "--input", str(file)])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["label"] for line in lines[:2]] == ["dog", "fox"]
    assert [line["id"] for line in lines] == ["1", "3", "4", "5"]  # of their lines: the second is blank


def test_an_answer_bears_the_id_of_its_question_and_an_error_the_line(learned, tmp_path, capsys):
    file = tmp_path / "in.jsonl"
    file.write_text('\n{"id": "A7", "text": "the dog"}\n')
    main(["predict", str(learned), "--input", str(file)])
    assert json.loads(capsys.readouterr().out)["id"] == "A7"
    file.write_text('the dog\n\n["a", "b", "c"]\n')
    with pytest.raises(SystemExit):
        main(["predict", str(learned), "--input", str(file)])
    assert "line 3: give a text or a pair of texts" in capsys.readouterr().err


@pytest.fixture
def asked_in(learned, monkeypatch):
    """The numbers of texts that the model is asked together."""
    seen = []
    whole = TaskModel.predict
    monkeypatch.setattr(TaskModel, "predict", lambda self, inputs: seen.append(len(inputs)) or whole(self, inputs))
    return seen


def test_answers_come_while_later_lines_wait(learned, tmp_path, asked_in):
    file = tmp_path / "in.txt"
    file.write_text("the dog\n" * 40 + "\n" + "the fox\n" * 60)
    answers = predict(PredictConfig(str(learned), str(file)))
    first = [next(answers) for _ in range(32)]
    assert asked_in == [32] and [a["id"] for a in first] == [str(n) for n in range(1, 33)]
    rest = list(answers)
    assert asked_in == [32, 64, 4] and [a["id"] for a in rest][6:10] == ["39", "40", "42", "43"]
    assert [a["label"] for a in rest] == ["dog"] * 8 + ["fox"] * 60


def test_long_texts_are_answered_in_smaller_groups():
    asked = [Question("x" * 300_000, str(n), n) for n in range(10)] + [Question("x", "10", 10)] * 3000
    sizes = [len(group) for group in groups(asked)]
    assert sizes[:3] == [4, 4, 128]
    assert max(sizes) <= MOST and sum(sizes) == 3010


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('["a", "b", "c"]', "line 101: give a text or a pair of texts"),
        ('{"txt": "the dog"}', "line 101: give a text, a list of texts, or an object"),
        ('{"text": 7}', "line 101: give a text, a list of texts, or an object"),
        ('{"text": "\\ud800"}', "line 101: the text holds half a surrogate pair"),
    ],
)
@pytest.mark.parametrize("piped", [False, True])
def test_a_wrong_line_is_found_before_the_first_is_answered(
    learned, tmp_path, capsys, asked_in, monkeypatch, wrong, message, piped
):
    text = "the dog\n" * 100 + wrong + "\n"
    (tmp_path / "in.jsonl").write_text(text)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    with pytest.raises(SystemExit):
        main(["predict", str(learned), *([] if piped else [str(tmp_path / "in.jsonl")])])
    written = capsys.readouterr()
    assert message in written.err and written.out == "" and asked_in == []


def test_a_line_that_fails_while_it_is_answered_says_how_far_it_came(learned, tmp_path, capsys, monkeypatch):
    def fail(self, inputs):
        if "the fox" in inputs:
            raise ValueError("no room")
        return [{"label": "dog"}] * len(inputs)

    monkeypatch.setattr(TaskModel, "predict", fail)
    (tmp_path / "in").write_text("the dog\n" * 32 + "the fox\n")
    with pytest.raises(SystemExit):
        main(["predict", str(learned), str(tmp_path / "in")])
    written = capsys.readouterr()
    assert len(written.out.splitlines()) == 32
    assert "in lines 33 to 33: no room; those before are answered" in written.err


def test_how_far_it_is_goes_to_standard_error(learned, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("electra.core.log.SILENT", -1.0)
    monkeypatch.setattr("electra.core.log.EVERY", -1.0)
    (tmp_path / "in").write_text("the dog\n" * 40)
    main(["predict", str(learned), str(tmp_path / "in")])
    written = capsys.readouterr()
    assert len(written.out.splitlines()) == 40 and "answering 1 of 40" in written.err


def test_memory_does_not_grow_with_the_input(learned, tmp_path, monkeypatch):
    monkeypatch.setattr(TaskModel, "predict", lambda self, inputs: [{"label": "dog"}] * len(inputs))
    (tmp_path / "in").write_text(("the dog " * 50 + "\n") * 20_000)  # 8 MB
    model = electra.load(learned)
    monkeypatch.setattr("electra.inference.predict.load", lambda *asked: model)
    tracemalloc.start()
    assert sum(1 for _ in predict(PredictConfig(str(learned), str(tmp_path / "in")))) == 20_000
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3_000_000


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_lines_are_read_twice_from_any_source(tmp_path, monkeypatch, suffix):
    content = b"\xef\xbb\xbfa\r\n\n\xc3\xa9\x0cb"
    file = tmp_path / f"in.txt{suffix}"
    file.write_bytes(gzip.compress(content) if suffix else content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    for name in (str(file), "-"):
        with open_lines(name) as lines:
            assert list(lines) == list(lines) == ["a", "", "é\x0cb"]


def test_lines_that_are_not_utf8_say_at_which_byte(tmp_path):
    (tmp_path / "in").write_bytes(b"\xef\xbb\xbfab\nc\xff\n")
    with open_lines(str(tmp_path / "in")) as lines, pytest.raises(ValueError, match="not UTF-8 at byte 7"):
        list(lines)
    with pytest.raises(ValueError, match=r"did you mean .*in'"), open_lines(str(tmp_path / "inn")):
        pass


def test_a_model_that_is_not_fine_tuned_says_what_to_do(folder, capsys):  # noqa: F811
    with pytest.raises(SystemExit):
        main(["predict", str(folder / "model"), "--input", str(folder / "dev.jsonl")])
    assert "run electra finetune first" in capsys.readouterr().err


def test_one_text_is_not_taken_for_a_list(learned):
    with pytest.raises(ValueError, match="takes a list"):
        electra.load(learned).predict("the dog")


def test_a_prediction_does_not_depend_on_its_company(learned):
    model = electra.load(learned)
    texts = [row["text"] for row in rows(30, 9)]
    together = model.predict(texts)
    alone = [model.predict([text])[0] for text in texts]
    for a, b in zip(together, alone):
        assert a["label"] == b["label"] and a["score"] == pytest.approx(b["score"], abs=1e-5)


def test_rows_of_a_pass_are_alike_in_length_and_each_is_run_once():
    lengths = np.random.default_rng(0).integers(3, 128, 500).tolist()
    rows = [[7] * n for n in [*lengths, 5000]]
    groups = list(by_length(rows))
    assert sorted(n for group in groups for n in group) == list(range(len(rows)))
    assert [500] in groups  # one that is too long for a pass is run alone
    for group in groups:
        sizes = [len(rows[n]) for n in group]
        padding = max(sizes) * len(group) - sum(sizes)
        assert sizes == sorted(sizes, reverse=True) and padding <= max(PADDING, PADDING_SHARE * sum(sizes))
        assert len(group) == 1 or max(sizes) * len(group) <= MAX_TOKENS
    assert len(groups) < 30 and list(by_length([])) == []


def test_examples_are_laid_out_whole_and_once():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(3, 100, (50,), generator=generator).tolist()
    features = [Features(list(range(100 * n, 100 * n + k)), [0] * k, n) for n, k in enumerate(lengths)]
    packed = lay_out(features, 0)
    for n, feature in enumerate(features):
        slots = packed.tokens[n][packed.tokens[n] >= 0]
        assert packed.input_ids.flatten()[slots].tolist() == feature.ids
        assert packed.position_ids.flatten()[slots].tolist() == list(range(len(feature.ids)))
        assert len(set(packed.example_ids.flatten()[slots].tolist())) == 1
    assert (packed.example_ids > 0).sum() == sum(lengths)
    assert first_fit([5, 5, 5], 10) == [(0, 0), (0, 5), (1, 0)]


def test_zero_shot_takes_the_word_that_looks_least_replaced(folder, monkeypatch):  # noqa: F811
    model = electra.load(folder / "model")
    dog = model.tokenizer.encode(" dog").ids

    def replaced(rows):
        """A judge who finds `dog` fitting after `walker` only."""
        walker = model.tokenizer.encode(" walker").ids
        return [
            torch.tensor([0.1 if (t in dog) == (walker[0] in row) else 0.9 for t in row], dtype=torch.float)
            for row in rows
        ]

    monkeypatch.setattr(model, "replaced", replaced)
    found = zero_shot(model, ["the walker", "the river"], "a {}.", ["dog", "fox"])
    assert found[0]["label"] == "dog" and found[0]["score"] > 0.9
    assert found[1]["probabilities"]["dog"] == pytest.approx(0.5, abs=1e-3)  # as in the template alone


def test_zero_shot_cuts_the_text_and_keeps_the_template(folder):  # noqa: F811
    model = electra.load(folder / "model")
    row, first, last, is_cut = row_of(model, "the dog " * 50, "It was", "fox", "!")
    assert len(row) <= model.longest and is_cut
    long, short = zero_shot(model, ["the dog " * 50, "the dog"], "It was {}!", ["fox", "meal"])
    assert long["truncated"] is True and "truncated" not in short
    assert row[first:last] == model.tokenizer.encode(" fox").ids


def test_zero_shot_from_the_command_line(folder, tmp_path, capsys):  # noqa: F811
    (tmp_path / "in").write_text("the quick dog\n")
    main(["predict", str(folder / "model"), "dog,fox", "--zero-shot", "a {}", "--input", str(tmp_path / "in")])
    (line,) = capsys.readouterr().out.splitlines()
    assert set(json.loads(line)["probabilities"]) == {"dog", "fox"}


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_evaluation_writes_scores_beside_baselines(folder, tmp_path, kind, capsys, few_rounds, drawn):  # noqa: F811
    c = config(folder, tmp_path / "out", epochs=2.0)
    files = (c.train, c.dev) if kind == "classification" else (folder / "tags.jsonl", folder / "tags_dev.jsonl")
    settings = {f: getattr(c, f) for f in c.__dataclass_fields__} | dict(train=str(files[0]), dev="", seeds=2)
    verbs.evaluate(EvaluateConfig(**settings, suite=str(files[1])))
    (result,) = read_json(tmp_path / "out" / "summary.json")["results"]
    low, high = result["interval"]
    assert result["task"] == kind and 0 <= low <= result["seeds"][result["kept_seed"]]["score"] <= high <= 1
    names = [b["name"] for b in result["baselines"]]
    expected = ["majority", "tf-idf + logistic regression"] if kind == "classification" else ["majority"]
    assert names == expected
    if kind == "classification":  # where the commonest label is not always right, chance shows
        low, high = result["baselines"][0]["interval"]
        assert low < result["baselines"][0]["score"] < high
    assert result["baselines"][-1]["score"] == pytest.approx(1.0)  # both toys are a matter of single words
    lines = (tmp_path / "out/predictions-1.jsonl").read_text().splitlines()
    assert len(lines) == result["examples"] and {"id", "gold", "texts"} <= json.loads(lines[0]).keys()
    html = (tmp_path / "out/report.html").read_text()
    assert "Right label" in html and ("Precision and recall" in html) == (kind == "classification")
    assert "majority" in capsys.readouterr().out


def test_a_fine_tuned_model_is_scored_as_it_is(folder, learned, tmp_path, few_rounds):  # noqa: F811
    out = tmp_path / "not" / "there" / "yet"
    c = EvaluateConfig(model=str(learned), suite=str(folder / "dev.jsonl"), out=str(out))
    summary = evaluate(c)
    (result,) = summary["results"]
    assert len(result["seeds"]) == 1 and result["kept"] > 0.9 and result["baselines"] == []
    assert summary["resamples"] == 100 and {"config", "hardware", "versions"} <= summary.keys()


def test_columns_named_for_the_evaluation_count(folder, learned, tmp_path, few_rounds):  # noqa: F811
    file = write_lines(tmp_path / "t.jsonl", [{"body": r["text"], "gold": r["label"]} for r in rows(20, 9)])
    c = EvaluateConfig(model=str(learned), suite=file, out=str(tmp_path), text_column="body", label_column="gold")
    assert evaluate(c)["results"][0]["kept"] > 0.9
    train = write_lines(tmp_path / "train.jsonl", [{"text": "a", "label": "dog"}, {"text": "b", "label": ""}])
    other = str(tmp_path / "other")
    with pytest.raises(ValueError, match="row 2: no label"):
        evaluate(replace(c, train=train, suite=str(folder / "dev.jsonl"), text_column="", label_column="", out=other))


def test_check_looks_and_trains_nothing(folder, tmp_path, capsys):  # noqa: F811
    c = config(folder, tmp_path / "out", check=True)
    settings = {f: getattr(c, f) for f in c.__dataclass_fields__}
    assert evaluate(EvaluateConfig(**settings, suite=str(folder / "dev.jsonl"))) == {}
    assert "labels" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_server_takes_a_fine_tuned_model(learned):
    engine = ModelEngine(electra.load(learned), "topics")
    assert engine.kinds == ("predict", "tokenize") and engine.tokens("predict", "the dog") >= 4
    assert engine.answer("predict", ["the dog"])[0]["label"] == "dog"


def test_the_file_may_follow_the_model_as_in_detect(tmp_path):
    assert PredictConfig("runs/topic", "texts.jsonl").source == "texts.jsonl"
    assert PredictConfig("runs/topic", input="texts.jsonl").source == "texts.jsonl"
    assert PredictConfig("runs/topic", "good,bad", zero_shot="It was {}.").source == "-"
    with pytest.raises(ValueError, match="two files to read"):
        PredictConfig("runs/topic", "a.jsonl", "b.jsonl")


def test_a_pipe_without_an_end_says_why_no_answer_comes(monkeypatch, capsys, tmp_path):
    out, into = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(out))
    monkeypatch.setattr("electra.text.lines.SILENT", 0.05)
    with ThreadPoolExecutor() as threads:
        writing = threads.submit(lambda: (os.write(into, b"the dog\n"), time.sleep(0.3), os.close(into)))
        with open_lines("-") as lines:
            assert [*lines] == ["the dog"]
        writing.result()
    sys.stdin.close()
    assert "reading standard input to its end; the first answer comes after it" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the fox")))
    with open_lines("-") as lines:
        assert [*lines] == ["the fox"]
    time.sleep(0.1)
    assert not capsys.readouterr().err
