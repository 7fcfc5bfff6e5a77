"""Suggestions: the dictionary beside a model, the candidates for a word, and how they are ranked."""

import json
import lzma
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tiny

import electra
from electra.cli import tables
from electra.inference.candidates import FAR, RELATED, SURE, Candidates, Neighbourhood
from electra.inference.detector import Query, detect_texts, suggest
from electra.inference.marked_text import marked_html
from electra.inference.model import Model
from electra.inference.suggestions import JUDGED, Place, Trial, log_probabilities, odds_right
from electra.inference.words import Word
from electra.pretraining.dictionary import save_dictionary
from electra.server.check_query import CheckQuery
from electra.server.languagetool import check_answer
from electra.text import dictionary
from electra.text.dictionary import (
    FILE,
    HEADING,
    MOST,
    UNPACKED,
    Dictionary,
    count_words,
    edits,
    read_dictionary,
    write_dictionary,
)
from electra.text.pieces import spans_in_text

SMALL = Path(__file__).parents[1] / "results/gpu/small"
GRAMMAR = "a an the of in to for with on at by from"
WORDS = "friend friends fiend environment which with rich witch form work works worked their there Paris on one"


def known(words=f"{GRAMMAR} {WORDS}"):
    """A dictionary in which an earlier word is more frequent."""
    return Dictionary({word: 30 - n for n, word in enumerate(words.split())})


def place(word, before="x", after="y"):
    return Neighbourhood(word, before, after)


# -- the dictionary ----------------------------------------------------------------------------------------------------


def test_words_are_counted_in_their_commonest_capitals():
    texts = [
        "The river, the river’s “bank” and Paris!",
        "THE bank - Paris; 3 rivers x2 snake_case",
        "well-known नमस्ते 東京 ไทย",
        "Beach, Beach, Beach and beach; Well",
    ]
    assert count_words(texts) == Counter(
        {
            "the": 3,
            "beach": 4,
            "river": 2,
            "s": 1,
            "bank": 2,
            "and": 2,
            "Paris": 2,
            "rivers": 1,
            "well": 2,
            "known": 1,
            "नमस्ते": 1,
        }
    )


def test_a_dictionary_is_read_as_it_was_written(tmp_path):
    write_dictionary(tmp_path, Counter({"the": 1000, "Paris": 17, "café": 3, "typo": 2}))
    content = lzma.decompress((tmp_path / FILE).read_bytes()).decode()
    assert content == "electra dictionary 1\n9 the\n4 Paris\n1 café\n"
    found = read_dictionary(tmp_path)
    assert found.words == ("the", "Paris", "café") and found.levels == {"the": 9, "paris": 4, "café": 1}
    assert "PARIS" in found and "typo" not in found
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_dictionary_stays_below_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(dictionary, "LARGEST", 2000)
    rng = np.random.default_rng(0)
    counts = Counter({"".join(map(chr, rng.integers(97, 123, 9))): 3 + n for n in range(3000)})
    write_dictionary(tmp_path, counts)
    assert 1000 < (tmp_path / FILE).stat().st_size <= 2000
    words = read_dictionary(tmp_path).words
    assert min(counts[word] for word in words) == 3003 - len(words), "the rarest are left out"


def test_there_is_no_dictionary_without_words_and_a_damaged_one_is_refused(tmp_path):
    write_dictionary(tmp_path, count_words(["狐狸吃饭"] * 9))
    assert read_dictionary(tmp_path) is None
    for content in (b"xz", lzma.compress(b"another file\n1 a"), lzma.compress(b"electra dictionary 1\nthe 3\n")):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(ValueError, match="not a dictionary of this version"):
            read_dictionary(tmp_path)


@pytest.mark.parametrize(
    "content, said",
    [
        (HEADING.encode() + b"\n1 " + b"a" * UNPACKED, "more than 32 MB when unpacked"),
        (HEADING.encode() + b"\n1" + b" a" * (MOST + 1) + b"\n", "more than 200,000 words"),
        (HEADING.encode() + b"\n" * 100, "more than 200,000 words"),
    ],
)
def test_a_dictionary_that_would_fill_the_memory_is_refused(tmp_path, content, said):
    (tmp_path / FILE).write_bytes(lzma.compress(content))
    with pytest.raises(ValueError, match=f"{said}.*remove it to go without"):
        read_dictionary(tmp_path)


@pytest.mark.parametrize("word, nearest", [("freind", "friend"), ("enviroment", "environment"), ("wich", "which")])
def test_near_words_are_within_two_edits(word, nearest):
    found = known().near(word, 10)
    assert found[0] == (nearest, 1)
    assert dict(found) == {w: edits(w, word) for w in known().words if edits(w, word) <= 2}


