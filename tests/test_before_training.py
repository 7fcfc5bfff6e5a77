"""What is said before a long fine-tuning: true lengths, windows, time; and progress while questions are encoded."""

import logging
import re

import pytest
from test_evaluate import squad
from test_finetune import config, folder  # noqa: F401

from electra.core import log
from electra.core.log import tracked
from electra.finetuning.run import finetune


@pytest.fixture
def eager(monkeypatch, caplog):
    """Progress from the first item."""
    monkeypatch.setattr(log, "SILENT", -1.0)
    monkeypatch.setattr(log, "EVERY", -1.0)
    caplog.set_level(logging.INFO, "electra")


def test_check_tells_windows_true_lengths_and_the_time(folder, tmp_path, eager, caplog):  # noqa: F811
    train, dev = squad(tmp_path / "train.json", 40), squad(tmp_path / "dev.json", 8)
    text = (tmp_path / "train.json").read_text().replace(" A cook", " The lazy dog eats." * 20 + " A cook")
    (tmp_path / "train.json").write_text(text)
    assert finetune(config(folder, tmp_path / "out", train=train, dev=dev, task="qa", check=True, epochs=2.0)) == {}
    told = caplog.text
    pattern = r"lengths    train: .* longest (\d+) tokens; .* 32; .* windows, (\d+) in all"
    longest, windows = re.search(pattern, told).groups()
    assert int(longest) > 100 and int(windows) > 40 * 4  # not the 32 tokens of a window
    steps = -(-int(windows) * 2 // 16)
    assert re.search(rf"time       about \S+ for {steps} steps of .* s, \S+ for each evaluation on the dev file", told)
    assert "encoding questions 39 of 40" in told and not (tmp_path / "out").exists()


def test_progress_is_silent_for_what_is_quick(caplog):
    caplog.set_level(logging.INFO, "electra")
    assert list(tracked(range(5), 5, "counting")) == [0, 1, 2, 3, 4] and not caplog.text
