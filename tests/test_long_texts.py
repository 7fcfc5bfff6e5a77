"""Texts longer than the model: nothing is cut in silence, and windows read them whole; rare labels are not missed."""

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score
from test_finetune import config, folder, write_lines  # noqa: F401
from tiny import tiny_tokenizer

import electra
from electra.cli import main
from electra.finetuning.run import finetune
from electra.tasks import TASKS, Example
from electra.text.windows import even_runs

TOKENIZER = tiny_tokenizer()


def late(count, seed):
    """A dog or a fox, far behind in the text: no model of 24 tokens finds it in the first 24."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        animal = rng.choice(("dog", "fox"))
        words = [*rng.choices(["the", "a", "small"], k=rng.randint(26, 40)), animal, *["the"] * rng.randint(0, 12)]
        made.append({"text": " ".join(words), "label": animal})
    return made


@pytest.mark.parametrize(("length", "room"), [(0, 5), (5, 5), (6, 5), (11, 5), (100, 7)])
def test_windows_cover_a_text_with_as_few_as_can_be(length, room):
    runs = even_runs(length, room)
    assert len(runs) == max(1, -(-length // room)) and runs[0][0] == 0 and runs[-1][1] == length
    assert all(0 <= end - first <= room for first, end in runs)
    assert all(later[0] <= earlier[1] for earlier, later in pairwise(runs))


def test_a_length_that_the_model_cannot_read_is_refused(folder, tmp_path):  # noqa: F811
    with pytest.raises(
        ValueError, match=r"--max-length 512: .* reads 32 tokens; --max-length may be up to 32; --windows mean"
    ):
        finetune(config(folder, tmp_path / "out", max_length=512))
    assert not (tmp_path / "out").exists()


def test_windows_find_what_a_cut_text_has_lost(folder, tmp_path, capsys, caplog):  # noqa: F811
    files = {"train": write_lines(tmp_path / "t", late(150, 0)), "dev": write_lines(tmp_path / "d", late(40, 1))}
    files = {name: str((tmp_path / file[-1]).rename(tmp_path / f"{name}.jsonl")) for name, file in files.items()}
    caplog.set_level("INFO", "electra")
    how = dict(files, max_length=24, epochs=6.0)
    cut = finetune(config(folder, tmp_path / "cut", **how))
    assert "150 of 150 texts are longer than 24 tokens" in caplog.text and "--windows mean" in caplog.text
    caplog.clear()
    whole = finetune(config(folder, tmp_path / "whole", windows="max", **how))
    assert "longer than" not in caplog.text
    assert cut["scores"]["accuracy"]["kept"] < 0.8 < whole["scores"]["accuracy"]["kept"]
    rows = [json.loads(line) for line in Path(files["dev"]).read_text().splitlines()]
    text = rows[0]["text"]
    assert electra.load(tmp_path / "cut").predict([text, "the dog"])[0]["truncated"] is True
    found = electra.load(tmp_path / "whole").predict([text, "the dog"])
    assert [p["label"] for p in found] == [rows[0]["label"], "dog"] and not any("truncated" in p for p in found)
    (tmp_path / "asked").write_text(text + "\nthe dog\n")
    capsys.readouterr()
    main(["predict", str(tmp_path / "cut"), "--input", str(tmp_path / "asked")])
    printed = capsys.readouterr()
    first, second = (json.loads(line) for line in printed.out.splitlines())
    assert first["truncated"] is True and "truncated" not in second
    assert "1 of 2 texts are longer than the 24 tokens" in printed.err


def test_logits_of_windows_are_combined_as_named_and_pairs_are_refused():
    for how, label in (("mean", "a"), ("max", "b")):
        task = TASKS["classification"](labels=["a", "b"], windows=how)
        (feature, *more) = features = task.encode(TOKENIZER, [Example("0", ("the dog " * 20,))], 24)
        assert len(more) == 1 and feature.example == more[0].example == 0 and not feature.is_cut
        logits = [np.array([2.0, 0.0]), np.array([1.0, 2.5])]
        assert task.decode(logits, features, [Example("0", ("",))])[0]["label"] == label
        assert type(task)(**task.settings()).windows == how
        with pytest.raises(ValueError, match="leave --windows out"):
            task.encode(TOKENIZER, [Example("0", ("the dog", "the fox"))], 24)


@pytest.mark.parametrize("texts", [("the dog " * 20,), ("the dog", "the fox " * 20), ("the dog " * 9, "fox " * 9)])
def test_what_is_cut_of_texts_and_pairs_is_known(texts):
    task = TASKS["classification"](labels=["a", "b"])
    (feature,) = task.encode(TOKENIZER, [Example("0", texts)], 24)
    assert feature.is_cut and len(feature.ids) == 24
    whole = len(task.encode(TOKENIZER, [Example("0", texts)], 512)[0].ids)
    (feature,) = task.encode(TOKENIZER, [Example("0", texts)], whole)
    assert not feature.is_cut


def test_questions_and_words_that_are_cut_are_known():
    (feature, *_) = TASKS["qa"]().encode(TOKENIZER, [Example("0", ("the dog " * 40, "the fox"))], 60)
    assert feature.is_cut
    features = TASKS["qa"]().encode(TOKENIZER, [Example("0", ("the dog", "the fox " * 100))], 60)
    assert len(features) > 1 and not any(f.is_cut for f in features)
    (feature,) = TASKS["tagging"](labels=["O"]).encode(TOKENIZER, [Example("0", ("qwzx" * 20,))], 24)
    assert feature.is_cut and len(feature.ids) == 24


def test_balanced_weights_find_a_rare_label_that_is_missed_without(folder, tmp_path, caplog):  # noqa: F811
    rng = random.Random(0)

    def rare(count):
        made = []
        for _ in range(count):
            is_rare = rng.random() < 0.06
            words = rng.choices(["the", "a", "quick", "small"], k=6) + (
                ["fox"] if is_rare or rng.random() < 0.1 else []
            )
            made.append({"text": " ".join(words), "label": "rare" if is_rare else "common"})
        return made

    how = dict(train=write_lines(tmp_path / "train.jsonl", rare(300)), epochs=3.0,
               dev=write_lines(tmp_path / "dev.jsonl", rare(150)))  # fmt: skip
    caplog.set_level("WARNING", "electra")
    plain = finetune(config(folder, tmp_path / "plain", **how))["scores"]
    assert "never predicted, though the dev file has them: rare (" in caplog.text
    assert "--class-weights balanced" in caplog.text
    caplog.clear()
    balanced = finetune(config(folder, tmp_path / "balanced", class_weights="balanced", **how))["scores"]
    assert "never predicted" not in caplog.text
    assert balanced["macro_f1"]["kept"] > plain["macro_f1"]["kept"] + 0.1


def test_weights_are_inverse_to_frequency():
    task = TASKS["classification"](class_weights="balanced")
    task.learn([Example(str(n), ("x",), label) for n, label in enumerate("aaab")])
    assert task.weights == (4 / 2 / 3, 4 / 2 / 1)  # as scikit-learn's class_weight="balanced"
    several = TASKS["multi_label"](class_weights="balanced")
    several.learn([Example("0", ("x",), ("a",)), *(Example(str(n), ("x",), ("b",)) for n in (1, 2, 3))])
    assert several.weights == (3.0, pytest.approx(1 / 3))


def test_macro_f1_of_draws_is_scikit_learns():
    rng = np.random.default_rng(0)
    gold, given = rng.choice(list("abcd"), 60), rng.choice(list("abc"), 60)
    examples = [Example(str(n), ("x",), str(label)) for n, label in enumerate(gold)]
    predictions = [{"label": str(label)} for label in given]
    draws = rng.integers(60, size=(5, 60), dtype=np.int32)
    found = TASKS["classification"]().resampled_scores(predictions, examples, draws)["macro_f1"]
    theirs = [f1_score(gold[d], given[d], average="macro", zero_division=0.0) for d in draws]
    assert found == pytest.approx(theirs)
