"""Documents: the prose of Markdown, and marks as editors, workflows and people read them."""

import io
import json
import re
import shutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import electra
from electra.cli import main
from electra.config import DetectConfig
from electra.core import log
from electra.inference import fixing
from electra.inference.box import model_and_texts
from electra.inference.diagnostics import FORMATS, as_diff, written
from electra.inference.documents import detect_document
from electra.inference.marked_text import MarkedText
from electra.inference.words import Word
from electra.text.markdown import passages_of

DOCUMENT = """---
title: a titel
---
# A *bad* word

Use `pip instal` to run
it &amp; see [the docs](http://a.b/c) or <b>bold</b>.

> quoted text
> goes on

| one | two a\\|b |
|---|---|
| a cell | another |

```py
code here
```

    code too

- an item
  goes on
"""


def test_the_prose_of_a_document():
    found = [" ".join(passage.text.split()) for passage in passages_of(DOCUMENT)]
    assert found == ["A bad word", "Use pip instal to run it & see the docs or bold .", "quoted text goes on", "one",
                     "two a|b", "a cell", "another", "an item goes on"]  # fmt: skip
    code = [passage.text[start:end] for passage in passages_of(DOCUMENT) for start, end in passage.code]
    assert code == ["pip instal"]


def require_places(document):
    before = -1
    for passage in passages_of(document):
        assert len(passage.text) == len(passage.at) and list(passage.at) == sorted(set(passage.at))
        for character, place in zip(passage.text, passage.at, strict=True):
            assert character in (" ", document[place]) or document[place] in "&\\\0", (passage.text, document)
        if passage.at:
            assert passage.at[0] > before
            before = passage.at[-1]


def test_every_character_is_found_at_its_place():
    require_places(DOCUMENT)


PARTS = ["\0", *"ab \n#*_`>-|[]()&;1.\t~<é😀\\", "\r\n", "&amp;", "```\n", "| a | b |\n|-|-|\n", "word "]


def test_a_cell_is_not_found_in_a_later_row():
    """A cell with an escaped bar is that of another row without the escape: the next cell was sought behind it."""
    document = "x\\| a | b |\n|-|-|\nx| a | b |\n"
    require_places(document)
    assert [passage.at[0] for passage in passages_of(document)] == [0, 8, 18, 21]


def test_a_tab_that_a_list_took_in_part():
    require_places("- one\n\ttwo")
    require_places("- \0\r\n\t\0")


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=60).map("".join))
def test_of_any_document(document):
    require_places(document)


@pytest.fixture(scope="module")
def box():
    return electra.load()


def test_words_of_a_document_stand_where_they_were_found(box):
    document = DOCUMENT.replace("quoted text", "a seperate text").replace("an item", "an itme")
    words = detect_document(box, "notes.md", document, box.threshold, 1)
    assert all(document[word.start : word.end] == word.text for word in words)
    assert {"seperate", "itme"} <= {word.text for word in words if word.is_marked(box.threshold)}
    assert all(word.exempt for word in words if word.text == "instal")
    plain = detect_document(box, "notes.txt", "`an itme`", box.threshold, 1)
    assert "itme" in [word.text for word in plain if word.is_marked(box.threshold)]


# -- formats -----------------------------------------------------------------------------------------------------------


def marked(text, *others):
    """A text in which the words in brackets are marked, each with its suggestions."""
    words, shown, others = [], "", list(others)
    for n, part in enumerate(text.replace("]", "[").split("[")):
        if n % 2:
            words.append(Word(part, len(shown), len(shown) + len(part), 0.9, tuple(others.pop(0))))
        shown += part
    return MarkedText("a,b.txt", shown, words, 0.5)


def shown(format, text):
    """What is written of a text."""
    return "".join(written(FORMATS[format], [text]))


def test_plain_names_line_and_column():
    text = marked("one [tow]\ntwo\n\n😀 [teh] three", ["two"], ["the", ""])
    assert shown("plain", text).splitlines() == [
        "a,b.txt:1:5: 'tow' looks wrong: two", "a,b.txt:4:3: 'teh' looks wrong: the, (remove)",
    ]  # fmt: skip
    assert shown("plain", marked("nothing")) == ""


def test_github_escapes_what_ends_a_command():
    assert shown("github", marked("50 % [of%]", ["of"])) == (
        "::warning file=a%2Cb.txt,line=1,col=6,endColumn=9,title=electra::'of%25' looks wrong: of\n"
    )


def test_lsp_counts_in_utf16():
    found = json.loads(shown("lsp", marked("a\n😀é [teh]", ["the"])))
    assert found["uri"].startswith("file:///") and found["uri"].endswith("/a%2Cb.txt")
    (diagnostic,) = found["diagnostics"]
    assert diagnostic["range"] == {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 7}}
    assert diagnostic["data"]["suggestions"] == ["the"] and diagnostic["severity"] == 2


