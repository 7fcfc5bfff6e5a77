"""A dictionary beside the network: its weights, in training, in detection, in the folder."""

import json
import re
import shutil

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from test_errors import clean, learned, learning  # noqa: F401
from test_finetune import folder  # noqa: F401

import electra
from electra.core.storage import read_json
from electra.tasks.errors import Errors
from electra.tasks.examples import Example
from electra.text.dictionary import FILE, Dictionary
from electra.text.errors.tagged import Token
from electra.text.evidence import NEWER, Evidence, Weights, features, fit, read_weights

DICTIONARY = Dictionary({"the": 12, "London": 7, "house": 4})


def read(text, network=None):
    """The features of the words of a text between blanks."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    return features(DICTIONARY, text, spans, [0.5] * len(spans) if network is None else network)


def test_features():
    found = read("house hause London Hause 1984 , xylo", [0.5, 0.9, 0.5, 0.9, 0.5, 0.5, 0.5])
    odds = pytest.approx(np.log(9))
    assert found[:, 1:].tolist() == [
        [0, 0, 0, 0, 4, 0, 1],
        [odds, 1, 0, 4, 0, 0, 1],  # one edit from "house"
        [0, 0, 0, 0, 7, 0, 1],
        [odds, 0, 1, 0, 0, 0, 1],  # a name may well be near a word
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 1, 0, 0, 0, 0, 1],
    ]
    assert found[:4, 0].tolist() == [0, odds, 0, odds]
    assert read("").shape == (0, 8)


def test_a_long_unknown_word_is_beside_others_after_two_slips():
    dictionary = Dictionary({"disappointed": 8, "houses": 6})
    read = [
        features(dictionary, word, [(0, len(word))], [0.5])[0, 4] for word in ("dissapointed", "huosse", "disapointed")
    ]
    assert read == [8, 0, 8]


def test_a_rare_word_beside_a_far_commoner_one_is_not_known():
    dictionary = Dictionary(
        {"information": 14, "informations": 2, "reformation": 3, "Informatio": 2, "us": 14, "usa": 1}
    )
    assert "informations" not in dictionary and "reformation" in dictionary  # two letters away
    assert "Informatio" in dictionary and "informatio" not in dictionary  # many names are near a word
    assert "usa" in dictionary  # too short to tell
    assert features(dictionary, "informations", [(0, 12)], [0.5])[0, 1:].tolist() == [0, 1, 0, 14, 0, 0, 1]


def test_a_word_is_repeated_only_right_after_itself():
    assert read("The the house the house house")[:, 6].tolist() == [0, 1, 0, 0, 0, 1]
    assert not read("7 7 ! ! a b a")[:, 6].any()
    assert not features(DICTIONARY, "the, the", [(0, 3), (5, 8)], [0.5] * 2)[:, 6].any()
    assert read("in the\n  the house")[:, 6].tolist() == [0, 0, 1, 0]
    for gap in ("\n\n", "\r\n\r\n", "\t", "\f"):
        assert not read(f"the{gap}the house")[:, 6].any()
    assert not read("to London\nLondon is")[:, 6].any()


def test_the_weights_are_those_of_a_logistic_regression():
    rng = np.random.default_rng(0)
    words = rng.choice(["the", "house", "hause", "Hause", "houze"], 3000).tolist()
    network = rng.uniform(0.01, 0.99, 3000)
    odds = 1.5 * np.log(network / (1 - network)) + np.array([3 * (w in ("hause", "houze")) - 1 for w in words])
    is_wrong = (rng.random(3000) < 1 / (1 + np.exp(-odds))).astype(float)
    x = read(" ".join(words), network.tolist())
    weights = fit(x, is_wrong)
    peer = LogisticRegression(C=1e4, fit_intercept=False, tol=1e-8, max_iter=1000).fit(x, is_wrong)
    assert np.array(weights) == pytest.approx(peer.coef_[0], abs=0.01)
    assert weights.network == pytest.approx(1.5, abs=0.2) and weights.unknown + 4 * weights.beside > 2


@pytest.mark.parametrize("seed", range(5))
def test_a_sure_network_does_not_send_newton_s_method_astray(seed):
    """Whole steps overshot further and further; the weights were millions, and no command read the saved model."""
    rng = np.random.default_rng(seed)
    is_wrong = rng.random(2000) < 0.12
    network = 1 / (1 + np.exp(-np.clip(rng.normal(4 * is_wrong, 5), -10, 10)))
    is_unknown = rng.random(2000) < np.where(is_wrong, 0.5, 0.01)
    words = np.where(is_unknown, rng.choice(["hause", "houze"], 2000), rng.choice(["the", "house"], 2000)).tolist()
    x, y = read(" ".join(words), network.tolist()), is_wrong.astype(float)
    weights = fit(x, y)
    peer = LogisticRegression(C=1e3, fit_intercept=False, solver="newton-cholesky", tol=1e-8).fit(x, y)
    assert np.array(weights) == pytest.approx(peer.coef_[0], abs=1e-3)
    assert read_weights(weights._asdict()) == weights


def test_without_a_word_that_is_wrong_the_weights_stay_finite():
    assert np.isfinite(fit(read("the " * 9), np.zeros(9))).all()
    assert np.isfinite(fit(read(""), np.zeros(0))).all()


def test_the_weights_that_say_nothing_change_nothing():
    evidence = Evidence(DICTIONARY, Weights())
    assert evidence.probabilities("hause.", [(0, 5)], [0.25]) == pytest.approx([0.25])


def test_a_word_that_is_never_right_is_wrong_whatever_the_network_thinks():
    grammar = ["a", "an", "the", "of", "in", "to", "for", "with", "on", "at", "by", "from"]
    english = Dictionary(dict.fromkeys(grammar, 9) | {"dont": 3})
    spans = [(0, 4), (6, 10), (11, 15)]
    assert Evidence(english, Weights()).probabilities("Dont, dont Dont.", spans, [0.01] * 3) == pytest.approx(
        [0.95, 0.95, 0.01]  # a capital within a sentence makes a name
    )
    spans = [(0, 6), (8, 14), (15, 21), (23, 29)]
    there = Evidence(english, Weights()).probabilities("Monday, MONDAY monday. Monday.", spans, [0.01] * 4)
    assert there == pytest.approx([0.01, 0.01, 0.95, 0.01])
    assert Evidence(DICTIONARY, Weights()).probabilities("dont.", [(0, 4)], [0.01]) == pytest.approx([0.01])


@pytest.mark.parametrize("text", ["Kind regards", "Kind regards\n\n", "Save to a specific file", "Kind (old)"])
def test_in_a_fragment_the_odds_must_be_three_times_as_high(text):
    evidence = Evidence(DICTIONARY, Weights())
    assert evidence.probabilities(text, [(0, 4)], [0.75]) == pytest.approx([0.5])
    for whole in (text.rstrip() + ".", text.rstrip() + '!"', text + " and five words more than that"):
        assert evidence.probabilities(whole, [(0, 4)], [0.75]) == pytest.approx([0.75])


def test_the_first_models_had_fewer_weights():
    first = {name: weight for name, weight in Weights()._asdict().items() if name not in NEWER}
    assert read_weights(first) == Weights()


def test_scores_with_a_dictionary_find_what_the_network_does_not():
    """The network finds nothing; the dictionary knows all words but the wrong ones."""
    texts = ["the hause the house", "the house the hause"]
    tags = [("c", "i", "c", "c"), ("c", "c", "c", "i")]
    examples, predictions = [], []
    for n, (text, there) in enumerate(zip(texts * 20, tags * 20, strict=True)):
        starts = [0, 4, 10, 14]
        tokens = tuple(Token(a, a + len(w), t) for a, w, t in zip(starts, text.split(), there, strict=True))
        examples.append(Example(str(n), (text,), tokens))
        predictions.append({"words": text.split(), "wrong": [0.3] * 4})
    alone, task = Errors(), Errors()
    task.dictionary = DICTIONARY
    assert alone.score(predictions, examples)["recall"] < 1
    scores = task.score(predictions, examples)
    assert scores["recall"] == scores["precision"] == 1
    entries = task.config_entries(scores)
    assert entries["dictionary_weights"].keys() == set(Weights._fields) and entries["detection_threshold"] < 1


def test_a_word_that_is_never_marked_stays_so():
    task = Errors()
    task.dictionary = DICTIONARY
    examples = [Example("0", ("hause Berlin",), (Token(0, 5, "i"), Token(6, 12, "c")))] * 9
    predictions = [{"words": ["hause", "Berlin"], "wrong": [0.4, 0.0]}] * 9
    assert task.score(predictions, examples)["false_marks"] == 0


def test_a_detector_weighs_the_dictionary_of_its_folder(learned):  # noqa: F811
    model, content = electra.load(learned), read_json(learned / "config.json")
    assert model.evidence is not None and content["dictionary_weights"] == model.evidence.weights._asdict()
    text = "the quick fox jumsp over a brown meal"
    with_dictionary = model.detect(text, suggestions=0)
    weights, model.evidence = model.evidence, None
    without = model.detect(text, suggestions=0)
    expected = weights.probabilities(text, [(w.start, w.end) for w in without], [w.replaced for w in without])
    assert [word.replaced for word in with_dictionary] == pytest.approx(expected.tolist())
    assert max(with_dictionary, key=lambda word: word.replaced).text == "jumsp"


@pytest.mark.parametrize("weights", [[], {"network": 1}, dict.fromkeys(Weights._fields, "1"),
                                     dict.fromkeys(Weights._fields, 1e300)])  # fmt: skip
def test_damaged_weights_are_refused(learned, tmp_path, weights):  # noqa: F811
    shutil.copytree(learned, tmp_path / "model", ignore=shutil.ignore_patterns("runs"))
    file = tmp_path / "model/config.json"
    file.write_text(json.dumps(read_json(file) | {"dictionary_weights": weights}))
    with pytest.raises(ValueError, match=r"dictionary_weights .* in config\.json"):
        electra.load(tmp_path / "model")


def test_a_dictionary_that_is_missing_is_named(learned, tmp_path):  # noqa: F811
    shutil.copytree(learned, tmp_path / "model", ignore=shutil.ignore_patterns("runs"))
    (tmp_path / "model" / FILE).unlink()
    with pytest.raises(ValueError, match=r"has no dictionary\.txt\.xz.*copy it"):
        electra.load(tmp_path / "model")
