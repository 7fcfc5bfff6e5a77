"""The picture of words: where they stand, and how well their vectors are kept apart."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import WORDS, tiny_config, write_data

from electra.core.storage import read_json
from electra.pretraining.run import pretrain

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from word_pictures import Occurrences, main, neighbour_purity, places


def test_purity_by_hand():
    vectors = np.eye(2)[[0] * 8 + [1] * 8] + np.random.default_rng(0).normal(0, 0.01, (16, 2))
    assert neighbour_purity(Occurrences(vectors, ["sky"] * 8 + ["sea"] * 8)) == 1
    assert neighbour_purity(Occurrences(vectors, ["sky", "sea"] * 8)) < 0.7
    assert neighbour_purity(Occurrences(np.ones((4, 2)), ["a"] * 4)) == 1
    rare = Occurrences(np.eye(2)[[0] * 90 + [1] * 6], ["sky"] * 90 + ["sea"] * 3 + ["sky"] * 3)
    assert neighbour_purity(rare) < 0.75  # however many are pure of the other word


def test_places_of_words():
    lines = ["Foxes like the fox, the FOX's den.", "他的狐狸跑了"]
    found = [(p.start, p.end) for p in places("fox", lines)]
    assert found == [(15, 18), (24, 27)]
    assert [(p.line, p.start) for p in places("狐狸", lines)] == [(lines[1], 2)]


def test_the_picture_of_words(tmp_path, capsys, drawn):
    data = write_data(tmp_path / "data")
    models = [str(tmp_path / name) for name in ("electra", "mlm")]
    for name, out in zip(("electra", "mlm"), models):
        pretrain(tiny_config(data, out, objective=name, train_steps=2))
    text, rng = tmp_path / "text.txt", random.Random(3)
    text.write_text("\n".join(" ".join(rng.choices(WORDS.split(), k=10)) for _ in range(60)))
    asked = ["--models", *models, "--text", str(text), "--out", str(tmp_path / "o")]
    main(["fox,Dog,river", *asked])
    said = capsys.readouterr().out
    assert [line.split(": neighbour purity ")[0] for line in said.splitlines()] == models
    summary = read_json(tmp_path / "o" / "words.json")
    assert all(0 <= p <= 1 for p in summary["neighbour_purity"].values())
    assert (tmp_path / "o" / "words.svg").read_text().startswith("<svg")
    assert all(count > 5 for count in summary["occurrences"].values())
    with pytest.raises(ValueError, match="holds elephant 0 times"):
        main(["fox,elephant", *asked])
