"""Errors that people make: planted, read from labelled texts, learned by a discriminator, found in text."""

import json
import random
import re
import shutil
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from test_finetune import config, folder, write_lines  # noqa: F401
from tiny import sentences, tiny_config, tiny_tokenizer, write_data

import electra
from electra.cli import main
from electra.config import EvaluateConfig, ExportConfig, FinetuneConfig, ModernBertConfig
from electra.core.errors import Interrupted
from electra.core.storage import read_json
from electra.exporting.export import export
from electra.finetuning.evaluate import evaluate
from electra.finetuning.material import warn_if_collapsed, warn_of_unused_labels
from electra.finetuning.run import finetune
from electra.inference.detector import Detector
from electra.pretraining.run import pretrain
from electra.tasks.error_metric import at_threshold, best_threshold, scored
from electra.tasks.errors import Errors
from electra.tasks.examples import Example
from electra.tasks.word_pieces import WordCutter, words_of
from electra.text.dictionary import FILE, write_dictionary
from electra.text.errors import planting
from electra.text.errors.alignment import aligned
from electra.text.errors.company import ALIKE, LEAST, mutual_information, nearest, neighbour_counts, same_company
from electra.text.errors.kinds import KINDS, Place
from electra.text.errors.language import find_language
from electra.text.errors.lexicon import Lexicon
from electra.text.errors.passages import passages
from electra.text.errors.planting import Planter
from electra.text.errors.tagged import Tagged, Token, joined, split_words
from electra.text.pieces import word_probability

ENGLISH = find_language("english")
STORY = (
    "The teacher walked to the station because her friend had written a letter from London.",
    "On Monday they were waiting, as usual, for the train that goes through the old town.",
    "She would have liked to hear the news about his house in the mountains (near Bern).",
    "There are many interesting places which people visit when they travel with children.",
)
ADDRESS = re.compile(r"[@#]\w+|https://\S+")
LINES = STORY * 8


def planted(count=300, language=ENGLISH, cased=True):
    planter = Planter(LINES, language, cased)
    return [planter.plant(LINES[n % len(LINES)], 0, 0, n) for n in range(count)]


# -- planting ----------------------------------------------------------------------------------------------------------


def test_what_is_planted_depends_on_seed_epoch_and_number_alone():
    one, two = Planter(LINES, ENGLISH, True), Planter(LINES, ENGLISH, True)
    asked = [(0, 0, n) for n in range(40)]
    forwards = [one.plant(STORY[0], *each) for each in asked]
    assert forwards == [two.plant(STORY[0], *each) for each in reversed(asked)][::-1]
    for other in ([(1, 0, n) for n in range(40)], [(0, 1, n) for n in range(40)], [(0, 0, n + 40) for n in range(40)]):
        assert forwards != [one.plant(STORY[0], *each) for each in other]


def test_messages_have_mentions_tags_and_links_which_are_right():
    planter = Planter(LINES, ENGLISH, True)
    texts = [planter.plant(LINES[n % len(LINES)], 0, n, n) for n in range(2000)]
    for kind, shape in (("mention", r"^@\w+ "), ("tag", r"(?: |^)#\w+"), ("link", r" https://\w+\.org/\w+$")):
        found = [text for text in texts if re.search(shape, text.text)]
        assert 20 < len(found) < 120, kind
    for text, tokens in texts:
        assert [token[:2] for token in tokens] == split_words(text)
        there = [match.span() for match in ADDRESS.finditer(text)]
        assert all(tag == "c" for start, end, tag in tokens if any(a <= start < b for a, b in there))


def test_every_kind_occurs_and_some_texts_stay_clean():
    texts = planted(1500)
    found = Counter(token.tag for text in texts for token in text.tokens)
    assert found.keys() == KINDS.keys() | {"c"}
    assert 0.7 < found["c"] / found.total() < 0.95
    clean = [n for n, text in enumerate(texts) if all(token.tag == "c" for token in text.tokens)]
    assert 0.15 < len(clean) / len(texts) < 0.6
    assert all(texts[n].text == LINES[n % len(LINES)] for n in clean if not ADDRESS.search(texts[n].text))


