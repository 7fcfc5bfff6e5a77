"""Messages say what to do next."""

import contextlib
import errno
import io
import json
import logging
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from test_finetune import config, folder, rows, write_lines  # noqa: F401
from tiny import write_data

from electra.checkpoints.locate import model_folder
from electra.cli import main
from electra.core.errors import in_words
from electra.data.cooccurrence import word_vectors
from electra.data.shards import open_examples
from electra.finetuning.evaluate import write_html
from electra.tasks.columns import find_column
from electra.text.lines import read_text
from electra.training.divergence import DivergenceCheck

TEXT, LABEL = ("text", "sentence", "content"), ("label", "labels", "class")


@pytest.mark.parametrize(
    ("found", "role", "said"),
    [(["transcript", "label"], "text", "--text-column transcript"),
     (["label", "id", "body of it"], "text", "--text-column 'body of it'"),
     (["sentense", "label"], "text", "did you mean 'sentense'?"),
     (["text", "outcome"], "label", "--label-column outcome"),
     (["id", "label"], "text", "--text-column NAME")],
)  # fmt: skip
def test_a_column_is_proposed_for_its_role(found, role, said):
    """The label column was proposed for the text."""
    with pytest.raises(ValueError) as refused:
        find_column(found, role, TEXT if role == "text" else LABEL, {}, "t.csv")
    assert said in str(refused.value) and f"--{role}-column label" not in str(refused.value)


@pytest.mark.parametrize(
    ("files", "said"),
    [(("finetune.json", "runs/seed-0/metrics.jsonl"), "repeat its electra finetune command to continue it"),
     (("config.json", "metrics.jsonl"), "repeat its electra pretrain command to continue it"),
     (("config.json",), "holds no model: .*give the --out of a finished run")],
)  # fmt: skip
def test_an_unfinished_run_is_told_from_a_folder_without_a_model(tmp_path, files, said):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=said):
        model_folder(tmp_path)


def test_a_terminal_is_told_that_text_is_awaited(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "electra")

    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"the dog")))
    assert read_text("-") == "the dog" and "end the text with Ctrl-D" in caplog.text
    caplog.clear()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the dog")))
    assert read_text("-") == "the dog" and not caplog.text  # a pipe


def test_a_report_says_what_was_measured(tmp_path):
    (tmp_path / "p.jsonl").write_text(json.dumps({"gold": None}) + "\n")
    row = {"name": "seed 0", "score": 0.8, "interval": [0.7, 0.9]}
    result = {"task": "classification", "split": "dev", "main_metric": "accuracy", "kept": 0.8, "examples": 1,
              "seeds": [row], "baselines": [], "predictions": str(tmp_path / "p.jsonl")}  # fmt: skip
    asked = {"train": "t.jsonl", "data": "", "suite": "", "dev": "d.jsonl"}
    about = {"model": "runs/mine", "config": asked, "time": "2026-11-29T09:00:00+00:00", "commit": "abc1234"}
    write_html(tmp_path, [result], about)
    page = (tmp_path / "report.html").read_text()
    for part in ("runs/mine", "t.jsonl", "d.jsonl", "accuracy 80.0", "2026-11-29T09:00:00", "abc1234"):
        assert f">{part}" in page, part


@pytest.mark.parametrize(
    ("lines", "more", "said"),
    [([], {}, "holds no rows; name a file"),
     ([{"text": "a", "label": "x"}] * 3, {}, "--label-column"),
     ([{"text": "a", "label": ""}] * 3, {}, "--label-column"),
     ([{"transcript": "a", "label": "x"}], {}, "--text-column transcript"),
     ([{"text": "a", "score": 1.0}] * 3, {"task": "regression"}, "--label-column"),
     ([{"question": "a", "answers": []}], {"task": "qa"}, "--text2-column")],
)  # fmt: skip
def test_refused_data_says_what_to_change(folder, tmp_path, capsys, lines, more, said):  # noqa: F811
    file = write_lines(tmp_path / "t.jsonl", lines)
    words = [part for name, value in more.items() for part in (f"--{name}", value)]
    with pytest.raises(SystemExit) as ended:
        main(["finetune", str(folder / "model"), "--train", file, "--out", str(tmp_path / "out"), *words])
    assert ended.value.code == 2 and said in capsys.readouterr().err


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("prepared") / "data")


WRITERS = ["prepare TRAIN --vocab-size 100", "pretrain --preset tiny --data DATA", "convert MODEL", "export MODEL",
           "compare --preset tiny --objectives mlm --budget 9ktok --data DATA", "finetune MODEL --train TRAIN",
           "evaluate MODEL --train TRAIN --dev TRAIN"]  # fmt: skip