def test_a_short_word_has_near_words_within_one_edit():
    assert {w for w, _ in known().near("te", 10)} == {"the"} | {w for w in known().words if edits(w, "te") == 1}
    assert known().near("a", 10) == []


# -- candidates --------------------------------------------------------------------------------------------------------


def found(word, expected=(), **beside):
    return dict(Candidates(known()).find(place(word, **beside), expected))


def test_candidates_keep_capitals_and_what_is_written_around_the_word():
    assert found("Freind")["Friend"] == found("FREIND")["FRIEND"] == 1
    assert found("freind’s,")["friend’s,"] == found("“freind")["“friend"] == 1
    assert found("paris") == {"Paris": 0}
    assert not found("Paris") and "friend" not in found("friend")


def test_confusable_words_and_other_forms_are_as_near_as_the_word_itself():
    assert found("their")["there"] == found("work")["works"] == found("work")["worked"] == RELATED
    assert found("form")["from"] == RELATED


def test_an_irregular_word_with_a_regular_ending_gets_its_right_forms():
    english = Candidates(known(f"{GRAMMAR} think thinks thought"))
    assert dict(english.find(place("thinkes"), ())) == {"think": RELATED, "thought": RELATED, "thinks": RELATED}
    assert english.language.inflections("thinks", english.dictionary) == ("think", "thought", "thinking")  # all known


def test_a_word_that_is_never_right_becomes_what_is_meant():
    assert found("Dont")["Don't"] == SURE and found("ive")["I've"] == SURE
    assert found("alot", ["all"])["a lot"] == found("runned")["ran"] == SURE


def test_two_common_words_may_have_lost_the_space_between_them():
    assert found("Ofthe")["Of the"] == 1 and found("ofa")["of a"] == 1
    assert not [word for word in found("friendb") if " " in word]
    joined = Candidates(known(f"{GRAMMAR} ofthe"))
    assert "of the" not in dict(joined.find(place("ofthe"), ()))  # a word of its own


def test_no_list_of_english_for_another_language():
    german = Candidates(known("der die und in zu den das nicht an a form from their there"))
    assert not german.language.confused
    assert dict(german.find(place("their", after="their"), ())) == {"": SURE, "there": 2}


def test_a_doubled_or_needless_word_may_be_removed():
    assert found("river", after="river") == found("River", before="river") == {"": SURE}
    assert found("the")[""] == RELATED
    assert "" not in found("river") and "" not in found("the", after="")


def test_the_generators_words_are_limited_unless_spelt_alike():
    words = [f"xx{'abcdefghij'[n]}qqqqqq" for n in range(10)]
    there = found("enviroment", [*words, "enviromentx"])
    assert there["enviromentx"] == 1
    assert sum(word.startswith("xx") for word in there) == 8 and there[words[0]] == FAR


def test_vowel_signs_are_part_of_a_word():
    hindi = Candidates(Dictionary({"दुनिया": 5}))
    assert hindi.find(place("दुनयिा।"), ["नमस्ते"]) == [("नमस्ते", FAR), ("दुनिया", 2)]


def test_a_clitic_is_left_to_the_generator():
    assert set(found("s", ["t"], before="’")) == {"t"}


# -- ranking -----------------------------------------------------------------------------------------------------------


class Fixed:
    """A network whose logits are a fixed function of the ids: of a whole row, and of each token."""

    outputs = ("logits",)

    def __init__(self, vocabulary=0):
        self.vocabulary, self.rows = vocabulary, []

    def __call__(self, inputs, names):
        ids = inputs["input_ids"]
        self.rows += ids.tolist()
        if not self.vocabulary:
            return [(ids % 7).astype(np.float32)]
        keys = (ids * np.arange(1, ids.shape[1] + 1)).sum(1) + inputs["positions"][:, 0]
        return [np.stack([np.random.default_rng(int(key)).normal(size=self.vocabulary) for key in keys])]


def test_the_probability_of_a_word_is_the_product_of_its_pieces_from_left_to_right():
    tokenizer = tiny.tiny_tokenizer()
    session, mask = Fixed(tokenizer.vocab_size), tokenizer.mask_id
    model = Model(session, tokenizer, 30)
    words = [(10,), (11,), (10, 12), (10, 13), (11, 12)]
    probabilities = log_probabilities(model, [Trial((20, 21), word, (22,)) for word in words])
    rows = [tuple(row) for row in session.rows]
    assert len(rows) == len(set(rows)) == 4, "rows are shared: one mask, two masks, and one after each first piece"

    def log_probability(word):
        total = 0.0
        for i, piece in enumerate(word):
            row = model.row([20, 21, *word[:i], *[mask] * (len(word) - i), 22])
            (logits,) = Fixed(tokenizer.vocab_size)(
                {"input_ids": np.array([row]), "positions": np.array([[3 + i]])}, ()
            )
            total += logits[0, piece] - math.log(np.exp(logits[0]).sum())
        return total

    assert probabilities == pytest.approx([log_probability(word) for word in words])