def test_tokens_cover_the_words_and_right_ones_stand_in_the_original():
    for n, (text, tokens) in enumerate(planted()):
        assert [(t.start, t.end) for t in tokens] == split_words(text)
        original = Counter(word.lower() for word in words(LINES[n % len(LINES)]))
        if not ADDRESS.search(text):
            assert not Counter(text[t.start : t.end].lower() for t in tokens if t.tag == "c") - original


def words(text):
    return [text[start:end] for start, end in split_words(text)]


@pytest.mark.parametrize(
    ("kind", "at", "expected"),
    [
        ("missing", 0, "Teacher* walked to London."),
        ("missing", 2, "The teacher to* London."),
        ("doubled", 1, "The teacher teacher* walked to London."),
        ("doubled", 0, "The the* teacher walked to London."),
        ("swapped", 0, "Teacher* the* walked to London."),
        ("moved", 1, "The walked* to London teacher*."),
        ("capital", 4, "The teacher walked to london*."),
        ("capital", 0, "The teacher walked to London."),
        ("missing", 4, "The teacher walked to London."),
    ],
)
def test_a_kind_by_hand(kind, at, expected, monkeypatch):
    planter = Planter(LINES, ENGLISH, True)
    text = "The teacher walked to London."
    edit = KINDS[kind].change(Place(words(text), at, words(text)[at].lower()), planter.lexicon, random.Random(0))
    monkeypatch.setattr(planting, "addressed", lambda tagged, *_: tagged)
    monkeypatch.setattr(Planter, "edits", lambda *_: {at: (kind, edit)} if edit else {})
    number = next(n for n in range(20) if planter.plant(text, 0, 0, n).text != text or not edit)
    assert shown(planter.plant(text, 0, 0, number)) == expected


def shown(tagged):
    """The text with a star behind each wrong word."""
    text = tagged.text
    for token in reversed(tagged.tokens):
        text = text[: token.end] + "*" * (token.tag != "c") + text[token.end :]
    return text


@pytest.mark.parametrize("corpus", ["", "...", "日本語", "No word twice."])
def test_a_corpus_without_a_common_word_has_none_to_plant(corpus):
    """A mention could not be drawn: IndexError."""
    planter = Planter([corpus], ENGLISH, True)
    for number in range(200):
        text = planter.plant("The teacher walked to London.", 0, 0, number)
        assert split_words(text.text) == [(token.start, token.end) for token in text.tokens]


def test_words_in_the_same_places_are_alike():
    texts = [f"the {animal} {verb} in a {place}." for animal in ("cat", "dog") for verb in ("slept", "ran")
             for place in ("house", "garden") for _ in range(3)]  # fmt: skip
    alike = same_company(texts, ["the", "a", "in", "cat", "dog", "slept", "ran", "house", "garden"])
    assert alike == {
        "cat": ("dog",), "dog": ("cat",), "slept": ("ran",), "ran": ("slept",),
        "house": ("garden",), "garden": ("house",),
    }  # fmt: skip
    assert not same_company([], []) and not same_company(["one two"], ["one", "two"])