@pytest.mark.skipif(not shutil.which("patch"), reason="needs patch")
@pytest.mark.parametrize("name", ["a.txt", "a b.txt"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r", "\x0c", "\x1c", "\x85", "\u2028"])
def test_patch_applies_the_diff(tmp_path, monkeypatch, end, name):
    monkeypatch.chdir(tmp_path)
    given = f"\ufeffone{end}\ntow two{end}three{end}"
    (tmp_path / name).write_bytes(given.encode())
    text = MarkedText(str(tmp_path / name), given.replace("tow", "two"), [], 0.5, given=given)
    command = ["patch", "-p0", "--binary", "--fuzz=0"]
    subprocess.run(command, input=as_diff(text).encode(), check=True, capture_output=True)
    assert (tmp_path / name).read_bytes() == text.text.encode()


def test_exit_code_1_says_that_a_word_is_marked(tmp_path, capsys):
    (tmp_path / "good.md").write_text("A note on the letters.\n")
    (tmp_path / "bad.md").write_text("It was a seperate house.\n")
    main(["detect", "--fail", "--format", "plain", str(tmp_path / "good.md")])
    assert capsys.readouterr().out == ""
    with pytest.raises(SystemExit) as end:
        main(["detect", "--fail", "--format", "plain", str(tmp_path / "good.md"), str(tmp_path / "bad.md")])
    assert end.value.code == 1 and "bad.md:1:10: 'seperate' looks wrong: separate" in capsys.readouterr().out


def test_fix_reads_standard_input(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"It was a seperate house.\n")))
    main(["detect", "--fix"])
    shown = capsys.readouterr()
    assert "+It was a separate house." in shown.out and "left for you" not in shown.err


def test_fix_keeps_the_byte_order_mark(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("Teh house.\n", encoding="utf-8-sig")
    main(["detect", "--fix", str(tmp_path / "a.txt")])
    assert "-\ufeffTeh house.\n+\ufeffThe house.\n" in capsys.readouterr().out


def test_fix_lists_what_it_leaves(capsys, monkeypatch):
    monkeypatch.setattr(fixing, "SURE", 1.1)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"A house.\nIt was a seperate house.\n")))
    main(["detect", "--fix"])
    shown = capsys.readouterr()
    assert not shown.out and re.search(r"left for you, in the fixed text:\n-:2:10: 'seperate' looks wrong", shown.err)


def test_json_of_the_marked_words_alone(tmp_path, capsys):
    for name, text in (("bad.txt", "It was a seperate house.\n"), ("good.txt", "It was a house.\n")):
        (tmp_path / name).write_text(text)
    main(["detect", "--format", "marked-json", str(tmp_path / "bad.txt"), str(tmp_path / "good.txt")])
    bad, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert [word["text"] for word in bad["words"]] == ["seperate"] and good["words"] == []
    assert bad["words"][0]["suggestions"][0] == "separate" and 0.8 < bad["words"][0]["certainty"] <= 1


def test_long_inputs_show_progress_most_of_it_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(log, "SILENT", -1.0)
    monkeypatch.setattr(log, "EVERY", -1.0)
    (tmp_path / "a.txt").write_text("It was a seperate house.\n")
    call = ["detect", "--format", "plain", *[str(tmp_path / "a.txt")] * 2]
    main(call)
    assert capsys.readouterr().err == "files 1 of 2  left 0s\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    main(call)
    shown = capsys.readouterr()
    assert "files 1 of 2" in shown.err and "reading 1 of" in shown.err and len(shown.out.splitlines()) == 2


def test_fix_is_a_format_of_its_own():
    with pytest.raises(ValueError, match="leave --format out"):
        DetectConfig(fix=True, format="json")
    with pytest.raises(ValueError, match="needs suggestions"):
        DetectConfig(fix=True, suggestions=0)


def test_the_hook_calls_a_command_that_exists(request):
    hooks = (request.config.rootpath / ".pre-commit-hooks.yaml").read_text()
    (entry,) = re.findall(r"entry: (.+)", hooks)
    program, *words = entry.split()
    assert program == "electra"
    done = subprocess.run([sys.executable, "-m", "electra", *words, "-"], input="a seperate house", text=True,
                          capture_output=True)  # fmt: skip
    assert done.returncode == 1 and done.stdout.startswith("-:1:3: 'seperate' looks wrong")


def test_a_model_behind_its_texts_is_told(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("A text.")
    with pytest.raises(ValueError, match="is a folder: name the model first"):
        model_and_texts([str(text), str(tmp_path)])
