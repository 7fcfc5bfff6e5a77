"""Fixing: what is surely wrong is put right, the rest is left, and a fixed text is not changed again."""

import re

import pytest

import electra
from electra.inference.fixing import SURE, apply, edits_of, fix
from electra.inference.words import Word

LEARNERS = [
    "Yesterday I recieve a letter from my freind who live in Spain. She definately want to come, but their is no room "
    "untill tuesday. I am writting you becuase you're house have alot of space.",
    "The goverment has publish a new report, wich say that most childs watches to much television. I dont think its "
    "neccessary to ban it, but parents should of been more carefull.",
    "Last summer we go to the beach every days, and the whether was very beatiful. My brother losed his sunglasses in "
    "the the water, so he was quiet angry.",
]


@pytest.fixture(scope="module")
def box():
    return electra.load()


def fixed_by(box, text):
    return fix(text, box.detect, box.threshold, box.candidates.language.twice)[0]


@pytest.mark.parametrize(
    "text, right",
    [
        ("It was a seperate enviroment.", "It was a separate environment."),
        ("The the dog lay on on the rug.", "The dog lay on the rug."),
        ("She definately knows the goverment.", "She definitely knows the government."),
        ("The water in the lake is very cold.", "The water in the lake is very cold."),
    ],
)
def test_a_sentence_comes_out_right(box, text, right):
    assert fixed_by(box, text) == right


@pytest.mark.parametrize(
    "text",
    [
        "Bye bye, my friend.",
        "What he did did not matter.",
        "It was a very very cold day.",
        "He gave her her book.",
        "What it is is a problem.",
    ],
)
def test_a_word_that_may_stand_twice_is_left_to_the_author(box, text):
    assert fixed_by(box, text) == text


@pytest.mark.parametrize("text", LEARNERS)
def test_fixing_twice_changes_nothing_more(box, text):
    fixed = fixed_by(box, text)
    assert fixed != text and fixed_by(box, fixed) == fixed


def test_a_doubtful_suggestion_is_left_to_the_author(box):
    """`writting` became `willing`, and `you're` `never`."""
    fixed = fixed_by(box, LEARNERS[0])
    assert "definitely" in fixed and "because" in fixed and "you're house" in fixed
    assert "writting" in fixed or "writing" in fixed


def test_a_known_word_needs_more_than_an_unknown_one(box):
    """These were changed: `it encoder`, `as core`, `at 38.9.`."""
    for text in (
        "A ModernBERT or a BERT has its encoder, its first layers and its head for masked tokens.",
        "The command uses one process a core.",
        "One race of three seeds had names at 42.0 with it and at 38.9 without.",
    ):
        assert fixed_by(box, text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Chapter One\n\nOne day he went home and slept.\n",
        "Usage\n\nUsage of the tool is simple.\n",
        "Send it to Anna\nAnna will know what to do.\n",
        "Name\tName\tAge\nAnna\tAnna\t12\n",
    ],
)
def test_words_of_two_paragraphs_or_columns_are_no_doubled_word(box, text):
    """The first came out as `Chapter One day he went home`."""
    assert fixed_by(box, text) == text


# -- the rules, with a detector that knows the wrong words -------------------------------------------------------------


class Reader:
    """Mark words of a list, each with a suggestion and its certainty."""

    def __init__(self, **wrong):
        self.wrong = wrong

    def __call__(self, text):
        return [self.word(found) for found in re.finditer(r"\w+", text)]

    def word(self, found):
        other, certainty = self.wrong.get(found[0], ("", 0.0))
        return Word(found[0], *found.span(), 0.9 * (found[0] in self.wrong), (other,), False, certainty)


def test_only_what_is_sure_is_written():
    reader = Reader(tow=("two", 0.99), wich=("witch", SURE - 0.01))
    fixed, words = fix("tow dogs, wich bark", reader, 0.5)
    assert fixed == "two dogs, wich bark"
    assert [word.text for word in words if word.is_marked(0.5)] == ["wich"]


def test_a_word_that_looks_no_better_is_taken_back():
    reader = Reader(tow=("toe", 0.99), toe=("tow", 0.99), teh=("the", 0.99))
    assert fix("tow and teh dogs", reader, 0.5)[0] == "tow and the dogs"


def test_of_two_neighbours_one_is_judged_again():
    reader = Reader(tow=("two", 0.99), dgos=("dogs", 0.99))
    assert [edit.written for edit in edits_of("tow dgos", reader("tow dgos"), 0.5)] == ["two"]
    assert fix("tow dgos", reader, 0.5)[0] == "two dogs"


@pytest.mark.parametrize(
    "text, right",
    [
        ("The the dog", "The dog"),
        ("see the The dog", "see the dog"),
        ("we go to the the end", "we go to the end"),
        ("we go to the\nthe end", "we go to the end"),
        ("the", ""),
        ("see\nthe dogs", "see\ndogs"),
    ],
)
def test_a_removed_word_leaves_one_space_and_the_capital(text, right):
    reader = Reader(the=("", 0.99), The=("", 0.99))
    edits = edits_of(text, reader(text), 0.5)
    assert apply(text, edits[:1]) == right


def test_a_removed_word_at_the_start_of_a_sentence_gives_its_capital_away():
    reader = Reader(A=("", 0.99))
    assert fix("It ends. A dogs bark.", reader, 0.5)[0] == "It ends. Dogs bark."


@pytest.mark.parametrize("gap", ["\n\n", "\t", "\n- ", "** ", "\x0c", "\u2029"])
def test_what_stands_between_two_words_is_not_removed_with_one(gap):
    text = f"wait for the{gap}the end"
    assert not edits_of(text, Reader(the=("", 0.99))(text), 0.5)