def test_company_is_counted_as_its_definition_says():
    """Counting was made faster: the same vectors, bit for bit, as by its words one by one."""
    rng = random.Random(0)
    words = [f"w{n}" for n in range(40)]
    texts = [" ".join(rng.choices([*words, "W3", "x,", "?"], range(43, 0, -1), k=30)) for _ in range(200)] + ["", "w1"]
    number, counts = {word: n for n, word in enumerate(words)}, np.zeros((40, 80))
    for text in texts:
        read = [number.get(text[a:b].lower(), -1) for a, b in split_words(text)]
        for left, right in pairwise(read):
            if left >= 0 and right >= 0:
                counts[right, left] += 1
                counts[left, 40 + right] += 1
    assert (neighbour_counts(texts, words) == counts).all()
    chance = counts.sum(1, keepdims=True) * (counts.sum(0, keepdims=True) / counts.sum())
    expected = np.log(np.where(counts > 1, np.maximum(counts, chance), chance) / chance)
    assert (mutual_information(counts) == expected).all() and (expected > 0).any()


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_are_those_of_a_full_sort(seed):
    vectors = np.random.default_rng(seed).integers(0, 3, (60, 8)).astype(float)  # with ties
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosines = np.round(vectors @ vectors.T, 6)
    for i, found in enumerate(nearest(vectors)):
        order = [j for j in np.argsort(-cosines[i], kind="stable")[: ALIKE + 1] if j != i]
        assert found == [j for j in order if cosines[i, j] >= LEAST][:ALIKE]


def test_errors_of_people_come_in_clusters():
    """29 of 100 wrong words of learners' English stand right after another one."""
    texts = [[token.tag != "c" for token in text.tokens] for text in planted(3000)]
    after = sum(sum(a and b for a, b in pairwise(tags)) for tags in texts)
    assert 0.15 < after / sum(map(sum, texts)) < 0.35


def test_a_language_without_lists_gets_what_its_text_gives():
    found = {token.tag for text in planted(1500, find_language("none"), False) for token in text.tokens}
    kinds = {"spelling", "nearly_equal", "alike", "missing", "doubled", "swapped", "moved", "random", "comma"}
    assert found == {"c", *kinds}


def test_lists_of_another_language(tmp_path):
    (tmp_path / "german.json").write_text(json.dumps({"articles": "der die das", "endings": ["- n", "en -"]}))
    german = find_language(str(tmp_path / "german.json"))
    assert german.articles == ("der", "die", "das") and german.endings == (("", "n"), ("en", ""))
    for content, message in [('{"verbs": []}', "unknown list 'verbs'"), ('{"endings": ["a"]}', "not a file of lists")]:
        (tmp_path / "wrong.json").write_text(content)
        with pytest.raises(ValueError, match=message):
            find_language(str(tmp_path / "wrong.json"))
    with pytest.raises(ValueError, match="no such language"):
        find_language("klingon")


def test_forms_and_neighbours_are_known_words():
    lexicon = Lexicon(["walk walks walked walking talk walls"] * 3, ENGLISH)
    assert set(lexicon.forms("walk")) == {"walks", "walked", "walking"}
    assert lexicon.forms("go") == ("goes", "went", "gone", "going")
    assert lexicon.neighbours("walk") == ("talk", "walks")


def test_passages_are_whole_sentences_and_nothing_is_lost():
    text = 'He came. "Why?" she asked. It is 3.5 m long! Then (at last) they all went home together, or so it seemed.'
    found = list(passages([text] * 4, 24))
    assert " ".join(" ".join(found).split()) == " ".join([text] * 4)
    assert {"He came.", '"Why?" she asked.', '"Why?" she asked. It is 3.5 m long!'} <= set(found)
    assert all(len(split_words(passage)) <= 24 for passage in found)
    assert list(passages(["一天。两天！"], 20)) == ["一天。", "两天！"]


# -- labelled texts ----------------------------------------------------------------------------------------------------


def test_tagged_words_are_written_as_people_do():
    text = joined(["He", "do", "n't", "(", "yet", ")", "know", ",", "Ann", "."], list("ciicccccic"))
    assert text.text == "He don't (yet) know, Ann." and shown(text) == "He do*n't* (yet) know, Ann*."
    assert [text.text[t.start : t.end] for t in text.tokens][:3] == ["He", "do", "n't"]


@pytest.mark.parametrize(
    ("wrong", "right", "expected"),
    [
        ("He go home.", "He goes home.", "He go* home."),
        ("I went to home.", "I went home.", "I went to* home."),
        ("He is good teacher.", "He is a good teacher.", "He is good* teacher."),
        ("the same", "the same", "the same"),
        ("He came", "He came late", "He came"),
    ],
)
def test_a_correction_tells_the_wrong_words(wrong, right, expected):
    assert shown(aligned(wrong, right)) == expected


