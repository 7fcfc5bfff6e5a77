"""Every exit code of the documentation, by the command that ends with it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from faults import armed, library
from tiny import flags, tiny_config, write_data

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def start(*words, **environment):
    """Start a command in a group of processes of its own, as a shell does."""
    return subprocess.Popen(
        [sys.executable, "-m", "electra", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env=os.environ | environment, start_new_session=True,
    )  # fmt: skip


def ended(process):
    """Its exit code as a shell shows it, and what it said last."""
    said = process.communicate(timeout=120)[1].splitlines()
    code = process.returncode
    return 128 - code if code < 0 else code, said[-1] if said else ""


def wait_for(condition, process):
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()
        time.sleep(0.02)


def test_0_done():
    assert ended(start("flops", "--preset", "tiny"))[0] == 0


def test_1_a_word_is_marked(tmp_path):
    (tmp_path / "letter.txt").write_text("I recieve your letter.\n")
    assert ended(start("detect", tmp_path / "letter.txt", "--fail"))[0] == 1


def test_2_something_to_mend():
    code, said = ended(start("pretrain", "--data", "nowhere"))
    assert code == 2 and said.startswith("error: nowhere")


def test_4_a_loss_is_not_finite(data, tmp_path):
    code, said = ended(start("pretrain", *flags(tiny_config(data, tmp_path / "run", learning_rate=1e38))))
    assert code == 4 and said.startswith("error: step ")


def test_5_the_disk_is_full(data, tmp_path):
    out = tmp_path / "run"
    if not library(tmp_path):
        pytest.skip("needs a C compiler")
    code, said = ended(start("pretrain", *flags(tiny_config(data, out)), **armed(library(tmp_path), out, "full", 12)))
    assert code == 5 and said.startswith("error: the disk is full"), said


def test_6_another_process_does_not_come(data, tmp_path):
    places = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    config = tiny_config(data, tmp_path / "run", wait_minutes=0.01)
    code, said = ended(start("pretrain", *flags(config), **places))
    assert code == 6 and said.startswith("error: not all of 2 processes met")


def test_75_stopped_and_saved(data, tmp_path):
    config = tiny_config(data, tmp_path / "run", log_steps=1, train_steps=100_000, eval_steps=0, save_steps=0)
    process = start("pretrain", *flags(config))
    wait_for((tmp_path / "run/metrics.jsonl").exists, process)
    os.killpg(process.pid, signal.SIGTERM)
    code, said = ended(process)
    assert code == 75 and said.endswith("run the same command again to continue")


@pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_130_and_143_ended_before_the_first_step_while_the_compiler_works(data, tmp_path, number, code):
    """The signal ends the compiler too, as from a terminal, `timeout` or scancel."""
    config = tiny_config(data, tmp_path / "run", compile="on", train_steps=100_000)
    process = start("pretrain", *flags(config), TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache"))
    children = psutil.Process(process.pid).children
    wait_for(lambda: any("cc1plus" in child.name() for child in children(recursive=True)), process)
    os.killpg(process.pid, number)
    found, said = ended(process)
    assert found == code
    assert said == ("stopped" if code == 130 else said) and "Error" not in said


def test_all_are_tested(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from reference import exit_codes

    documented = set(re.findall(r"^\| (\d+) \|", exit_codes(), re.M))
    tested = {code for name in globals() if name.startswith("test_") for code in re.findall(r"\d+", name)}
    assert documented == tested
