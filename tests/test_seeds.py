"""Several seeds: the score that is named is the kept model's, its spread over seeds beside it."""

import json

import pytest
from test_finetune import config, folder  # noqa: F401

from electra.cli import main
from electra.finetuning.seeds import index_of_median, main_scores, over_seeds, seeds_in_words


def test_of_an_even_number_of_seeds_the_kept_ones_score_is_named():
    """79.1 was printed, the mean of the two in the middle, where the kept model had 76.8."""
    scores = [0.814, 0.768]
    assert (
        index_of_median(scores) == 1
        and index_of_median([3.0, 1.0, 2.0]) == 2
        and index_of_median([4.0, 1.0, 3.0, 2.0]) == 3
    )
    found = over_seeds(scores, 1)
    assert found["kept"] == 0.768 and found["mean"] == pytest.approx(0.791)
    assert found["deviation"] == pytest.approx(0.046 / 2**0.5)  # of a sample: n - 1
    assert over_seeds([0.5], 0)["deviation"] is None
    line = seeds_in_words(scores, 1, [4, 5], lambda score: f"{100 * score:.1f}")
    assert line == "kept seed 5 (76.8) of 2: mean 79.1, sample deviation 3.3, from 76.8 to 81.4"
    assert len(line) <= 80


def test_macro_f1_stands_beside_accuracy():
    def percent(score):
        return f"{100 * score:.1f}"

    assert main_scores({"accuracy": 0.855, "macro_f1": 0.7272}, "accuracy", percent) == "accuracy 85.5, macro F1 72.7"
    assert main_scores({"f1": 0.55, "precision": 0.4}, "f1", percent) == "f1 55.0"


def test_the_table_shows_the_score_and_interval_of_the_kept_model(folder, tmp_path, capsys, monkeypatch, drawn):  # noqa: F811
    c = config(folder, tmp_path / "out", epochs=0.5, seeds=2)
    flags = {"train": c.train, "dev": c.dev, "out": c.out, "seeds": 2, "epochs": 0.5, "device": "cpu", "threads": 1,
             "train-batch-size": 16, "learning-rate": 3e-3, "precision": "fp32"}  # fmt: skip
    words = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    main(["evaluate", c.model, *words])
    (result,) = json.loads((tmp_path / "out/summary.json").read_text())["results"]
    summary = json.loads((tmp_path / "out/finetuned/summary.json").read_text())
    kept = result["seeds"][result["kept_seed"]]
    assert kept["score"] == result["kept"] == min(row["score"] for row in result["seeds"])
    assert kept["interval"] == result["interval"] and kept["name"] == f"seed {summary['kept']}"
    shown = capsys.readouterr().out
    assert f"{100 * kept['score']:.1f}" in shown and max(map(len, shown.splitlines())) <= 80