M2 = """S He go to home .
A 1 2|||R:VERB:SVA|||goes|||REQUIRED|||-NONE-|||0
A 2 3|||U:PREP||||||REQUIRED|||-NONE-|||0
A 0 1|||R:PRON|||She|||REQUIRED|||-NONE-|||1

S Fine .
A -1 -1|||noop|||-NONE-|||REQUIRED|||-NONE-|||0

S I have car
A 2 2|||M:DET|||a|||REQUIRED|||-NONE-|||0
A 3 3|||M:PUNCT|||.|||REQUIRED|||-NONE-|||0
"""


def read(tmp_path, **files):
    for name, content in files.items():
        (tmp_path / name.replace("_", ".")).write_text(content)
    return Errors().read(",".join(str(tmp_path / name.replace("_", ".")) for name in files))


def test_all_forms_of_labelled_texts_are_read(tmp_path):
    m2 = read(tmp_path, a_m2=M2)
    assert [e.texts[0] for e in m2] == ["He go to home.", "Fine.", "I have car"]
    assert [[t.tag for t in e.label] for e in m2] == [
        ["c", "VERB:SVA", "PREP", "c", "c"], ["c", "c"], ["c", "c", "DET"],
    ]  # fmt: skip
    tokens = '{"tokens": ["He", "go", "home", "."], "tags": ["c", "i", "c", "c"]}\n'
    pairs = "wrong\tcorrected\nHe go home.\tHe goes home.\n"
    for example in read(tmp_path, b_jsonl=tokens, c_tsv=pairs):
        assert shown(Tagged(example.texts[0], example.label)) == "He go* home."


def test_clean_text_and_labelled_texts_are_named_together(tmp_path):
    found = read(tmp_path, d_txt="One line.\n\nAnother  line.\n", e_m2=M2, f_jsonl='{"text": "A text.\\nIts end."}\n')
    clean = [e.texts[0] for e in found if e.label is None]
    assert clean == ["One line.", "Another line.", "A text.", "Its end."] and len(found) == 7


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a_jsonl": '{"tokens": ["a", "b"], "tags": ["c"]}\n'}, "row 1 has 2 words and 1 tags"),
        ({"a_jsonl": '{"tokens": ["a"], "tags": ["B-PER"]}\n'}, "no word is tagged c"),
        ({"a_jsonl": '{"wrong": "a", "best": "c"}\n'}, "needs tokens and tags"),
        ({"a_m2": "S a b\nA 1 5|||R:X|||c|||REQUIRED|||-NONE-|||0\n"}, "row 1: an edit cannot be read"),
        ({"a_m2": "a b\n"}, "row 1 is no line of M2"),
        ({"a_txt": "\n"}, "holds no text"),
    ],
)
def test_unreadable_data_is_refused(files, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, **files)


def test_labelled_texts_need_an_error_and_a_mix_needs_both(tmp_path):
    with pytest.raises(ValueError, match="no word is tagged as wrong"):
        Errors().learn(read(tmp_path, a_jsonl='{"tokens": ["a"], "tags": ["c"]}\n'))
    with pytest.raises(ValueError, match="--mix needs"):
        Errors(mix=0.5).learn(read(tmp_path, a_txt="A text.\n"))


def test_what_was_read_is_told_without_what_is_not_there(tmp_path, caplog):
    with caplog.at_level("INFO", logger="electra"):
        Errors().learn(read(tmp_path, a_txt="A text.\nAnother.\n"))
        Errors().learn(read(tmp_path, a_txt="A text.\nAnother.\n", b_m2=M2))
    assert caplog.messages[0] == "2 lines of clean text"
    assert re.fullmatch(r"2 lines of clean text, \d+ labelled texts with \d+ wrong words", caplog.messages[1])