@pytest.mark.parametrize("out", ["notes.txt", "notes.txt/below"])
@pytest.mark.parametrize("command", WRITERS)
def test_a_file_in_the_place_of_a_folder_to_write_is_named(folder, prepared, tmp_path, capsys, command, out):  # noqa: F811
    (tmp_path / "notes.txt").write_text("mine")
    names = {"MODEL": folder / "model", "TRAIN": folder / "train.jsonl", "DATA": prepared}
    with pytest.raises(SystemExit) as ended:
        main([*(str(names.get(word, word)) for word in command.split()), "--out", str(tmp_path / out)])
    assert ended.value.code == 2
    assert re.search(r"^error: \S+notes.txt is a file.*; choose another --out\n$", capsys.readouterr().err, re.M)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("error", "said"),
    [(IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), "notes"), "notes: it is a folder where a file"),
     (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "notes"), "notes: no such file or folder; check"),
     (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "the disk is full; make room"),
     (OSError(errno.ENOSPC, "the disk is full; no partial file was left at a"), "the disk is full; no partial file"),
     (OSError(errno.EIO, os.strerror(errno.EIO), "notes"), "notes: Input/output error"),
     (ValueError("as it is"), "as it is")],
)  # fmt: skip
def test_an_error_of_the_system_is_told_in_words(error, said):
    assert in_words(error).startswith(said) and "Errno" not in in_words(error)


def test_a_full_disk_below_standard_output_is_told_once(tmp_path):
    """Python told of it only when it ended, with a traceback and exit code 120."""
    (tmp_path / "a.txt").write_text("The dog sleeps.\n")
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "electra", "detect", str(tmp_path / "a.txt")]
        ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 5
    assert ended.stderr == "error: the disk is full; make room and run the same command again\n"


def test_a_text_of_one_word_trains_and_is_called_too_little(tmp_path, capsys):
    """Its counts have no spread: all first weights were NaN, and a lower rate was advised."""
    (tmp_path / "word.txt").write_text("hello")
    main(["prepare", str(tmp_path / "word.txt"), "--out", str(tmp_path / "data"), "--vocab-size", "100"])
    assert "warning: 3 tokens are enough to try the commands, but not to learn from" in capsys.readouterr().err
    assert np.isfinite(word_vectors(open_examples(tmp_path / "data").first_tokens(9), 100, [0, 1, 2, 3, 4], 4, 0)).all()


def test_what_a_diverged_run_has_left_is_said(tmp_path):
    for saved, said in ((False, "there is no checkpoint yet"), (True, "the last checkpoint in .* is good")):
        if saved:
            (tmp_path / "step-00000005").mkdir()
        check = DivergenceCheck(tmp_path)
        check.add(7, torch.tensor(float("nan")), torch.tensor(1.0))
        with pytest.raises(FloatingPointError, match=said):
            check.require_finite()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["prepare", "empty.txt"], "every line is empty; name a file that has some"),
     (["prepare", "list.json"], "list.json is read as plain text, markup too; save its objects as .jsonl"),
     (["prepare", "word.txt", "--tokenizer", "empty.txt"], "empty.txt has no unknown token"),
     (["pretrain", "--data", "word.txt"], "word.txt is a file; prepare it (electra prepare word.txt --out FOLDER)"),
     (["pretrain", "--config", "word.txt"], "--config word.txt: name the config.json of a run"),
     (["pretrain", "--config", "gone.json"], "gone.json: no such file; check the name"),
     (["pretrain", "--config", "folder", "--data", "d"], "folder/config.json: no such file"),
     (["convert", "word.txt", "--out", "x"], "word.txt is a file and no folder; give a run"),
     (["detect", "word.txt", "--html", "folder"], "folder is a folder; name a file in it"),
     (["detect", "word.txt", "--html", "gone/page.html"], "gone/page.html: there is no folder gone; make it"),
     (["bench", "--preset", "tiny", "--out", "folder"], "folder is a folder; name a file in it"),
     (["serve", "--api-key-file", "folder"], "--api-key-file folder: it is a folder where a file is wanted")],
)  # fmt: skip
def test_a_wrong_file_is_named_with_what_to_do(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name, content in {"empty.txt": "", "word.txt": "hello", "list.json": "[1, 2]"}.items():
        (tmp_path / name).write_text(content)
    with contextlib.suppress(SystemExit):
        main([*words, *(["--out", "out"] if words[0] == "prepare" else [])])
    assert said in capsys.readouterr().err
