"""A run: continued bit for bit after any interruption, honest about faults, loadable when it ends."""

import errno
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import (
    MODEL,
    SEQ_LENGTH,
    flags,
    hook_step,
    poison_at,
    said_by,
    stop_after,
    tiny_config,
    tiny_tokenizer,
    train,
    train_and_die,
    train_and_signal,
    write_data,
)

from electra.cli import main
from electra.core.errors import Interrupted
from electra.core.runs import read_metrics
from electra.core.storage import only_writer
from electra.data.loader import Loader
from electra.data.shards import open_examples
from electra.pretraining import run
from electra.pretraining.first_weights import build_objective
from electra.pretraining.run import build_trainer, pretrain
from electra.text.tokenizer import load_tokenizer
from electra.training import checkpoint, trainer
from electra.training.checkpoint import checkpoints, fault_of, save_checkpoint, truncate_metrics
from electra.training.log import PATIENCE, Log
from electra.training.trainer import Trainer

TIMES = ("seconds", "tokens_per_second")  # what differs between two runs of one configuration


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def straight(data, tmp_path_factory):
    """A run nothing has interrupted."""
    out = tmp_path_factory.mktemp("straight") / "run"
    pretrain(tiny_config(data, out))
    return out


@pytest.fixture(scope="session")
def halted(data, tmp_path_factory):
    """A run that was asked to stop after ten steps; to be copied."""
    out = tmp_path_factory.mktemp("halted") / "run"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        hook_step(patch, after=stop_after(10))
        pretrain(tiny_config(data, out))
    return out