def test_the_odds_are_those_of_the_word_as_detect_combines_its_pieces():
    model = Model(Fixed(), tiny.tiny_tokenizer(), 30)
    assert odds_right(model, [Trial((20, 21), (10,), (22,)), Trial((), (10, 12), ())]) == pytest.approx(
        [-3.0, -(3 + 5) / 2 - 0.5 * math.log(2)]
    )


def test_a_trial_puts_the_candidate_or_the_next_word_in_the_words_place():
    tokenizer = tiny.tiny_tokenizer()
    text = "the the quick fox"
    encoding = tokenizer.encode(text)
    the, _, quick, fox = encoding.ids
    spans = spans_in_text(text, encoding)
    first = Place(text, encoding.ids, spans, 1)
    assert first.trial(tokenizer, "fox", 28) == ((the,), (fox,), (quick, fox))
    assert first.trial(tokenizer, "fox", 3) == ((the,), (fox,), (quick,))
    assert first.trial(tokenizer, "", 28) == ((the,), (quick,), (fox,))
    assert first._replace(number=3).trial(tokenizer, "", 28) == ((the, the), (quick,), ())
    assert (first.word(-2), first.word(-1), first.word(9)) == ("", "the", "")


def test_a_space_goes_with_a_candidate_where_the_tokeniser_has_one():
    for kind, mark in (("bpe", "Ġ"), ("unigram", "▁")):
        tokenizer = tiny.tiny_tokenizer(kind)
        encoding = tokenizer.encode("the dog fox")
        at = Place("the dog fox", encoding.ids, spans_in_text("the dog fox", encoding), 1)
        word = at.trial(tokenizer, "fox", 28).word
        assert tokenizer.backend.id_to_token(word[0]).startswith(mark) and at.trial(tokenizer, "dog", 28).word == tuple(
            encoding.ids[at.spans[1].first : at.spans[1].last + 1]
        )


@pytest.fixture(scope="module")
def small():
    if not SMALL.exists():
        pytest.skip("the source distribution leaves out results/gpu/small")
    return electra.load(SMALL, threads=1)


@pytest.mark.parametrize(
    "text, word, meant",
    [
        ("He wrote a long letter to his best freind in the city.", "freind", "friend"),
        ("The factory was closed to protect the enviroment of the river.", "enviroment", "environment"),
        ("The river, wich flows through the city, is very long.", "wich", "which"),
        ("Enviroment and health are important to many people.", "Enviroment", "Environment"),
        ("The name of the the river is old.", "the", ""),
    ],
)
def test_the_word_that_was_meant_comes_first(small, text, word, meant):
    encoding = small.tokenizer.encode(text)
    spans = spans_in_text(text, encoding)
    number = max(n for n, span in enumerate(spans) if text[span.start : span.end] == word)
    ((words, _),) = suggest(small, [Place(text, encoding.ids, spans, number)])
    assert words[0] == meant


def test_texts_with_a_dictionary_give_together_what_each_gives_alone(small):
    queries = [Query(text, 0.5, JUDGED + 2) for text in ("", "a freind", "Teh enviroment is is goood, my freind’s")]
    for query, words in zip(queries, detect_texts(small, queries)):
        assert [w.suggestions for w in small.detect(*query[:3])] == [w.suggestions for w in words]


# -- files and outputs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_the_dictionary_of_a_run_has_the_words_of_its_training_text(tmp_path, kind):
    tokenizer = tiny.tiny_tokenizer(kind)
    tiny.write_data(tmp_path / "data", tokenizer=tokenizer)
    save_dictionary(tmp_path / "model", tiny.open_examples(tmp_path / "data"), tokenizer)
    plain = tokenizer.backend.normalizer.normalize_str if tokenizer.backend.normalizer else str
    assert set(read_dictionary(tmp_path / "model").words) == {plain(word) for word in tiny.WORDS.split()}


def test_a_removal_is_shown_as_one_and_is_an_empty_replacement():
    word = Word("the", 4, 7, 0.9, ("", "a"))
    assert str(tables.marked("the the", [word], 0.5)) == "the the [(remove)|a]"
    assert "suggestions: (remove), a" in marked_html("the the", [word], 0.5)
    answer = check_answer(CheckQuery("the the", list(range(8)), "en", True), [word._asdict() | {"marked": True}], 50)
    assert answer["matches"][0]["replacements"] == [{"value": ""}, {"value": "a"}]
    assert json.loads(json.dumps(word._asdict()))["suggestions"] == ["", "a"]