# -- rows --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_remembered_pieces_are_those_of_the_whole_text(kind):
    tokenizer = tiny_tokenizer(kind)
    cut = WordCutter(tokenizer)
    odd = ["In 3.5 mg/day (a_b) don't, café: x=1 Ångström 20°C 日本 fox", "…", "dog"]
    tagged = [*planted(200), *(Tagged(t, tuple(Token(a, b, "c") for a, b in split_words(t))) for t in odd)]
    for text in tagged:
        assert cut(text) == words_of(tokenizer, text)


def test_the_mix_of_an_epoch(tmp_path):
    tokenizer, task = tiny_tokenizer(), Errors(mix=0.75)
    examples = read(tmp_path, a_txt="\n".join(LINES), b_m2=M2)
    task.learn(examples)
    learned = task.training_set(tokenizer, examples, 64)
    assert len(learned) == 3 + 9 and learned.draw(0, 0, 0) == learned.draw(0, 5, 1)
    drawn = [[learned.draw(n, epoch, 0).ids for n in range(3, 12)] for epoch in (0, 1)]
    assert drawn[0] != drawn[1] and drawn[0] == [learned.draw(n, 0, 0).ids for n in range(3, 12)]


def test_the_loss_is_of_the_score_that_detect_takes():
    task, tokenizer = Errors(), tiny_tokenizer()
    text = Tagged("the fox quickly jumps", (Token(0, 3, "c"), Token(4, 7, "i"), Token(8, 15, "c"), Token(16, 21, "i")))
    (feature,) = task.encode(tokenizer, [Example("0", (text.text,), text.tokens)], 32)
    logits = torch.randn(1, len(feature.ids), 1, generator=torch.Generator().manual_seed(0))
    found = dict(task.collect({"logits": logits[0, :, 0].numpy()}, feature))
    expected = 0.0
    for n, asked in enumerate(feature.target):
        pieces = logits[0, [slot for slot, place in enumerate(feature.places) if place == n], 0].sigmoid().tolist()
        assert found[asked] == pytest.approx(word_probability(pieces), abs=1e-6)
        expected -= np.log(found[asked] if asked[2] else 1 - found[asked])
    assert [asked[2] for asked in feature.target] == [False, True, False, True]
    assert float(task.loss(logits, task.targets([feature]))) == pytest.approx(expected, abs=1e-4)


# -- scores ------------------------------------------------------------------------------------------------------------


def made(count=60, seed=0):
    """Predictions, some of them equal, that are right more often than not."""
    rng = np.random.default_rng(seed)
    predictions, examples = [], []
    for n in range(count):
        size = int(rng.integers(1, 12))
        tags = rng.choice(["c", "i", "spelling"], size, p=[0.8, 0.1, 0.1])
        tokens = tuple(Token(2 * i, 2 * i + 1, str(tag)) for i, tag in enumerate(tags))
        guesses = np.round(0.6 * rng.random(size) + 0.4 * (tags != "c") * rng.random(size), 2)
        predictions.append({"id": str(n), "words": ["a"] * size, "wrong": guesses.tolist()})
        examples.append(Example(str(n), ("a " * size,), tokens))
    return predictions, examples


def test_scores_by_hand_and_by_scikit_learn():
    predictions, examples = made()
    found = Errors(threshold=0.5).score(predictions, examples)
    guess = np.array([p for each in predictions for p in each["wrong"]])
    tags = np.array([t.tag for e in examples for t in e.label])
    right, marked, wrong = ((guess >= 0.5) & (tags != "c")).sum(), (guess >= 0.5).sum(), (tags != "c").sum()
    assert found["precision"] == right / marked and found["recall"] == right / wrong
    assert found["f0.5"] == pytest.approx(1.25 * right / (marked + 0.25 * wrong))
    assert found["ap"] == pytest.approx(average_precision_score(tags != "c", guess))
    assert found["false_marks"] == ((guess >= 0.5) & (tags == "c")).sum() / (tags == "c").sum()
    assert found["recall_spelling"] == (guess[tags == "spelling"] >= 0.5).mean() and "recall_i" not in found