@pytest.fixture(scope="session")
def children():
    """Processes that start within milliseconds: they fork from one that has imported torch and computed nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny", "electra.pretraining.run", "matplotlib.figure"])
    return context


def metrics(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def newest(out):
    return checkpoints(out / "checkpoints")[-1]


def assert_same_run(out, straight):
    """Weights, moments, position, metrics and saved model are equal to the last bit."""
    assert metrics(out) == metrics(straight)
    assert newest(out).name == newest(straight).name
    for name in ("weights.safetensors", "optimizer.safetensors"):
        assert (newest(out) / name).read_bytes() == (newest(straight) / name).read_bytes(), name
    mine, theirs = (json.loads((newest(o) / "state.json").read_text()) for o in (out, straight))
    assert mine | {"seconds": 0} == theirs | {"seconds": 0}
    for name in ("model.safetensors", "generator/model.safetensors", "config.json", "tokenizer.json"):
        assert (out / "model" / name).read_bytes() == (straight / "model" / name).read_bytes(), name
    left = [p for p in out.rglob("*") if "partial" in p.name]
    assert not left


def step_of_newest(out):
    found = checkpoints(out / "checkpoints")
    return int(found[-1].name[5:]) if found else 0


# -- continuing --------------------------------------------------------------------------------------------------------


def test_two_runs_of_one_configuration_are_equal_and_another_seed_is_not(data, straight, tmp_path):
    result = pretrain(tiny_config(data, tmp_path / "again"))
    assert_same_run(tmp_path / "again", straight)
    kinds = [(line["kind"], line["step"]) for line in metrics(straight)]
    assert kinds == [("train", 4), ("train", 8), ("eval", 9), ("train", 12), ("train", 16), ("eval", 18), ("train", 20),
                     ("train", 24), ("eval", 24)]  # fmt: skip
    assert {"kind": "eval"} | {k: v for k, v in result.items() if k not in TIMES} == metrics(straight)[-1]
    pretrain(tiny_config(data, tmp_path / "other", seed=1))
    assert metrics(tmp_path / "other")[0]["gen_loss"] != metrics(straight)[0]["gen_loss"]


def test_the_page_of_a_run_shows_its_curves(data, tmp_path, drawn):
    pretrain(tiny_config(data, tmp_path, train_steps=4, eval_steps=2, log_steps=2))
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == page.count("</svg>") == 2
    for colour in ("#1f77b4", "#ff7f0e"):  # of the first curve and the second: gen_loss and disc_loss, disc_auc ...
        assert page.count(f"stroke: {colour}") >= 4
    assert "generator's replacements" in page
    for cell in ("electra", str(data), "loss of the generator", "step 4"):
        assert f">{cell}<" in page
    assert "4 steps" in page and "AUC" in page


def test_the_page_of_a_masked_language_model_names_no_generator(data, tmp_path):
    pretrain(tiny_config(data, tmp_path, objective="mlm", train_steps=2, eval_steps=2, log_steps=2))
    page = (tmp_path / "report.html").read_text()
    for cell in ("loss of the masked language model", "masked tokens that are predicted"):
        assert f">{cell}<" in page
    assert "generator" not in page


def test_it_learns(straight):
    evaluations = [line for line in metrics(straight) if line["kind"] == "eval"]
    assert evaluations[-1]["gen_loss"] < evaluations[0]["gen_loss"]


def test_a_finished_run_stays_as_it_is(data, straight, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(straight, out)
    result = pretrain(tiny_config(data, out))
    assert_same_run(out, straight)
    assert result["step"] == 24 and result["gen_loss"] == metrics(straight)[-1]["gen_loss"]


def test_a_calibrated_threshold_outlives_the_same_command(data, straight, tmp_path):
    shutil.copytree(straight, tmp_path / "run")
    file = tmp_path / "run" / "model" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"detection_threshold": 0.625}))
    pretrain(tiny_config(data, tmp_path / "run"))
    assert json.loads(file.read_text())["detection_threshold"] == 0.625


def test_first_weights_are_not_made_again_for_a_run_that_has_its_own(data, tmp_path, monkeypatch):
    config = tiny_config(data, tmp_path, init="corpus", model=replace(MODEL, embedding_size=40))
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        hook_step(patch, after=stop_after(10))
        pretrain(config)
    monkeypatch.setattr(
        sys.modules["electra.pretraining.first_weights"], "word_vectors", lambda *given: pytest.fail("counted again")
    )
    pretrain(config)


def test_a_batch_that_can_only_be_read_row_by_row_is_warned_of(data, tmp_path, capsys):
    pretrain(tiny_config(data, tmp_path, train_batch_size=37, micro_batch_size=0, train_steps=1))
    assert "a batch of 37 rows is processed 1 at a time" in capsys.readouterr().err


def test_unknown_words_are_masked_as_released_only(data, tmp_path):
    t = load_tokenizer(data)
    assert t.unk_id in t.special_ids and t.never_masked == {t.pad_id, t.cls_id, t.sep_id, t.mask_id}
    for faithful in (False, True):
        config = tiny_config(data, tmp_path, faithful=faithful)
        train = open_examples(data, "train")
        made = build_trainer(build_objective(config, train, t), config, tmp_path, torch.device("cpu"), train, t)
        row = np.array([t.cls_id, t.unk_id, t.sep_id])
        assert bool(made.source.batch([[row]]).maskable[0, 1]) is faithful


@pytest.mark.parametrize("stop_at", [1, 5, 9, 23, 24])
def test_an_asked_stop_saves_and_the_same_command_goes_on(data, straight, tmp_path, monkeypatch, stop_at):
    config = tiny_config(data, tmp_path / "run")
    step = Trainer.train_step

    def step_and_ask(self):
        step(self)
        if self.step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Trainer, "train_step", step_and_ask)
    before = signal.getsignal(signal.SIGTERM)
    if stop_at < 24:
        with pytest.raises(Interrupted, match=f"step {stop_at}"):
            pretrain(config)
    else:
        pretrain(config)  # was done anyway
    assert signal.getsignal(signal.SIGTERM) == before
    assert step_of_newest(tmp_path / "run") == stop_at
    monkeypatch.undo()
    pretrain(config)
    assert_same_run(tmp_path / "run", straight)


@pytest.mark.parametrize("stop_at", [5, 17, 18, 19])
def test_a_run_with_short_rows_goes_on_in_either_stage(data, tmp_path, stop_at):
    def config(name):
        return tiny_config(data, tmp_path / name, short_stage=0.75, short_length=12)

    lengths = []
    with pytest.MonkeyPatch.context() as patch:
        hook_read(patch, lengths)
        pretrain(config("straight"))
    assert lengths == [12] * 18 + [SEQ_LENGTH] * 6
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        hook_step(patch, after=stop_after(stop_at))
        pretrain(config("run"))
    pretrain(config("run"))
    assert_same_run(tmp_path / "run", tmp_path / "straight")


def hook_read(patch, lengths):
    """Note how long the rows of each step are."""
    read = Loader.micro_batches

    def noted(self, step, size, *done):
        batches = read(self, step, size, *done)
        lengths.extend(batch.input_ids.shape[1] for batch in batches[:1] if done)
        return batches

    patch.setattr(Loader, "micro_batches", noted)


def test_sigterm_ends_the_command_with_75(data, straight, tmp_path):
    config = tiny_config(data, tmp_path / "run", log_steps=1, train_steps=3000, eval_steps=0, save_steps=0)
    command = [sys.executable, "-m", "electra", "pretrain", *flags(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (tmp_path / "run/metrics.jsonl").exists(), process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    stopped = step_of_newest(tmp_path / "run")
    assert 0 < stopped < 3000 and f"stopped at step {stopped:,}; run the same command again" in said
    assert fault_of(newest(tmp_path / "run")) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("step", "times"), [(0, 1), (7, 2)])
def test_a_signal_before_the_first_step_is_done_or_a_second_one_ends_at_once(
    data, straight, tmp_path, children, number, step, times
):
    config = tiny_config(data, tmp_path / "run")
    child = children.Process(target=train_and_signal, args=(config, number, step, times))
    child.start()
    child.join(60)
    assert child.exitcode == (130 if number == signal.SIGINT else -number)
    assert step_of_newest(tmp_path / "run") == (5 if step else 0)  # as saved before
    pretrain(config)
    assert_same_run(tmp_path / "run", straight)


def test_a_compiler_that_the_same_signal_has_ended_is_no_bug(data, straight, tmp_path, monkeypatch):
    """Of a stage that begins after many steps; g++ belongs to the group of processes that a terminal signals."""
    config = tiny_config(data, tmp_path / "run")

    def compile_in_vain(trainer):
        if trainer.step == 8:
            os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("C++ compile error")

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="stopped at step 8, while compiling"):
        hook_step(patch, before=compile_in_vain)
        pretrain(config)
    assert step_of_newest(tmp_path / "run") == 5
    pretrain(config)
    assert_same_run(tmp_path / "run", straight)


def wait_for(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()
        time.sleep(0.01)


# -- killed ------------------------------------------------------------------------------------------------------------


def trained_to_the_end(children, config, calls):
    """Whether a child ended before its `calls`th change to the disk, at which it dies.

    It is waited for as long as the test may take: on a loaded machine a second's work has taken a minute.
    """
    child = children.Process(target=train_and_die, args=(config, calls))
    child.start()
    child.join()
    assert child.exitcode in (0, 9), f"exit code {child.exitcode}: {said_by(config).read_text()}"
    return child.exitcode == 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
def test_a_run_killed_again_and_again_ends_as_if_nothing_had_been(data, straight, tmp_path, children, seed):
    config, rng = tiny_config(data, tmp_path / "run", save_steps=2), random.Random(seed)
    deaths = 0
    while True:
        if trained_to_the_end(children, config, rng.randint(20, 90)):
            break
        deaths += 1
        assert deaths < 60
    assert deaths >= 4
    pretrain(config)
    assert_same_run(tmp_path / "run", straight)


@pytest.mark.timeout(900)
def test_every_moment_of_a_save_may_be_the_last(data, straight, halted, tmp_path, children):
    """Die before the 1st, 2nd, 3rd ... change to the disk: each leaves a folder that the same command continues."""
    for calls in range(1, 200, 13):
        out = tmp_path / f"run{calls}"
        shutil.copytree(halted, out)
        config = tiny_config(data, out, save_total_limit=1)
        if trained_to_the_end(children, config, calls):
            break
        assert any(fault_of(path) is None for path in checkpoints(out / "checkpoints"))  # one is always whole
        pretrain(config)
        assert_same_run(out, straight)
        shutil.rmtree(out)
    assert calls > 60


def test_kill_9_at_any_time(data, straight, tmp_path, children):
    config, rng = tiny_config(data, tmp_path / "run", save_steps=2), random.Random(0)
    for _ in range(8):
        child = children.Process(target=train, args=(config,))
        child.start()
        child.join(rng.uniform(0.05, 0.5))
        child.kill()
        child.join()
    pretrain(config)
    assert_same_run(tmp_path / "run", straight)


# -- damaged -----------------------------------------------------------------------------------------------------------


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["torn", "flipped", "gone"])
@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_a_damaged_checkpoint_is_named_and_passed_over(data, straight, tmp_path, capsys, how, name):
    out = tmp_path / "run"
    shutil.copytree(straight, out)
    damage(newest(out) / name, how)
    shutil.rmtree(out / "model")
    pretrain(tiny_config(data, out))
    said = capsys.readouterr().err
    assert "step-00000024 is skipped" in said
    if (name, how) != ("manifest.json", "flipped"):  # then a hash is wrong, and the file it is of is blamed
        assert name in said
    assert "continuing from step 20" in said
    assert_same_run(out, straight)


def test_damaged_checkpoints_do_not_push_out_whole_ones(data, straight, halted, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(halted, out)
    for step in (23, 24):
        shutil.copytree(newest(out), out / f"checkpoints/step-{step:08d}")
        damage(newest(out) / "weights.safetensors", "torn")
    seen = []

    def look(module, *args, **kwargs):
        path = save_checkpoint(*args, **kwargs)
        seen.append(fault_of(path) is None and path.exists())
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "save_checkpoint", lambda *args: look(None, *args))
        pretrain(tiny_config(data, out))
    assert len(seen) == 3 and all(seen)
    assert_same_run(out, straight)


def test_a_torn_last_line_of_metrics_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    truncate_metrics(path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    truncate_metrics(tmp_path / "none.jsonl", 2)
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.parametrize("call", range(1, 9))
def test_a_full_disk_leaves_the_last_checkpoint_and_nothing_half_written(data, halted, tmp_path, monkeypatch, call):
    out, calls = tmp_path / "run", 0
    shutil.copytree(halted, out)
    before = {p.name for p in (out / "checkpoints").iterdir()}
    fsync = os.fsync

    def full(descriptor):
        nonlocal calls
        calls += in_save
        if in_save and calls == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    def saving(*args):
        nonlocal in_save
        in_save = True
        return save_checkpoint(*args)

    in_save = False
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(trainer, "save_checkpoint", saving)
    try:
        pretrain(tiny_config(data, out))
    except OSError as error:
        assert "disk is full" in str(error) and "Make room" in str(error)
    else:
        raise AssertionError("the disk was never full")
    if call <= 5:  # the first save's five files and folder; the calls after are the next save's
        assert {p.name for p in (out / "checkpoints").iterdir()} <= before | {"step-00000015"}
    assert not [p for p in out.rglob("*partial*")]
    assert fault_of(newest(out)) is None


def test_no_room_is_said_before_anything_is_written(data, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(ValueError, match="make room"):
        pretrain(tiny_config(data, tmp_path / "run"))
    assert not list((tmp_path / "run/checkpoints").iterdir())


# -- a loss that is not finite -----------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update(data, halted, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(halted, out)
    kept = {}

    def poison_and_keep(trainer):
        poison_at(12)(trainer)
        if trainer.step == 12:
            kept.update({n: p.clone() for n, p in trainer.module.named_parameters()}, module=trainer.module)

    with pytest.MonkeyPatch.context() as patch:
        hook_step(patch, before=poison_and_keep)
        with pytest.raises(FloatingPointError, match=r"step 12: .*Nothing of it was saved.*--learning-rate"):
            pretrain(tiny_config(data, out))
    module = kept.pop("module")
    assert all(torch.equal(p, kept[name]) for name, p in module.named_parameters())
    assert step_of_newest(out) == 10 and fault_of(newest(out)) is None


def test_a_mad_learning_rate_is_a_message_not_a_traceback(data, tmp_path, capsys):
    config = tiny_config(data, tmp_path / "run", learning_rate=1e30, save_steps=1000)
    with pytest.raises(SystemExit) as end:
        main(["pretrain", *flags(config)])
    assert end.value.code == 4
    assert re.match(r"error: step \d+: loss ", capsys.readouterr().err.splitlines()[-1])


# -- refused -----------------------------------------------------------------------------------------------------------


def test_a_folder_of_another_configuration_names_the_fields(data, straight):
    config = tiny_config(data, straight, learning_rate=2e-3, seed=5)
    config = replace(config, model=replace(config.model, hidden_size=64))
    before = {p: p.stat().st_mtime_ns for p in straight.rglob("*") if p.is_file() and p.name != ".lock"}
    with pytest.raises(ValueError, match="another configuration") as refusal:
        pretrain(config)
    differing = ("learning_rate: run has 0.001, command has 0.002", "seed: run has 0, command has 5")
    for said in (*differing, "hidden_size: run has 32, command has 64"):
        assert said in str(refusal.value)
    assert "save_steps" not in str(refusal.value)
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_rows_of_a_forward_pass_are_part_of_what_a_run_is(data, straight):
    """Masks are drawn by micro-batch: another size is another run."""
    with pytest.raises(ValueError, match="micro_batch_size: run has 4, command has 8"):
        pretrain(tiny_config(data, straight, micro_batch_size=8))


def test_how_often_to_log_and_save_may_change(data, straight, halted, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(halted, out)
    pretrain(tiny_config(data, out, save_steps=7, save_total_limit=5))
    assert (newest(out) / "weights.safetensors").read_bytes() == (newest(straight) / "weights.safetensors").read_bytes()
    assert [int(p.name[5:]) for p in checkpoints(out / "checkpoints")] == [5, 10, 14, 21, 24]


def test_other_data_is_another_run(data, straight, tmp_path):
    other = write_data(tmp_path / "data", count=90)
    with pytest.raises(ValueError, match=r"tokens: run has \d+, command has \d+"):
        pretrain(tiny_config(other, straight))


def test_a_folder_of_other_things_is_not_touched(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="not empty"):
        pretrain(tiny_config(data, tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_runs_in_one_folder_at_once_are_refused(data, tmp_path):
    with only_writer(tmp_path / "run"), pytest.raises(ValueError, match="in use by another process"):
        pretrain(tiny_config(data, tmp_path / "run"))
    assert [p.name for p in (tmp_path / "run").iterdir()] == [".lock"]


def test_text_of_another_tokenizer_is_refused(tmp_path):
    data = write_data(tmp_path / "data")
    tiny_tokenizer(vocab_size=90).save(data)
    with pytest.raises(ValueError, match="not the one the text was prepared with"):
        pretrain(tiny_config(data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_longer_examples_than_the_model_reads_are_refused(tmp_path):
    data = write_data(tmp_path / "data", seq_length=48)
    with pytest.raises(ValueError, match=r"48 tokens, the model reads 32 .*--seq-length 32"):
        pretrain(tiny_config(data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_missing_gpu_is_said(data, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device, said in (
        ("cuda", "no GPU"),
        ("cuda:3", "no GPU"),
        ("gpu", "unknown device 'gpu'"),
        ("meta", "not supported"),
    ):
        with pytest.raises(ValueError, match=said):
            pretrain(tiny_config(data, tmp_path / "run", device=device))
    assert not (tmp_path / "run").exists()


def test_an_unknown_objective_is_said(data, tmp_path):
    with pytest.raises(ValueError, match="'gpt'; there are electra, mlm"):
        pretrain(tiny_config(data, tmp_path / "run", objective="gpt"))


# -- micro-batches, budgets, warnings ----------------------------------------------------------------------------------


def test_the_gradient_does_not_depend_on_how_a_batch_is_cut(data, tmp_path):
    """With masks given, accumulation over micro-batches is the gradient of the whole batch."""
    from electra.data.loader import Loader
    from electra.data.shards import open_examples
    from electra.objectives.corruption import Masked, max_masked, num_masked
    from electra.pretraining.first_weights import build_objective
    from electra.pretraining.resumption import fit_to_data
    from electra.training.step import total

    tokenizer, examples = load_tokenizer(data), open_examples(data)
    config = tiny_config(data, tmp_path, objective="mlm")
    config = replace(config, model=replace(config.model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    objective = build_objective(fit_to_data(config, examples, tokenizer), examples, tokenizer)

    def first_positions(batch):
        slots = max_masked(batch.input_ids.shape[1], 0.15)
        positions = batch.maskable.float().topk(slots).indices
        used = torch.arange(slots) < num_masked(batch, 0.15)[:, None]
        labels = batch.input_ids.gather(1, positions)
        return Masked(batch.input_ids.scatter(1, positions[:, :1], tokenizer.mask_id), positions, labels, used)

    objective.mask = first_positions
    loader = Loader(examples, 8, 0, tokenizer.sep_id, tokenizer.pad_id, tokenizer.special_ids, packed=False)
    gradients = []
    for size in (8, 4, 1):
        batches = loader.micro_batches(0, size)
        counts = total([objective.count(batch) for batch in batches])
        for batch in batches:
            objective(batch, counts).loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in objective.parameters() if p.grad is not None]))
        objective.zero_grad()
    assert gradients[0].norm() > 0.1
    for other in gradients[1:]:
        assert (other - gradients[0]).norm() < 1e-5 * gradients[0].norm()


def test_max_tokens_ends_the_run_and_the_schedule(data, tmp_path):
    config = tiny_config(data, tmp_path / "run", max_tokens=1500, train_steps=10_000, log_steps=1)
    result = pretrain(config)
    lines = [line for line in metrics(tmp_path / "run") if line["kind"] == "train"]
    assert lines[-1]["tokens"] >= 1500 > lines[-2]["tokens"]
    assert lines[-1]["lr"] == pytest.approx(1e-3 * (1 - lines[-2]["tokens"] / 1500))
    assert result["tokens"] == lines[-1]["tokens"]
    assert (tmp_path / "run/model/model.safetensors").exists()


def test_max_minutes_ends_the_run_and_counts_what_went_before(data, tmp_path):
    config = tiny_config(data, tmp_path / "run", max_minutes=0.3 / 60, train_steps=1_000_000, log_steps=1, save_steps=3)
    start = time.perf_counter()
    result = pretrain(config)
    assert time.perf_counter() - start < 10
    assert 0.3 <= result["seconds"] < 2
    lines = (tmp_path / "run/metrics.jsonl").read_text()
    assert pretrain(config)["seconds"] == result["seconds"]  # the time is spent
    assert (tmp_path / "run/metrics.jsonl").read_text() == lines


def test_quiet_failure_is_warned_of_once_and_only_when_it_lasts(tmp_path, capsys):
    log = Log(tmp_path / "metrics.jsonl")
    bad = {"disc_recall": 0.0, "disc_auc": 0.5, "gen_accuracy": 0.2}
    good = bad | {"disc_auc": 0.8}

    def warned(step, metrics):
        log.train(step, metrics, speed=1.0, left=None, is_warm=step >= 10)
        return "learns nothing" in capsys.readouterr().err

    assert not any(warned(step, bad) for step in range(10))  # a discriminator that is warming up says nothing
    assert not any(warned(10 + n, bad) for n in range(PATIENCE - 1))
    assert not warned(20, good)
    assert [warned(30 + n, bad) for n in range(2 * PATIENCE)] == [n == PATIENCE - 1 for n in range(2 * PATIENCE)]
    for n in range(PATIENCE):
        log.train(50 + n, {"gen_accuracy": 0.0}, speed=1.0, left=None, is_warm=True)
    assert "generator has collapsed" in capsys.readouterr().err
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 19 + 1 + 2 * PATIENCE - 5 + PATIENCE


# -- what a run leaves -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["electra", "mlm"])
@pytest.mark.parametrize("init", ["random", "corpus"])
def test_the_model_of_a_run_is_hugging_faces(data, tmp_path, objective, init):
    transformers = pytest.importorskip("transformers")
    config = tiny_config(data, tmp_path / "run", objective=objective, init=init, train_steps=2)
    if init == "corpus":
        config = replace(config, model=replace(config.model, embedding_size=48))
    pretrain(config)
    folder = tmp_path / "run/model"
    kinds = {"electra": transformers.ElectraForPreTraining, "mlm": transformers.ElectraForMaskedLM}
    _, info = kinds[objective].from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert transformers.AutoTokenizer.from_pretrained(folder).mask_token == "[MASK]"
    assert (folder / "generator").exists() == (objective == "electra")
    if objective == "electra":
        _, info = transformers.ElectraForMaskedLM.from_pretrained(folder / "generator", output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"]
        assert 0 < json.loads((folder / "config.json").read_text())["detection_threshold"] < 1


def test_the_last_steps_are_logged_though_no_line_is_due(data, tmp_path):
    pretrain(tiny_config(data, tmp_path / "run", train_steps=6))
    kinds = [(line["kind"], line["step"]) for line in metrics(tmp_path / "run")]
    assert kinds == [("train", 4), ("train", 6), ("eval", 6)]


def test_without_held_out_text_and_log_lines_a_run_still_ends(tmp_path, drawn):
    data = write_data(tmp_path / "data", heldout=0)
    assert pretrain(tiny_config(data, tmp_path / "run", train_steps=2)) == {}
    assert (tmp_path / "run/model/model.safetensors").exists()


def test_a_checkpoint_of_another_model_is_refused(data, straight, tmp_path):
    from electra.data.shards import open_examples
    from electra.pretraining.first_weights import build_objective
    from electra.pretraining.resumption import fit_to_data
    from electra.training.optimizer import build_optimizer

    tokenizer, examples = load_tokenizer(data), open_examples(data)
    config = fit_to_data(tiny_config(data, tmp_path, objective="mlm"), examples, tokenizer)
    objective = build_objective(config, examples, tokenizer)
    with pytest.raises(ValueError, match="weights of another model"):
        checkpoint.load_checkpoint(newest(straight), objective, build_optimizer(objective, config))


def test_a_run_may_be_given_another_budget(data, tmp_path):
    """With a constant rate before the cooldown, a run that is cut short is the run of the smaller budget from there."""
    settings = dict(cooldown=0.25, warmup_steps=0, eval_steps=0)
    pretrain(tiny_config(data, tmp_path / "short", train_steps=8, **settings))
    model = tmp_path / "short" / "model" / "model.safetensors"
    before = model.read_bytes()
    pretrain(tiny_config(data, tmp_path / "short", train_steps=16, **settings))
    assert model.read_bytes() != before
    rates = {line["step"]: line["lr"] for line in read_metrics(tmp_path / "short") if line["kind"] == "train"}
    assert rates[12] == pytest.approx(1e-3) and rates[16] < rates[12]
    after, changed = model.read_bytes(), model.stat().st_mtime_ns
    pretrain(tiny_config(data, tmp_path / "short", train_steps=16, **settings))
    assert model.read_bytes() == after and model.stat().st_mtime_ns == changed
    with pytest.raises(ValueError, match="has taken 16 steps .* its cooldown follows at once with --train-steps 22"):
        pretrain(tiny_config(data, tmp_path / "short", train_steps=12, **settings))


def test_a_model_of_a_smaller_budget_is_replaced_after_a_kill(data, tmp_path, monkeypatch):
    """The last checkpoint was written, the model was not: the next call does it, though nothing is left to train."""
    config = tiny_config(data, tmp_path / "run", train_steps=8, cooldown=0.25, eval_steps=0)
    pretrain(config)
    model = tmp_path / "run" / "model" / "model.safetensors"
    before = model.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(run, "save_model", lambda *_: sys.exit(9))
        with pytest.raises(SystemExit):
            pretrain(replace(config, train_steps=16))
    assert model.read_bytes() == before  # until then the old one is there
    pretrain(replace(config, train_steps=16))
    assert model.read_bytes() != before
