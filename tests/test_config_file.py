"""Where the defaults of `electra pretrain` come from: a file of the user, or the run that it goes on from."""

import json
from dataclasses import replace

import pytest
from tiny import tiny_config, write_data

from electra.cli.flags import parse
from electra.config import PretrainConfig, find_preset, to_dict
from electra.core.runs import read_metrics
from electra.pretraining.run import pretrain


def resolved(*words):
    return parse(PretrainConfig, list(words), "electra pretrain")


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.yaml", "preset: tiny\nrecipe: paper\nlearning_rate: 5e-4\nhidden_size: 64\npacked: false\nout: runs/a\n"),
        ("a.toml", 'preset="tiny"\nrecipe="paper"\nlearning_rate=5e-4\nhidden_size=64\npacked=false\nout="runs/a"\n'),
    ],
)
def test_a_file_of_the_user_is_a_preset_with_changes(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    tiny = find_preset("tiny", recipe="paper")
    wanted = replace(tiny, learning_rate=5e-4, packed=False, out="runs/a", model=replace(tiny.model, hidden_size=64))
    assert resolved("--config", str(tmp_path / name)) == wanted
    assert resolved(f"--config={tmp_path / name}", "--out", "runs/b") == replace(wanted, out="runs/b")


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("a.yaml", "learning_rat: 1", "unknown key 'learning_rat'; did you mean 'learning_rate'"),
        ("a.toml", "train_steps = 1.5", "train_steps is a number"),
        ("a.yaml", "packed: 3", "packed must be true or false"),
        ("a.yaml", "share: some", "share is 'some'; there are none, embeddings"),
        ("a.yaml", "preset: huge", "unknown preset 'huge'"),
        ("a.yaml", "model: {hidden_size: 3}", "unknown key 'model'"),
        ("a.yaml", "seed: [1, 2]", "seed needs one value"),
        ("a.yaml", "preset: tiny\nyes: 2", "a key is no name"),
        ("a.yaml", "just words", "not a list of settings"),
        ("a.yaml", "a: [", "not valid YAML"),
        ("a.toml", "a = ", "not valid TOML"),
        ("gone.toml", None, "no such file"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=said):
        resolved("--config", str(tmp_path / name))


def written(folder, config):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(to_dict(config) | {"prepared": {}, "versions": {}}))
    return folder


def test_a_run_goes_on_with_its_own_recipe_at_a_lower_rate(tmp_path):
    mine = replace(find_preset("tiny"), data="old", out="old", seed=7, max_minutes=6.0, threads=2)
    run = written(tmp_path / "run", mine)
    config = resolved("--init", str(run))
    assert (config.optimizer, config.train_batch_size, config.mask_token_prob) == ("muon", 32, 1.0)
    assert config.learning_rate == pytest.approx(0.4 * mine.learning_rate)
    assert (config.train_steps, config.warmup_steps, config.cooldown, config.short_stage) == (1_000, 50, 0.5, 0.0)
    assert (config.data, config.seed, config.max_minutes, config.threads) == ("data/prepared", 0, 0.0, 0)
    assert config.out == PretrainConfig().out and config.init == str(run)
    (run / "model").mkdir()
    assert resolved(f"--init={run / 'model'}").optimizer == "muon"
    assert resolved("--init", str(run), "--learning-rate", "1e-5").learning_rate == 1e-5


def test_a_model_of_no_run_goes_on_with_the_preset_at_a_lower_rate(tmp_path):
    config = resolved("--init", str(tmp_path))
    assert config.learning_rate == pytest.approx(2e-4)
    assert (config.train_steps, config.warmup_steps) == (100_000, 5_000)
    assert resolved("--init", str(tmp_path), "--preset", "base").learning_rate == pytest.approx(0.8e-4)
    for start in ("random", "corpus"):
        assert resolved("--init", start).learning_rate == 5e-4
    (tmp_path / "a.toml").write_text('preset = "small"')
    assert resolved("--config", str(tmp_path / "a.toml"), "--init", str(tmp_path)) == config


def test_a_run_that_goes_on_keeps_its_recipe_when_its_start_is_gone(tmp_path):
    run = written(tmp_path / "run", find_preset("tiny"))
    first = resolved("--init", str(run), "--out", str(tmp_path / "on"))
    written(tmp_path / "on", first)
    run.rename(tmp_path / "moved")
    assert resolved("--init", str(run), "--out", str(tmp_path / "on")) == first
    again = resolved("--init", str(tmp_path / "on"))
    assert again.learning_rate == first.learning_rate  # not lowered twice


def test_a_short_continuation_reaches_its_rate_and_moves_the_weights(tmp_path, capsys):
    data = write_data(tmp_path / "data")
    pretrain(tiny_config(data, tmp_path / "run"))
    capsys.readouterr()
    words = [
        "--init",
        str(tmp_path / "run"),
        "--data",
        str(data),
        "--out",
        str(tmp_path / "on"),
        "--max-tokens",
        "2000",
    ]
    pretrain(replace(resolved(*words), log_steps=1, compile="off", precision="fp32", threads=1))
    assert "warning" not in capsys.readouterr().err
    rates = [line["lr"] for line in read_metrics(tmp_path / "on") if line["kind"] == "train"]
    assert max(rates) == pytest.approx(4e-4) and len(rates) > 10
