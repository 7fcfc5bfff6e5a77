"""The model in the box, as people meet it."""

import io
import json
import re
import subprocess
import sys
from html import unescape
from importlib.resources import files

import pytest

import electra
from electra.cli import main
from electra.demo import Tour
from electra.evaluation.proof import Proof, documentation, planted_text, read
from electra.inference.box import BOX, model_and_texts
from electra.inference.marked_text import Words
from electra.inference.words import Word
from electra.text.errors.probes import Planted

WRONG = {
    "She likes soup vary much.": ["vary"],
    "They eight rice at noon.": ["eight"],
    "It was a seperate enviroment.": ["seperate", "enviroment"],
    "She was borned in Leeds and become a good writter.": ["borned", "become", "writter"],
    "I has gone to the market.": ["has"],
}
CLEAN = [
    "Points outside of this range may not be shown.",
    "Our colleague Rafael lives in the United States.",
    "A note on the painter’s letters.",
    "Dear Sir or Madam",
    "Kind regards",
    "Get current URL",
    "@ana look #spring #lisbon 2 p.m. at https://example.org/a_b",
]


@pytest.fixture(scope="module")
def box():
    return electra.load()


def marks(box, text):
    return box.detect(text).marked


def test_what_is_found_shows_itself_in_a_notebook(box):
    """The text as it was given, whole and escaped, with the words that are marked and nothing else marked."""
    text = "We <b>has</b> to wait & see\nat our scool."
    found = box.detect(text, threshold=0.5)
    html = found._repr_html_()
    assert isinstance(found, list) and found.text == text and found.threshold == 0.5
    assert [w.text for w in found.marked] == [w.text for w in found if w.is_marked(0.5)] != []
    assert re.findall(r'<span class="marked"[^>]*>([^<]*)</span>', html) == [w.text for w in found.marked]
    paragraph = html.partition('<p class="text">')[2].partition("</p>")[0]
    assert unescape(re.sub(r"</?span[^>]*>", "", paragraph)) == text
    assert "&lt;" in html and "<b>" not in html
    assert box.detect(text, threshold=1.1).marked == []


MISSED = {"She likes soup vary much."}  # .39 for "vary"; the next box may find it


@pytest.mark.parametrize(
    "text", [pytest.param(text, marks=pytest.mark.xfail(strict=True) if text in MISSED else ()) for text in WRONG]
)
def test_wrong_words_are_found(box, text):
    assert [word.text for word in marks(box, text)] == WRONG[text]


def test_doubled_words_are_found(box):
    found = [(word.text, word.start) for word in marks(box, "The the dog lay on on the rug.")]
    assert [text.lower() for text, _ in found] == ["the", "on"]


@pytest.mark.parametrize("text", CLEAN)
def test_right_words_are_not_marked(box, text):
    assert not marks(box, text)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("It was a seperate enviroment.", {"seperate": "separate", "enviroment": "environment"}),
        ("I met a freind.", {"freind": "friend"}),
        ("The house, wich is old, was sold.", {"wich": "which"}),  # it marks "is" too
    ],
)
def test_suggestions(box, text, right):
    first = {word.text: word.suggestions[0] for word in marks(box, text)}
    assert first | right == first


