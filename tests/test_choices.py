"""What a fine-tuning chooses by the dev file: the learning rate, when to stop; and what it leaves as it was."""

import json

import pytest
from safetensors.torch import load_file
from test_finetune import config, folder  # noqa: F401

from electra.cli.flags import parse
from electra.config import EvaluateConfig, FinetuneConfig
from electra.core.storage import read_json
from electra.finetuning.run import finetune
from electra.finetuning.training import has_lost_patience


def test_several_rates_between_commas():
    assert parse(FinetuneConfig, ["m", "--learning-rate", "1e-4,3e-4,1e-3"], "t").learning_rate == (1e-4, 3e-4, 1e-3)
    assert parse(EvaluateConfig, ["m", "--learning-rate", "1e-4"], "t").learning_rate == 1e-4
    assert parse(FinetuneConfig, ["m"], "t").learning_rate == 0.0
    for wrong in ((1e-4, 1e-4), (1e-4, 0.0)):
        with pytest.raises(ValueError, match="several different ones above 0 between commas"):
            FinetuneConfig(learning_rate=wrong)
    with pytest.raises(ValueError, match="must not be negative"):
        FinetuneConfig(learning_rate=(1e-4, -1e-4))


def test_the_rate_is_chosen_by_the_dev_file_and_its_cost_said_before(folder, tmp_path, caplog):  # noqa: F811
    caplog.set_level("INFO", "electra")
    c = config(folder, tmp_path / "out", learning_rate=(1e-9, 3e-3), epochs=4.0, seeds=2)
    summary = finetune(c)
    cost = next(n for n, r in enumerate(caplog.records) if "150 steps of 16 examples in all" in r.getMessage())
    first = next(n for n, r in enumerate(caplog.records) if "loss" in r.getMessage())
    assert cost < first  # 50 steps at each of two rates, and of another seed
    assert "learning rate 0.003 is the best on" in caplog.text
    scores = [read_json(tmp_path / f"out/rates/{rate}/runs/seed-0/scores.json") for rate in ("1e-09", "0.003")]
    assert scores[0]["accuracy"] < 0.8 and summary["seeds"][0] == scores[1]
    single = finetune(config(folder, tmp_path / "single", epochs=4.0, seeds=2))
    assert [s["accuracy"] for s in summary["seeds"]] == [s["accuracy"] for s in single["seeds"]]
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("out", "single")]
    assert files[0] == files[1]
    assert finetune(c) == summary  # the same command again trains nothing
    with pytest.raises(ValueError, match="several --learning-rate needs a dev file to choose by: give --dev"):
        finetune(config(folder, tmp_path / "blind", learning_rate=(1e-4, 1e-3), dev=""))


def test_a_run_without_progress_stops_and_keeps_the_best_weights(folder, tmp_path):  # noqa: F811
    assert not has_lost_patience([0.5, 0.6, 0.6], 2) and has_lost_patience([0.5, 0.6, 0.6, 0.6], 2)
    assert not has_lost_patience([], 1) and not has_lost_patience([0.5, 0.4, 0.6], 2)
    finetune(config(folder, tmp_path / "out", epochs=30.0, patience=2))
    run = tmp_path / "out/runs/seed-0"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scores = [line["accuracy"] for line in lines if line["kind"] == "eval"]
    assert 3 <= len(scores) < 30 and scores[-3] == max(scores) and lines[-1]["step"] < 30 * 12
    assert len({line["step"] for line in lines if line["kind"] == "eval"}) == len(scores)  # each step once
    assert read_json(run / "scores.json")["accuracy"] == max(scores)
    with pytest.raises(ValueError, match="--patience needs a dev file"):
        finetune(config(folder, tmp_path / "blind", patience=2, dev=""))


def test_frozen_layers_stay_as_they_were(folder, tmp_path):  # noqa: F811
    finetune(config(folder, tmp_path / "out", epochs=1.0, freeze_layers=1))
    before, after = (load_file(path / "model.safetensors") for path in (folder / "model", tmp_path / "out"))
    same = {name for name in before if name in after and before[name].equal(after[name])}
    layers = {f"electra.encoder.layer.{n}.attention.self.query.weight" for n in (0, 1)}
    assert layers & same == {"electra.encoder.layer.0.attention.self.query.weight"}
    assert {name for name in before if "embeddings" in name} <= same
    with pytest.raises(ValueError, match="--freeze-layers 9: the model has 2 layers"):
        finetune(config(folder, tmp_path / "deep", freeze_layers=9))