@pytest.mark.parametrize("most", [0.01, 0.05, 1.0])
def test_the_threshold_is_the_best_that_marks_few_right_words(most):
    words = scored(*made())
    threshold = best_threshold(words, most)
    found = at_threshold(words, threshold)
    assert found["false_marks"] <= most
    others = [at_threshold(words, t) for t in np.arange(0.005, 1, 0.01)]
    assert found["f0.5"] == max(other["f0.5"] for other in others if other["false_marks"] <= most)


def made_of(*groups):
    """A text with as many words, right or wrong, of each probability."""
    rows = [(p, tag) for p, tag, count in groups for _ in range(count)]
    tokens = tuple(Token(2 * n, 2 * n + 1, tag) for n, (_, tag) in enumerate(rows))
    return [{"wrong": [p for p, _ in rows]}], [Example("0", ("a " * len(rows),), tokens)]


def test_a_word_that_is_likelier_wrong_than_right_is_marked_unless_too_many_right_ones_are():
    plain = (0.9, "i", 80), (0.6, "i", 20), (0.1, "c", 1000)
    assert Errors().score(*made_of(*plain, (0.6, "c", 10)))["threshold"] == 0.5  # best for F0.5 is .75
    assert Errors().score(*made_of(*plain, (0.6, "c", 20)))["threshold"] == pytest.approx(0.75)
    assert Errors(marks_per_100=5).score(*made_of(*plain, (0.6, "c", 20)))["threshold"] == 0.5
    assert Errors().score(*made_of(*plain, (0.4, "i", 50)))["threshold"] == pytest.approx(0.25)


def test_without_any_sure_mark_nothing_is_marked():
    predictions = [{"wrong": [0.9, 0.1]}]
    examples = [Example("0", ("a b",), (Token(0, 1, "c"), Token(2, 3, "i")))]
    assert Errors().score(predictions, examples)["false_marks"] == 0


def test_probabilities_of_wrong_words_are_no_missing_labels(caplog):
    task, (predictions, examples) = Errors(labels=("c", "i")), made()
    warn_of_unused_labels(task, predictions, examples, "dev.m2")
    assert not caplog.records


# -- the whole way -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clean(folder, tmp_path_factory):  # noqa: F811
    """Text of the tiny language with an order to its words, so that errors can be seen, and a model to learn them."""
    files = tmp_path_factory.mktemp("clean")
    shutil.copytree(folder / "model", files / "model")
    shutil.copytree(folder / "generator", files / "model/generator")
    write_dictionary(files / "model", Counter({"the": 9, "fox": 5}))
    rng = random.Random(0)
    for name, count in (("train.txt", 600), ("dev.txt", 80)):
        lines = [
            f"the {rng.choice(('quick', 'lazy'))} {rng.choice(('fox', 'dog'))} {rng.choice(('jumps', 'eats'))} "
            f"over a {rng.choice(('brown', 'small'))} {rng.choice(('meal', 'river'))}"
            for _ in range(count)
        ]
        (files / name).write_text("\n".join(lines) + "\n")
    return files


def learning(folder, clean, out, **changes):  # noqa: F811
    settings = {
        "task": "errors",
        "language": "none",
        "epochs": 4.0,
        "learning_rate": 1e-3,
        "layerwise_lr_decay": 1.0,
    } | changes
    files = {name: str(clean / f"{name}.txt") for name in ("train", "dev")}
    return config(folder, out, model=str(clean / "model"), **files, **settings)


@pytest.fixture(scope="module")
def learned(folder, clean):  # noqa: F811
    finetune(learning(folder, clean, clean / "learned"))
    return clean / "learned"


