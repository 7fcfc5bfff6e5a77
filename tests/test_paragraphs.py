"""Texts of any length and shape: cut into paragraphs and blocks, judged apart, written as they are read."""

import io
import json
import sys
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

import electra
from electra.cli import main
from electra.inference import detector
from electra.inference.diagnostics import FORMATS, written
from electra.inference.documents import detect_document, detect_parts, fix_document
from electra.inference.marked_text import MarkedText, Position
from electra.text.dictionary import Dictionary
from electra.text.foreign import LARGE, is_foreign
from electra.text.paragraphs import BLOCK, LONGEST, blocks, paragraphs

ENGLISH = "It was a seperate house near the river, and we saw it when we came back from the market.\n\n"
FRENCH = "Nous sommes partis de bonne heure, car la route était longue et le temps menaçait de changer.\n\n"
OTHERS = ("今天天气很好，我们一起去公园散步。", "نحن نذهب إلى السوق كل يوم لشراء الخبز والفاكهة")
GERMAN = "Die Regierung hat gestern neue Maßnahmen angekündigt, um die Wälder besser zu schützen.\n\n"


@pytest.fixture(scope="module")
def box():
    return electra.load()


def marked(words):
    return [word.text for word in words if word.is_marked(0.5)]


# -- cutting -----------------------------------------------------------------------------------------------------------


@given(st.text("ab. \n\r\t\f中。", max_size=60).map(lambda text: text * 400), st.integers(1, 5000))
def test_all_parts_of_a_text_are_the_text(text, size):
    spans = list(paragraphs(text))
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(0 < end - start <= LONGEST for start, end in spans)
    found = list(blocks(text[n : n + size] for n in range(0, len(text), size)))
    assert "".join(found) == text and all(0 < len(block) <= BLOCK for block in found)
    assert found == list(blocks([text])), "how a text comes does not matter"


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r", "\n \t\n", "\n\n\n", "\f", "\u2029"])
def test_a_blank_line_or_a_page_ends_a_paragraph(end):
    text = f"one two{end}three"
    assert [text[a:b] for a, b in paragraphs(text)] == [f"one two{end}", "three"]


@pytest.mark.parametrize("text", ["one\ntwo", "one\r\ntwo", "one\rtwo", "one\ttwo", "one\u00a0two"])
def test_a_line_end_does_not(text):
    assert list(paragraphs(text)) == [(0, len(text))]


