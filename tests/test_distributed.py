"""A run of several processes is the run of one: rows, masks, samples, dropout, and with --sum exact every bit."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hosts import cut_off, end_hosts, plug, start_hosts, two_hosts, workers_of
from safetensors.torch import load_file
from test_training import assert_same_run, damage, metrics, newest, step_of_newest
from tiny import Fault, flags, tiny_config, train_as, write_data

from electra.config import ModernBertConfig
from electra.core.errors import LOST, NOT_FINITE, STOPPED, Lost
from electra.core.runs import read_metrics
from electra.pretraining.run import pretrain
from electra.training.distributed import World, join

MODERN = ModernBertConfig(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=32,
    memory=64, memory_size=8, local_attention=8, attention_dropout=0.1, mlp_dropout=0.1,
)  # fmt: skip
FULL = dict(generator_width=1.0)
SHORT = dict(train_steps=4, log_steps=2, eval_steps=3, save_steps=0)
# Every objective, way of sharing, optimizer and backbone at least once.
CASES = {
    "electra": dict(share="none"),
    "all": dict(share="all", **FULL),
    "gdes": dict(share="gdes", optimizer="muon"),
    "mlm": dict(objective="mlm", random_token_prob=0.1),
    "electra_15": dict(objective="electra_15"),
    "replace_mlm": dict(objective="replace_mlm"),
    "all_tokens_mlm": dict(objective="all_tokens_mlm"),
    "two_stage": dict(objective="two_stage", share="none", **FULL),
    "adversarial": dict(objective="adversarial"),
    "electric": dict(objective="electric"),
    "frozen": dict(generator_kind="unigram", share="none"),
    "short": dict(short_stage=0.5, short_length=12, random_sample_prob=0.2),
    "modern": dict(model=MODERN, optimizer="muon", **FULL),
    "modern-gdes": dict(model=MODERN, share="gdes", **FULL),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def straight(data, tmp_path_factory):
    """A run of one process that nothing interrupted."""
    out = tmp_path_factory.mktemp("straight") / "run"
    pretrain(run_in(data, out))
    return out


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny", "electra.pretraining.run", "matplotlib.figure", "torch.distributed"])
    return context


def run_in(data, out, **changes):
    """Four micro-batches of four rows a step."""
    return tiny_config(data, out, **dict(train_batch_size=16, sum="exact") | changes)


def start(context, size, configs, fault=None):
    """Start processes as torchrun does; each trains the configurations one after the other, or a list of its own."""
    each = configs if isinstance(configs[0], list) else [configs] * size
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [context.Process(target=train_as, args=(r, size, port, each[r], fault)) for r in range(size)]
    for process in started:
        process.start()
    return started


def ended(started, seconds=250):
    """The exit codes."""
    end = time.monotonic() + seconds
    for process in started:
        process.join(max(0.0, end - time.monotonic()))
    codes = [process.exitcode for process in started]
    for process in started:
        process.kill()
    return codes


def run_together(context, size, *configs):
    assert ended(start(context, size, configs)) == [0] * size


# -- the same run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_every_objective_is_bit_for_bit_the_same(data, processes, tmp_path, size):
    def configs(kind):
        return [run_in(data, tmp_path / kind / name, **SHORT, **changes) for name, changes in CASES.items()]

    run_together(processes, 1, *configs("one"))
    run_together(processes, size, *configs("many"))
    for name in CASES:
        assert_equal_weights(tmp_path / "many" / name, tmp_path / "one" / name)
        assert metrics(tmp_path / "many" / name) == metrics(tmp_path / "one" / name), name


def test_in_fp32_a_step_reads_the_same_and_gradients_differ_by_rounding(data, processes, tmp_path):
    one, two = (run_in(data, tmp_path / name, sum="fast", train_steps=1, log_steps=1) for name in ("one", "two"))
    pretrain(one)
    run_together(processes, 2, two)
    assert metrics(tmp_path / "one")[0] == metrics(tmp_path / "two")[0]  # of rows, masks, samples and dropout
    weights = [load_file(newest(tmp_path / name) / "weights.safetensors") for name in ("one", "two")]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=0, atol=1e-6, msg=name)


def assert_equal_weights(out, other):
    for name in ("weights.safetensors", "optimizer.safetensors"):
        assert (newest(out) / name).read_bytes() == (newest(other) / name).read_bytes(), f"{out.name}: {name}"


def test_a_run_may_go_on_with_another_number_of_processes(data, straight, processes, tmp_path):
    """Stopped on two after seven steps, on one after twelve: it ends on two as the run of one."""
    config = run_in(data, tmp_path / "run")
    assert ended(start(processes, 2, [config], Fault("stopped", 0, 6))) == [STOPPED] * 2
    assert step_of_newest(tmp_path / "run") == 7
    assert ended(start(processes, 1, [config], Fault("stopped", 0, 11))) == [STOPPED]
    run_together(processes, 2, config)
    assert_same_run(tmp_path / "run", straight)


@pytest.mark.slow
def test_a_run_may_go_on_from_four_processes_to_two(data, straight, processes, tmp_path):
    config = run_in(data, tmp_path / "run")
    assert ended(start(processes, 4, [config], Fault("stopped", 3, 9))) == [STOPPED] * 4
    run_together(processes, 2, config)
    assert_same_run(tmp_path / "run", straight)


def test_the_first_process_alone_needs_the_folder(data, straight, processes, tmp_path):
    """The other gets its state by the network, also when the run is continued."""
    mine, other = (run_in(data, tmp_path / name / "run") for name in ("mine", "nowhere"))
    for fault, codes in ((Fault("stopped", 1, 9), [STOPPED] * 2), (None, [0, 0])):
        assert ended(start(processes, 2, [[mine], [other]], fault)) == codes
    assert [path.name for path in (tmp_path / "nowhere").iterdir()] == ["run.said1"]
    assert (tmp_path / "nowhere/run.said1").read_text() == ""
    assert_same_run(tmp_path / "mine/run", straight)


def test_the_gradient_of_whole_numbers_is_that_of_fp32(data, tmp_path):
    pretrain(run_in(data, tmp_path / "fast", sum="fast", train_steps=3, eval_steps=0))
    pretrain(run_in(data, tmp_path / "exact", train_steps=3, eval_steps=0))
    weights = [load_file(newest(tmp_path / name) / "weights.safetensors") for name in ("fast", "exact")]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=0, atol=2e-5, msg=name)


# -- stopping together -------------------------------------------------------------------------------------------------


def said(out, rank=0):
    return out.with_suffix(f".said{rank}").read_text()


@pytest.mark.parametrize("asked", [0, 1])
def test_one_process_that_is_asked_to_stop_stops_all(data, processes, tmp_path, asked):
    assert ended(start(processes, 2, [run_in(data, tmp_path / "run")], Fault("stopped", asked, 3))) == [STOPPED] * 2
    assert step_of_newest(tmp_path / "run") == 4
    assert "stopped at step 4; run the same command again" in said(tmp_path / "run") and not said(tmp_path / "run", 1)


@pytest.mark.parametrize("sum", ["fast", "exact"])
def test_a_loss_that_is_not_finite_on_one_stops_all_and_is_said_once(data, processes, tmp_path, sum):
    config = run_in(data, tmp_path / "run", sum=sum)
    assert ended(start(processes, 2, [config], Fault("poisoned", 1, 7))) == [NOT_FINITE] * 2
    assert "error: step 7: loss nan" in said(tmp_path / "run") and not said(tmp_path / "run", 1)
    assert step_of_newest(tmp_path / "run") == 5


def test_a_budget_of_time_ends_all_at_the_same_step(data, processes, tmp_path):
    config = run_in(data, tmp_path / "run", train_steps=100_000, max_minutes=0.02, warmup_steps=0)
    run_together(processes, 2, config)
    lines = read_metrics(tmp_path / "run")
    assert lines[-1]["kind"] == "eval" and lines[-1]["step"] == step_of_newest(tmp_path / "run") > 4
    assert 1.2 <= lines[-1]["seconds"] < 4


def test_more_processes_than_micro_batches_are_refused(data, processes, tmp_path):
    configs = [run_in(data, tmp_path / "run", micro_batch_size=16)]
    assert ended(start(processes, 2, configs)) == [2, 2]
    assert said(tmp_path / "run") == (
        "error: 2 processes for 1 micro-batches: set --micro-batch-size to 8 or less, in a new run\n"
    )
    assert not said(tmp_path / "run", 1) and not (tmp_path / "run").exists()


def test_a_run_on_another_host_than_the_first_process_is_not_begun_anew(data, straight, processes, tmp_path):
    shutil.copytree(straight, tmp_path / "run")
    mine, other = (run_in(data, tmp_path / name) for name in ("new", "run"))
    assert ended(start(processes, 2, [[mine], [other]])) == [2, 2]
    assert "is on another host than the first process" in said(tmp_path / "new") and not (tmp_path / "new").exists()


def test_the_rows_of_a_micro_batch_are_those_the_run_began_with(data, tmp_path):
    """The default depends on the device, and masks on it."""
    config = run_in(data, tmp_path / "run", micro_batch_size=0, train_batch_size=48, train_steps=1)
    pretrain(config)
    file = tmp_path / "run/config.json"
    assert json.loads(file.read_text())["micro_batch_size"] == 24
    pretrain(config)
    with pytest.raises(ValueError, match="micro_batch_size: run has 24, command has 16"):
        pretrain(replace(config, micro_batch_size=16))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"micro_batch_size": 0}))  # as older versions wrote
    pretrain(config)


# -- faults ------------------------------------------------------------------------------------------------------------


def test_a_hung_process_is_named(data, processes, tmp_path):
    config = run_in(data, tmp_path / "run", wait_minutes=0.2)
    started = start(processes, 2, [config], Fault("hung", 1, 7))
    started[0].join(60)
    assert started[0].exitcode == LOST
    assert ended(started, 0)
    assert (
        f"error: process 1 ({socket.gethostname()}) has not answered for 0.2 minutes, at step 7; the last checkpoint "
        "is good; run the same command again" in said(tmp_path / "run")
    )


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_other_and_costs_nothing(data, straight, processes, tmp_path, killed):
    config = run_in(data, tmp_path / "run")
    codes = ended(start(processes, 2, [config], Fault("killed", killed, 13)))
    assert codes[killed] == -signal.SIGKILL and codes[1 - killed] == LOST
    assert f"error: process {killed} ({socket.gethostname()}) ended, at step 13" in said(tmp_path / "run", 1 - killed)
    run_together(processes, 2, config)
    assert_same_run(tmp_path / "run", straight)


def test_a_full_disk_ends_all_and_is_said_once(data, straight, processes, tmp_path):
    config = run_in(data, tmp_path / "run")
    assert ended(start(processes, 2, [config], Fault("full", 0, 12))) == [5, LOST]
    assert "the disk is full; no partial file was left" in said(tmp_path / "run")
    assert step_of_newest(tmp_path / "run") == 10 and not list((tmp_path / "run").rglob("*partial*"))
    run_together(processes, 2, config)
    assert_same_run(tmp_path / "run", straight)


def test_torchrun_restarts_a_run_by_itself(data, straight, tmp_path):
    """The worker dies by kill -9 after a checkpoint; the command that started it ends as if nothing had been."""
    script = tmp_path / "train.py"
    script.write_text(
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from tiny import Fault, Patch, hook_step, quiet\n"
        "if os.environ['TORCHELASTIC_RESTART_COUNT'] == '0' and os.environ['RANK'] == '1':\n"
        "    hook_step(Patch(), before=Fault('killed', 1, 12))\n"
        "from electra.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1", script]
    config = run_in(data, tmp_path / "run")
    done = subprocess.run([*command, "pretrain", *flags(config)], stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "continuing from step 10" in done.stderr
    assert_same_run(tmp_path / "run", straight)


def test_a_process_whose_torchrun_has_died_is_an_orphan(monkeypatch):
    assert not World(0, 2).is_orphan()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    world = World(0, 2)
    assert not world.is_orphan()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert world.is_orphan() == (world.agent != 1)


def test_restarts_on_several_hosts_that_could_not_work_are_refused(monkeypatch):
    for name, value in {
        "WORLD_SIZE": 4, "GROUP_WORLD_SIZE": 2, "TORCHELASTIC_MAX_RESTARTS": 3, "TORCHELASTIC_USE_AGENT_STORE": True,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    with pytest.raises(ValueError, match="set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 on every host"):
        join.__wrapped__(False, 1.0)


def test_processes_that_do_not_come_are_said(monkeypatch):
    for name, value in {"RANK": 1, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(Lost, match="not all of 2 processes met at 127.0.0.1 within 0.01 minutes"):
        join.__wrapped__(False, 0.01)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_kill_9_of_any_of_two_at_any_time(data, processes, tmp_path, seed):
    """A short storm: random moments, torn checkpoints in between; the run ends as if nothing had been."""
    config, rng = run_in(data, tmp_path / "run", save_steps=2, log_steps=1), random.Random(seed)
    calm = run_in(data, tmp_path / "calm", save_steps=2, log_steps=1)
    pretrain(calm)
    for _ in range(5):
        started = start(processes, 2, [config])
        time.sleep(rng.uniform(0.3, 2.0))
        killed, other = rng.sample(started, 2)
        killed.kill()
        other.join(3)  # it may still wait for the other to come: then torchrun ends it
        other.terminate()
        assert set(ended(started, 20)) <= {-signal.SIGKILL, -signal.SIGTERM, LOST, STOPPED, 0}
        if step_of_newest(tmp_path / "run") > 2 and rng.random() < 0.5:
            damage(newest(tmp_path / "run") / "weights.safetensors", rng.choice(["torn", "flipped"]))
    run_together(processes, 2, config)
    assert_same_run(tmp_path / "run", tmp_path / "calm")
    assert len(metrics(tmp_path / "run")) == len({(m["kind"], m["step"]) for m in metrics(tmp_path / "run")})


# -- two hosts ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def hosts():
    with two_hosts() as names:
        if not names:
            pytest.skip("needs root and the command ip")
        yield names


def wait_for_step(out, step, seconds=240):
    end = time.monotonic() + seconds
    while step_of_newest(out) < step:
        assert time.monotonic() < end, f"no checkpoint of step {step}"
        time.sleep(0.05)


@pytest.mark.slow
def test_two_hosts_are_one_and_a_worker_that_dies_on_the_second_is_replaced(data, hosts, tmp_path):
    settings = dict(train_steps=60, save_steps=5, log_steps=5, eval_steps=0)
    pretrain(run_in(data, tmp_path / "alone", **settings))
    started = start_hosts(hosts, run_in(data, tmp_path / "run", **settings))
    wait_for_step(tmp_path / "run", 5)
    (worker,) = workers_of(started[1])
    worker.kill()
    told = [process.communicate(timeout=250)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], told
    assert "continuing from step" in told[0]
    assert_same_run(tmp_path / "run", tmp_path / "alone")
    assert not Path(str(tmp_path / "run") + "-of-no-one").exists()


@pytest.mark.slow
def test_a_cable_that_breaks_ends_both_hosts_and_costs_nothing(data, hosts, tmp_path):
    settings = dict(train_steps=60, save_steps=5, log_steps=5, eval_steps=0, wait_minutes=0.1)
    pretrain(run_in(data, tmp_path / "alone", **settings))
    started = start_hosts(hosts, run_in(data, tmp_path / "run", **settings))
    wait_for_step(tmp_path / "run", 5)
    assert cut_off(hosts, started)
    told = end_hosts(started)
    assert "has not answered for 0.1 minutes" in told[0]
    plug(hosts, "up")
    pretrain(run_in(data, tmp_path / "run", **settings))
    assert_same_run(tmp_path / "run", tmp_path / "alone")