def test_a_detector_learns_to_find_errors(folder, clean, learned, capsys):  # noqa: F811
    asked = EvaluateConfig(task="errors", suite=str(clean / "dev.txt"), language="none", device="cpu", threads=1)
    before, after = (
        evaluate(replace(asked, model=str(model), out=str(clean / f"report-{name}")))["results"][0]["seeds"][0]
        for name, model in (("before", folder / "model"), ("after", learned))
    )
    assert after["scores"]["ap"] > before["scores"]["ap"] + 0.1  # which knows misspellings by their many pieces
    assert after["scores"]["f0.5"] > 0.5 and after["scores"]["false_marks"] <= 0.015
    assert after["intervals"].keys() == {"f0.5", "precision", "recall", "ap", "false_marks"}
    low, high = after["intervals"]["recall"]
    assert low < after["scores"]["recall"] < high and after["scores"]["recall_spelling"] > 0
    summary = read_json(learned / "summary.json")
    assert summary["scores"]["f0.5"]["kept"] == pytest.approx(after["scores"]["f0.5"])
    assert "Precision and recall" in (clean / "report-after/report.html").read_text()
    words = ["evaluate", str(learned), "--suite", str(clean / "dev.txt"), "--language", "none"]
    main([*words, "--out", str(clean / "cli")])
    assert "false_marks" in capsys.readouterr().out


def test_the_result_is_a_detector_with_its_own_threshold(folder, clean, learned):  # noqa: F811
    model = electra.load(learned)
    assert isinstance(model, Detector) and model.generator is not None
    assert model.threshold == read_json(learned / "summary.json")["scores"]["threshold"]["kept"]
    assert (learned / "generator/model.safetensors").read_bytes() == (
        folder / "generator/model.safetensors").read_bytes()  # fmt: skip
    assert model.candidates is not None and (learned / FILE).read_bytes() == (clean / "model" / FILE).read_bytes()
    found = model.detect("the quick fox jumsp over a brown meal", suggestions=2)
    assert max(found, key=lambda word: word.replaced).text == "jumsp"


def test_detect_gives_the_scores_that_were_measured(clean, learned):
    model = electra.load(learned)
    task = Errors(evidence=model.evidence)
    examples = task.read(str(clean / "dev.txt"), "dev")[:20]
    from electra.inference.task_model import TaskModel

    measured = TaskModel(model.session, task, "errors", model.tokenizer, model.longest).answer(examples)
    for example, prediction in zip(examples, measured):
        found = {(w.start, w.end): 0.0 if w.exempt else w.replaced for w in model.detect(example.texts[0])}
        assert [found[t.start, t.end] for t in example.label] == pytest.approx(prediction["wrong"], abs=1e-5)


@pytest.mark.slow
def test_an_exported_detector_keeps_scores_and_threshold(clean, learned, tmp_path):
    export(ExportConfig(str(learned), str(tmp_path / "out")))
    ours, theirs = electra.load(learned), electra.load(tmp_path / "out")
    assert isinstance(theirs, Detector) and theirs.threshold == ours.threshold and theirs.generator is not None
    text = "the lazy dgo eats eats over a small meal"
    found = [[word.replaced for word in model.detect(text)] for model in (ours, theirs)]
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_a_discriminator_is_fine_tuned_before_it_is_measured_if_there_is_data(clean, learned, tmp_path):
    asked = EvaluateConfig(
        model=str(clean / "model"), task="errors", train=str(clean / "train.txt"), suite=str(clean / "dev.txt"),
        out=str(tmp_path / "new"), language="none", train_steps=2, seeds=1, device="cpu", threads=1,
    )  # fmt: skip
    (result,) = evaluate(asked)["results"]
    assert (tmp_path / "new/finetuned/summary.json").exists()
    (baseline,) = result["baselines"]
    assert baseline["name"] == "unknown words" and baseline["scores"]["recall_spelling"] > 0.8
    evaluate(replace(asked, model=str(learned), out=str(tmp_path / "again")))  # it has learned the task
    assert not (tmp_path / "again/finetuned").exists()