@pytest.mark.parametrize(
    "unit, whole",
    [("A sentence of words. ", "A sentence of words."), ("a line of a log\n", "a line of a log"), ("word ", "word")],
)
def test_a_long_paragraph_is_cut_where_a_reader_would_pause(unit, whole):
    text = unit * (3 * LONGEST // len(unit))
    for start, end in paragraphs(text):
        assert text[start:end].startswith(whole) and text[:end].rstrip().endswith(whole)


def test_a_run_without_a_blank_is_cut_too():
    assert [b - a for a, b in paragraphs("x" * (LONGEST + 5))] == [LONGEST, 5]


# -- judging -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\f"])
def test_a_paragraph_is_judged_by_itself(box, end):
    """`The` at the end of one and `the` at the start of the next were a doubled word."""
    parts = ["We wait for the", "the dog lay on teh rug."]
    together = box.detect(end.join(parts))
    alone = [word for part in parts for word in box.detect(part)]
    assert [word.text for word in together] == [word.text for word in alone]
    assert [word.replaced for word in together] == pytest.approx([word.replaced for word in alone], abs=0.02)  # int8
    assert [word.suggestions[:1] for word in together] == [word.suggestions[:1] for word in alone]
    assert all(word.text == end.join(parts)[word.start : word.end] for word in together)


def test_half_a_surrogate_pair_is_named_by_its_place_in_the_text(box):
    with pytest.raises(ValueError, match="at character 9"):
        box.detect("one\n\ntwo \ud83d")


def test_a_text_in_another_language_is_not_marked(box):
    for text in (
        FRENCH,
        GERMAN,
        "今天天气很好，我们一起去公园散步。",
        "نحن نذهب إلى السوق كل يوم لشراء الخبز والفاكهة",
    ):
        words = box.detect(text)
        assert not marked(words) and all(word.exempt for word in words)
    words = box.detect(FRENCH + ENGLISH)
    assert marked(words) == ["seperate"]


def test_a_short_paragraph_is_in_the_language_of_its_text(box):
    heading = "Mesures annoncées\n\n"
    assert not marked(box.detect(heading + FRENCH)) and marked(box.detect(heading + ENGLISH))[-1] == "seperate"


def test_english_with_mistakes_names_or_capitals_is_english(box):
    dictionary = box.candidates.dictionary
    for text in (
        "I am writting to complane about teh hotel becuase there was no watter in the batroom and",
        "I wnet too teh sotre and bougt sum bred for teh familly becuase we wer hungrey",
        "helo mi naem iz jon an i liv in lundun wiv my freind",
        "PLEASE DO NOT LEAVE THE DOOR OPEN WHEN YOU GO OUT OF THE HOUSE IN THE EVENING",
        "Priya met Jarosław and Nkechi at the Grzybowska market in Warszawa with a friend of the family",
    ):
        assert is_foreign(text.split(), dictionary) is False
    assert is_foreign(["une", "maison", "est", "là"], dictionary) is None, "too short to tell"
    few = Dictionary({f"word{n}": 1 for n in range(LARGE - 1)})
    assert is_foreign(FRENCH.split(), few) is None, "too few words to know the language"


def test_text_in_capitals_is_judged(box):
    text = "DEAR SIR, I AM WRITTING TO COMPLAIN ABOUT TEH HOTEL, AND THE STAFF WAS NOT VERY FREINDLY."
    assert {"WRITTING", "TEH", "FREINDLY"} <= set(marked(box.detect(text)))


def test_the_command_says_that_a_text_is_not_english(tmp_path, capsys):
    (tmp_path / "fr.txt").write_text(FRENCH + ENGLISH)
    main(["detect", str(tmp_path / "fr.txt"), "--format", "plain"])
    shown = capsys.readouterr()
    assert shown.out.count("looks wrong") == 1
    assert "words stand in paragraphs that are not in English, and are not judged" in " ".join(shown.err.split())


# -- documents ---------------------------------------------------------------------------------------------------------


def test_a_document_is_written_while_it_is_read(box):
    read = count()
    endless = (f"{ENGLISH}{n}\n\n" for n in read)
    first = next(detect_parts(box, "log.txt", endless, box.threshold, 0))
    assert "seperate" in marked(first[1]) and next(read) < 2 * BLOCK / len(ENGLISH)


def test_a_word_between_the_same_neighbours_is_looked_up_once(box, monkeypatch):
    asked = []
    suggest = detector.suggest
    monkeypatch.setattr(detector, "suggest", lambda model, places: asked.append(len(places)) or suggest(model, places))
    text = "".join(f"{n}: the conection was closed by the server.\n\n" for n in range(300))
    words = detect_document(box, "a.log", text, box.threshold, 2)
    found = [word for word in words if word.text == "conection" and word.is_marked(box.threshold)]
    assert len(found) > 250 and {word.suggestions[0] for word in found} == {"connection"}
    assert sum(asked) < 10


@pytest.mark.parametrize("format", ["plain", "github", "lsp", "json", "marked-json"])
def test_parts_are_written_as_the_whole_would_be(box, format):
    text = "😀 It was a seperate day. And a line\r\nwith teh end, and more. " * 20
    words = [word for word in box.detect(text, suggestions=1) if not word.exempt]
    whole = MarkedText("a.txt", text, words, 0.5)
    parts, at = [], Position()
    for start in range(0, len(text), 97):  # within lines, too, but never within a word
        piece = text[start : start + 97]
        inside = [word.moved(-start) for word in words if start <= word.start < start + len(piece)]
        parts.append(MarkedText("a.txt", piece, inside, 0.5, at=at))
        at = at.after(piece)
    assert "".join(written(FORMATS[format], parts)) == "".join(written(FORMATS[format], [whole]))
    if "json" in format:
        found = json.loads("".join(written(FORMATS[format], parts)))["words"]
        assert found and all(text[word["start"] : word["end"]] == word["text"] for word in found)


def test_each_paragraph_is_fixed_by_itself(box):
    text = f"{ENGLISH}The water in the lake is very cold.\r\n\r\n{FRENCH}She was in teh house."
    fixed, words = fix_document(box, "a.txt", text, box.threshold, 3)
    assert fixed == text.replace("seperate", "separate").replace("teh", "the")
    assert all(fixed[word.start : word.end] == word.text for word in words)


def test_progress_is_told_and_bytes_that_are_not_utf8_are_found_first(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("electra.core.log.SILENT", 0.0)
    monkeypatch.setattr("electra.core.log.EVERY", 0.0)
    file = tmp_path / "big.txt"
    file.write_text("A note on the letters of the painter.\n\n" * 900)
    main(["detect", str(file), "--format", "plain"])
    shown = capsys.readouterr()
    assert "characters of" in " ".join(shown.err.split()) and "35,100" in shown.err
    file.write_bytes(b"\xef\xbb\xbf" + b"a seperate house\n\n" * 9000 + b"caf\xe9")
    with pytest.raises(SystemExit) as end:
        main(["detect", str(file)])
    shown = capsys.readouterr()
    assert end.value.code == 2 and not shown.out and f"byte {3 + 18 * 9000 + 3}" in shown.err


def test_a_byte_order_mark_counts_nowhere(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\ufeffteh house".encode())))
    main(["detect", "--format", "marked-json"])
    assert json.loads(capsys.readouterr().out)["words"][0]["start"] == 0


def test_islands_of_prose_in_markdown_are_parts_of_it(box):
    text = "\n\n".join(f"# A heading {n}\n\nA seperate line, the {n}th.\n\n```\nteh\n```" for n in range(900))
    parts = list(islice(detect_parts(box, "a.md", [text], box.threshold, 0), 99))
    assert len(parts) > 1 and "".join(part for part, _ in parts) == text
    assert all(part[word.start : word.end] == word.text for part, words in parts for word in words)
    assert "teh" not in [word for _, words in parts for word in marked(words)]
