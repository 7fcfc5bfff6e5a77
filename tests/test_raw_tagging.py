"""A tagger given a text as people write it: words as `detect` splits them, and offsets of the text as given."""

import numpy as np
import pytest
from test_finetune import config, folder  # noqa: F401
from tiny import tiny_tokenizer

import electra
from electra.finetuning.run import finetune
from electra.tasks import TASKS
from electra.text.pieces import spans_in_text

TEXT = "The  patient (J. O'Neil,\tof St. Paul's) don't eat: café-au-lait!\n"
WORDS = ["The", "patient", "(", "J", ".", "O", "'", "Neil", ",", "of", "St", ".", "Paul", "'", "s", ")", "don", "'",
         "t", "eat", ":", "café", "-", "au", "-", "lait", "!"]  # fmt: skip


def tagged(text, tags, tokenizer):
    """The prediction for a text whose words get these tags."""
    task = TASKS["tagging"](labels=["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    example = task.asked(text, 0, tokenizer)
    (feature,) = features = task.encode(tokenizer, [example], 500)
    logits = np.zeros((len(feature.ids), 5))
    for slot, word in enumerate(feature.places):
        if word >= 0:
            logits[slot, task.labels.index(tags.get(example.texts[word], "O"))] = 9.0
    return task.decode([task.collect({"logits": logits}, feature)], features, [example])[0]


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_words_are_those_of_detect_and_signs_are_words(kind):
    tokenizer = tiny_tokenizer(kind)
    example = TASKS["tagging"](labels=["O"]).asked(TEXT, 0, tokenizer)
    assert example.raw.text == TEXT
    assert [TEXT[a:b] for a, b in example.raw.spans] == list(example.texts)
    assert {"patient", "(", ",", ")", "!"} <= set(example.texts) and "".join(example.texts) == "".join(TEXT.split())
    if kind == "wordpiece":
        assert list(example.texts) == WORDS
        assert list(example.raw.spans) == [(s.start, s.end) for s in spans_in_text(TEXT, tokenizer.encode(TEXT))]


def test_entities_have_offsets_and_the_text_as_given():
    tags = {"O": "B-PER", "'": "I-PER", "Neil": "I-PER", "St": "B-LOC", "Paul": "B-LOC"}
    text = "(J. O'Neil,\tof St. Paul)"
    found = tagged(text, tags, tiny_tokenizer())
    entities = found["entities"]
    assert [e["text"] for e in entities] == ["O'Neil", "St", "Paul"]
    assert next((e["start"], e["end"], e["start_char"], e["end_char"]) for e in entities) == (3, 6, 4, 10)
    assert all(text[e["start_char"] : e["end_char"]] == e["text"] for e in entities)
    assert [text[a:b] for a, b in found["offsets"]] == found["tokens"]
    blanks = tagged("St.   Paul", {"St": "B-LOC", ".": "I-LOC", "Paul": "I-LOC"}, tiny_tokenizer())
    assert blanks["entities"][0]["text"] == "St.   Paul"  # of the text as given


def test_entities_of_given_words_have_no_needless_spaces():
    task = TASKS["tagging"](labels=["O", "B-LOC", "I-LOC"])
    example = task.asked(["in", "St", ".", "Paul", "'s", "(", "MN", ")"], 0, tiny_tokenizer())
    assert example.raw is None
    features = task.encode(tiny_tokenizer(), [example], 500)
    logits = np.zeros((len(features[0].ids), 3))
    for slot, word in enumerate(features[0].places):
        logits[slot, 0 if word < 1 else 1 if word == 1 else 2] = 9.0
    (found,) = task.decode([task.collect({"logits": logits}, features[0])], features, [example])
    assert found["entities"] == [{"type": "LOC", "start": 1, "end": 8, "text": "St. Paul's (MN)"}]
    assert "offsets" not in found


def test_a_full_stop_does_not_hide_a_word(folder, tmp_path):  # noqa: F811
    """`eats.` was one word, which no training sentence had."""
    how = dict(train=str(folder / "tags.jsonl"), dev=str(folder / "tags_dev.jsonl"))
    finetune(config(folder, tmp_path / "out", **how))
    (found,) = electra.load(tmp_path / "out").predict(["the river eats. (jumps)"])
    entities = {(e["text"], e["start_char"], e["end_char"]) for e in found["entities"]}
    assert {("eats", 10, 14), ("jumps", 17, 22)} <= entities  # signs are tagged at random: it has never seen any