def test_a_stopped_run_goes_on_bit_for_bit(folder, clean, learned, tmp_path, monkeypatch):  # noqa: F811
    from electra.training.trainer import Trainer

    after_step = Trainer.after_step

    def stop(self):
        after_step(self)
        self.stop_requested = self.step in (9, 40)

    monkeypatch.setattr(Trainer, "after_step", stop)
    c = learning(folder, clean, tmp_path / "out")
    for _ in range(2):
        with pytest.raises(Interrupted):
            finetune(c)
    finetune(c)
    ours, theirs = ((out / "model.safetensors").read_bytes() for out in (tmp_path / "out", learned))
    assert ours == theirs


def test_a_run_that_tells_only_long_words_from_short_ones_is_noticed(caplog):
    few, many = ([{"wrong": [1 / (1 + n % kinds) for n in range(200)]}] for kinds in (3, 50))
    warn_if_collapsed(many, [])
    assert "collapsed" not in caplog.text
    warn_if_collapsed(few, [])
    assert "this run has collapsed" in caplog.text


def test_text_of_another_language_is_noticed(tmp_path, caplog):
    (example,) = read(tmp_path, a_txt="Das Haus ist rot und das Haus ist gross.\n")
    Errors().training_set(tiny_tokenizer(), [example], 64)
    assert "--language none" in caplog.text


def test_a_long_text_is_cut_between_words_and_each_is_asked_for_once():
    tokenizer = tiny_tokenizer()
    text = " ".join(STORY)
    (whole,) = Errors().encode(tokenizer, [Example("0", (text,), ())], 1000)
    rows = Errors().encode(tokenizer, [Example("0", (text,), ())], 40)
    assert len(rows) > 3 and max(len(row.ids) for row in rows) <= 40 and {row.example for row in rows} == {0}
    assert [asked for row in rows for asked in row.target] == whole.target
    assert [i for row in rows for i in row.ids[1:-1]] == whole.ids[1:-1]


def test_settings_of_errors_are_refused_elsewhere(folder, tmp_path):  # noqa: F811
    with pytest.raises(ValueError, match="classification has no setting --mix"):
        finetune(config(folder, tmp_path / "out", mix=0.5))


def test_modernbert_with_a_memory_learns_errors_too(tmp_path):
    shape = ModernBertConfig(
        hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64,
        memory=64, memory_size=4,
    )  # fmt: skip
    data = write_data(tmp_path / "data")
    pretrain(tiny_config(data, tmp_path / "run", model=shape, generator_width=1.0, train_steps=2, eval_steps=0))
    (tmp_path / "clean.txt").write_text("\n".join(sentences(60)))
    finetune(FinetuneConfig(
        model=str(tmp_path / "run"), task="errors", train=str(tmp_path / "clean.txt"), dev=str(tmp_path / "clean.txt"),
        out=str(tmp_path / "errors"), epochs=1, language="none", device="cpu",
    ))  # fmt: skip
    assert isinstance(electra.load(tmp_path / "errors"), Detector)


def test_lists_of_a_language_may_have_capitals_but_must_be_lists(tmp_path):
    file = tmp_path / "german.json"
    file.write_text(json.dumps({"confused": ["Seite Saite"], "articles": "Der Die"}))
    assert find_language(str(file)).confused["seite"] == ("saite",) and find_language(str(file)).articles[0] == "der"
    for wrong in ({"confused": "Seite Saite"}, {"mistakes": ["garnicht"]}, {"mistakes": "garnicht gar nicht"}):
        file.write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match="not a file of lists"):
            find_language(str(file))


def test_a_mistake_is_no_form_or_other_word_of_the_lists():
    right = {*ENGLISH.confused, *ENGLISH.forms, *ENGLISH.articles, *ENGLISH.prepositions, *ENGLISH.little}
    assert not right & ENGLISH.mistakes.keys()
    assert ENGLISH.mistakes["dont"] == "don't" and ENGLISH.mistakes["alot"] == "a lot"
