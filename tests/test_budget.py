"""The budget of a run: its warm-up, the time left, the end, and what is said of it on the way."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from tiny import hook_step, stop_after, tiny_config, write_data

from electra.cli import main
from electra.config import ElectraConfig, FinetuneConfig, find_preset
from electra.core.errors import Interrupted
from electra.pretraining.run import pretrain
from electra.training.log import WIDTH, Log
from electra.training.pace import Pace
from electra.training.schedule import learning_rate, progress, warmup


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("budget") / "data")


# -- warm-up -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [dict(max_minutes=60), dict(max_tokens=900 * 4096), dict(train_steps=900)])
def test_small_reaches_its_rate_in_any_budget(limit):
    """An hour of small is 900 steps of 4 seconds on two cores, a tenth of its warm-up of 10,000 steps."""
    config = replace(find_preset("small"), cooldown=0.5, **limit)

    def rate(step):
        return learning_rate(config, step, progress(config, step, 4096 * step, 4.0 * step))

    assert rate(0) == 0
    assert rate(45) == pytest.approx(config.learning_rate / 2)
    assert all(rate(step) == pytest.approx(config.learning_rate) for step in (90, 100, 450))


def test_the_warm_up_of_a_full_schedule_is_the_papers():
    config = find_preset("small")
    for step in (0, 1, 5_000, 10_000):
        assert warmup(config, step, step / config.train_steps) == step / 10_000


def test_fine_tuning_warms_up_for_as_long_as_asked():
    config = FinetuneConfig(warmup_proportion=0.5).resolved(ElectraConfig(), 3200, 1.0)
    assert [warmup(config, step, step / 100) for step in (0, 10, 25, 50, 60)] == [0, 0.2, 0.5, 1, 1]


# -- the end -----------------------------------------------------------------------------------------------------------


def test_a_run_that_learned_nothing_says_so(data, tmp_path, capsys):
    pretrain(tiny_config(data, tmp_path / "one", train_steps=1))
    assert "the learning rate rose to 0 in 1 step, not to its peak of 0.001" in capsys.readouterr().err
    pretrain(tiny_config(data, tmp_path / "low", train_steps=4, learning_rate=1e-8))
    assert re.search(r"weights hardly moved: by .* % of their size in 4 steps", capsys.readouterr().err)
    pretrain(tiny_config(data, tmp_path / "good"))
    assert "warning" not in capsys.readouterr().err


def test_the_peak_is_remembered_when_a_run_goes_on(data, tmp_path, capsys):
    config = tiny_config(data, tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        hook_step(patch, after=stop_after(22))
        pretrain(config)
    pretrain(config)  # two steps at the end of the cooldown
    assert "learning rate rose" not in capsys.readouterr().err


def test_the_same_command_on_a_finished_run_says_so_at_once(data, tmp_path, capsys, monkeypatch):
    config = tiny_config(data, tmp_path / "run", train_steps=4)
    result = pretrain(config)
    capsys.readouterr()
    monkeypatch.setattr("electra.pretraining.run.build_objective", lambda *_: pytest.fail("nothing is left to train"))
    assert pretrain(config) == result
    said = capsys.readouterr().err
    assert said.startswith("finished: ") and "continuing" not in said
    assert f"--init {tmp_path / 'run'}" in said and "--train-steps above 4" in said


def test_a_command_imports_no_compiler_and_no_counting_before_it_knows_that_it_needs_them():
    """They took longer than torch itself, and the answer `finished` with them."""
    code = (
        "import sys, electra.pretraining.run; print([m for m in ('torch._dynamo', 'scipy.sparse') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("cooldown, said", [(1.0, "--max-tokens above {0}"), (0.5, "--max-tokens {1}")])
def test_a_larger_limit_that_was_not_reached_is_answered_with_the_one_that_was(data, tmp_path, cooldown, said):
    config = tiny_config(data, tmp_path / "run", max_tokens=500, cooldown=cooldown)
    used = pretrain(config)["tokens"]
    with pytest.raises(ValueError, match=said.format(used, 2 * used)):
        pretrain(replace(config, train_steps=1_000))
    assert pretrain(replace(config, max_tokens=2 * used))["tokens"] >= 2 * used


# -- what is said ------------------------------------------------------------------------------------------------------


def test_the_plan_is_said_before_training_and_alone_with_dry_run(data, tmp_path, capsys):
    config = tiny_config(data, tmp_path / "run", dry_run=True, max_minutes=30)
    assert pretrain(config) == {} and not (tmp_path / "run").exists()
    said = capsys.readouterr().err
    for part in ("electra, 2 layers x 32", "random", "tokens", "cpu (1 thread), float32, not compiled", "8 rows, 4 at"):
        assert part in said
    assert "24 steps or 30m00s, whichever comes first" in said and "4 steps or 10 % of the budget" in said
    shown = [line for line in said.splitlines() if str(tmp_path.parent) not in line and str(data) not in line]
    assert shown and all(len(line) <= 80 for line in shown)


def test_the_plan_counts_the_parameters_that_are_trained(data, tmp_path, capsys):
    pretrain(tiny_config(data, tmp_path / "run", train_steps=1, save_steps=0))
    from safetensors.torch import load_file

    (newest,) = (tmp_path / "run" / "checkpoints").glob("step-*/weights.safetensors")
    trained = sum(tensor.numel() for tensor in load_file(newest).values())
    assert f"{trained / 1e6:.1f} M parameters" in capsys.readouterr().err


def test_the_command_ends_with_what_to_do_next(data, tmp_path, capsys):
    config = tiny_config(data, tmp_path / "run", train_steps=1)
    from tiny import flags

    main(["pretrain", *flags(config)])
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["model", "report", "next"]
    assert lines[-1].endswith(f"electra detect {tmp_path / 'run'} FILE")


def test_the_time_left_is_that_of_this_session():
    """A run that took 10 hours for 1,000 steps goes on at a step a second."""
    pace = Pace(replace(find_preset("small"), train_steps=1_100))
    assert pace.left() is None
    pace.note(1_001, 4_096_000, 36_080.0)  # 80 seconds, as it compiles
    assert pace.left() is None
    pace.note(1_011, 4_136_960, 36_090.0)
    assert pace.left() == pytest.approx(89.0)


@pytest.mark.parametrize("limit, left", [(dict(max_minutes=2), 100), (dict(max_tokens=1_000), 80), ({}, 180)])
def test_the_time_left_is_that_to_the_first_limit(limit, left):
    pace = Pace(replace(find_preset("small"), train_steps=200, **limit))
    pace.note(10, 100, 10.0)
    pace.note(20, 200, 20.0)
    assert pace.left() == pytest.approx(left)


def test_a_line_of_progress_fits_80_columns_and_begins_with_the_time_left(tmp_path, capsys):
    log = Log(tmp_path / "metrics.jsonl")
    metrics = {"loss": 31.4159, "gen_loss": 11.235, "disc_loss": 0.693, "disc_auc": 0.5, "gen_accuracy": 0.1} | {
        "disc_recall": 0.25
    }
    log.train(1_234_567, metrics, speed=1_412_345.0, left=3_600.0 * 99, is_warm=False)
    line = capsys.readouterr().err.strip()
    assert line == "left 99h00m  step 1,234,567  tokens/s 1,412,345  gen 11.235  disc 0.693" and len(line) <= WIDTH
    log.train(5, {"loss": 0.5}, speed=1.0, left=None, is_warm=False)
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])["disc_recall"] == 0.25


def test_something_is_shown_before_a_line_of_metrics_is_due(data, tmp_path, capsys):
    pretrain(tiny_config(data, tmp_path / "run", train_steps=2, log_steps=100))
    assert re.search(r"^left \?  step 1  tokens/s [\d,]+  gen", capsys.readouterr().err, re.MULTILINE)
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count('"train"') == 1


def test_a_short_run_by_the_clock_is_not_compiled(monkeypatch):
    from electra.training import device

    monkeypatch.setattr(device.shutil, "which", lambda name: "/usr/bin/c++")
    small = find_preset("small")
    assert [device.should_compile(replace(small, max_minutes=m)) for m in (0, 2.5, 60)] == [True, False, True]
    assert device.should_compile(replace(small, max_minutes=2.5, compile="on"))


@pytest.mark.parametrize("seconds, said", [(3.9, ["47h"]), (0.3, [])])
def test_a_run_of_more_than_a_day_is_warned_of_once_its_pace_is_known(seconds, said, caplog):
    """The first step compiles and counts for nothing."""
    pace = Pace(replace(find_preset("small"), train_steps=44_000))
    for step in range(1, 40):
        pace.note(step, 1000 * step, 1000 + seconds * step)
        assert (caplog.text == "") == (step < 11 or not said)
    assert [message.split("takes ")[1][:3] for message in caplog.messages] == said