def test_without_torch_and_without_a_network():
    program = (
        "import sys, socket; sys.modules['torch'] = None; socket.socket.connect = None; import electra\n"
        "print([w.text for w in electra.load().detect('It was a seperate house.') if w.replaced > .6])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['seperate']"


def test_words_that_are_never_right_are_fixed(box):
    found = marks(box, "I dont think we catched it. Alot of people werent here, but shes sure ofthe rest.")
    assert [(word.text, word.suggestions[0]) for word in found] == [
        ("dont", "don't"), ("catched", "caught"), ("Alot", "A lot"), ("werent", "weren't"), ("shes", "she's"),
        ("ofthe", "of the"),
    ]  # fmt: skip
    assert [word.suggestions[0] for word in marks(box, "We meet on monday and speak english.")] == ["Monday", "English"]
    assert not marks(box, "The designer Jony Ive spoke first. Monday is free. English is hard. Ive was there.")
    assert "ive" not in [word.text for word in marks(box, "They say 'ive got it' every day.")]
    assert {"DONT", "DIDNT"} <= {
        word.text for word in marks(box, "WE DONT KNOW WHY YOU DIDNT CALL ME TODAY MY FRIEND.")
    }


def test_its_size():
    assert sum(file.stat().st_size for file in BOX.rglob("*")) < 47e6


def test_detect_needs_no_model(tmp_path, capsys, monkeypatch):
    file = tmp_path / "notes.txt"
    file.write_text("They eight rice at noon.\n")
    main(["detect", str(file)])
    assert "eight [" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a seperate house")))
    main(["detect", "--format", "json"])
    words = json.loads(capsys.readouterr().out)["words"]
    assert [word["text"] for word in words if word["marked"]] == ["seperate"]


def test_which_word_of_a_command_is_the_model(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "a.txt").write_text("a")
    model, text = str(tmp_path / "model"), str(tmp_path / "a.txt")
    assert model_and_texts([model, text]) == (model, (text,))
    assert model_and_texts([model]) == (model, ("-",)) and model_and_texts([""]) == (str(BOX), ("-",))
    assert model_and_texts([text, "-"]) == (str(BOX), (text, "-")) and model_and_texts(["-"]) == (str(BOX), ("-",))
    with pytest.raises(ValueError, match="no such file, and no folder of a model"):
        model_and_texts(["absent"])


def test_the_box_is_not_calibrated(tmp_path, capsys):
    (tmp_path / "clean.txt").write_text("a house")
    with pytest.raises(SystemExit) as raised:
        main(["detect", "--calibrate", str(tmp_path / "clean.txt")])
    assert raised.value.code == 2 and "for the one in the box use --threshold" in capsys.readouterr().err


def test_the_demo_begins_with_the_box_and_ends_with_a_text_that_a_person_can_judge(box, capsys, monkeypatch):
    text, mistakes = documentation()
    found = Tour([read("your model", box, text, mistakes), read("the box", box, text, mistakes)], {}, [], [])
    monkeypatch.setattr("electra.demo.demo", lambda config: found)
    monkeypatch.setenv("COLUMNS", "200")
    main(["demo"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "writting [" in shown and shown.index("freindly") < shown.index("dictoinary")
    row = next(line for line in shown.splitlines() if "misses" in line)
    assert re.search(r"│ \d.*│ \d", row) and re.search(r"finds +│ \d", shown)


def test_a_proof_says_which_mistakes_are_found(box):
    text, mistakes = documentation()
    named = [text[start:end] for start, end in mistakes]
    assert "*" not in text and named[:3] == ["exists", "risen", "dictoinary"] and "the the" in named
    proof = read("the box", box, text, mistakes)
    assert sorted([*proof.found(), *proof.missed()]) == sorted(named) and "dictoinary" in proof.found()
    right = Proof("nobody", Words([Word("good", 2, 6, 0.9, ())], "a good word", 0.5), [(7, 11)])
    assert right.found() == [] and right.missed() == ["word"] and right.false_marks() == ["good"]


def test_planted_errors_have_their_places():
    texts = [Planted(["a", "*", "teh", "end"], [False, False, True, False]), Planted(["wrod"], [True])]
    text, mistakes = planted_text(texts)
    assert text == "a * teh end\nwrod" and [text[start:end] for start, end in mistakes] == ["teh", "wrod"]


def test_the_pages_examples_show_what_their_notes_say(box):
    examples = json.loads((files("electra.server") / "page" / "examples.json").read_text(encoding="utf-8"))["box"]
    for example in examples:
        marked = [word.text for word in box.detect(example["text"], suggestions=0) if word.is_marked(box.threshold)]
        assert marked == example["marked"], example["title"]
