"""Files that are no plain text: documents are read, what cannot be read is named, and nothing becomes noise."""

import gzip
import importlib.util
import io
import json
import logging
import zipfile

import docx
import pytest
from matplotlib.figure import Figure
from test_finetune import config, folder, rows  # noqa: F401

from electra.cli import main
from electra.config import PrepareConfig
from electra.data.corpus import Corpus
from electra.finetuning.run import finetune
from electra.text.documents import PAGE as PAGE_FORMAT
from electra.text.documents import Unreadable, html_text, recognise, word_text
from electra.text.lines import read_text

PAGE = """<!DOCTYPE html><html><head><title>no</title><script>var no;</script><style>p {}</style></head>
<body><h1>The dog</h1><p>The <b>qu</b>ick fox&nbsp;jumps over the caf&eacute;.</p><p>It eats.</p></body></html>"""


def pdf(*words):
    """A PDF with a line of text, or with none."""
    figure = Figure(figsize=(4, 1))
    for text in words:
        figure.text(0.1, 0.5, text)
    file = io.BytesIO()
    figure.savefig(file, format="pdf")
    return file.getvalue()


PDF, BLANK = pdf("The quick fox jumps over it."), pdf()


def word_file():
    """A Word file with a heading, a paragraph and a table that has a merged cell."""
    document = docx.Document()
    document.add_heading("The river")
    document.add_paragraph("A lazy dog eats a meal.")
    table = document.add_table(2, 2)
    table.cell(0, 0).text = "left"
    table.cell(0, 1).merge(table.cell(1, 1)).text = "merged"
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def archive(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return file.getvalue()


TEXTS = {
    "page.html": (PAGE.encode(), ["The dog", "The quick fox jumps over the café.", "It eats."]),
    "note.docx": (word_file(), ["The river", "A lazy dog eats a meal.", "left", "merged"]),
    "scan.pdf": (PDF, ["The quick fox jumps over it."]),
}


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("disguise", [False, True])
@pytest.mark.parametrize("name", TEXTS)
def test_documents_are_known_by_their_content(tmp_path, name, disguise):
    content, expected = TEXTS[name]
    path = tmp_path / ("any.txt" if disguise else name)
    path.write_bytes(content)
    assert [line.replace("\xa0", " ") for line in lines(read_text(str(path)))] == expected
    (document,) = Corpus(PrepareConfig((str(path),)))
    assert [line.replace("\xa0", " ") for line in document] == expected  # a file is one document
    packed = tmp_path / (path.name + ".gz")
    packed.write_bytes(gzip.compress(content))
    assert read_text(str(packed)) == read_text(str(path))


def test_a_page_in_another_encoding_says_so_itself(tmp_path):
    (tmp_path / "a.html").write_bytes("<html><meta charset='latin-1'><p>café</p></html>".encode("latin-1"))
    assert lines(read_text(str(tmp_path / "a.html"))) == ["café"]
    (tmp_path / "b.html").write_text("<p>café</p>", encoding="utf-8")  # a part of a page: known by its name
    assert lines(read_text(str(tmp_path / "b.html"))) == ["café"]


def test_a_folder_is_read_and_what_is_skipped_is_listed_with_its_reason(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "electra")
    for name, (content, _) in TEXTS.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "a.txt").write_text("plain")
    (tmp_path / "table.jsonl").write_text(json.dumps({"text": "a row"}) + "\n")
    (tmp_path / "more.zip").write_bytes(archive(a="text"))
    (tmp_path / "sums.xlsx").write_bytes(archive(**{"xl/workbook.xml": "<x/>"}))
    (tmp_path / "noise.txt").write_bytes(b"\x89PNG\r\n\x1a\nxxxx")
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "blank.pdf").write_bytes(BLANK)
    found = list(Corpus(PrepareConfig((str(tmp_path),), out=str(tmp_path / "out"))))
    assert len(found) == 5 and ["plain"] in found and ["a row"] in found
    told = caplog.text
    for part in ("4 files are skipped", "more.zip (an archive; unpack it)",
                 "sums.xlsx (a spreadsheet; save it as .csv)", "noise.txt (an image)",
                 "notes.md (ending in .md)"):  # fmt: skip
        assert part in told, (part, told)
    assert told.count("blank.pdf is a PDF without text; if it is scanned") == 1


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [("a.zip", archive(a="b"), "an archive; unpack it"), ("a.pdf", BLANK, "without text; if it is scanned"),
     ("a.doc", b"\xd0\xcf\x11\xe0" * 99, "save it as .docx"), ("a.docx", word_file()[:900], "a damaged zip file"),
     ("a.pdf", PDF[:60], "a damaged PDF"), ("a.epub", archive(**{"META-INF/container.xml": ""}), "an e-book")],
)  # fmt: skip
def test_a_file_that_is_named_and_holds_no_text_is_refused(tmp_path, name, content, why, capsys):
    (tmp_path / name).write_bytes(content)
    for words in (["prepare", str(tmp_path / name), "--out", str(tmp_path / "out")],
                  ["detect", str(tmp_path / name)]):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(words)
        told = capsys.readouterr().err
        assert ended.value.code == 2 and why in told and name in told and "errors replace" not in told
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_missing_library_is_named_before_anything_is_read(tmp_path, monkeypatch):
    (tmp_path / "note.docx").write_bytes(word_file())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"a Word file needs python-docx: pip install 'electra\[documents\]'"):
        Corpus(PrepareConfig((str(tmp_path),)))


def test_detect_and_predict_read_documents(folder, tmp_path, capsys):  # noqa: F811
    (tmp_path / "note.docx").write_bytes(word_file())
    main(["detect", str(tmp_path / "note.docx"), "--threshold", "1"])
    assert lines(capsys.readouterr().out) == TEXTS["note.docx"][1]
    with pytest.raises(SystemExit):
        main(["detect", str(tmp_path / "note.docx"), "--fix"])
    assert "no plain text, which --fix needs" in capsys.readouterr().err
    finetune(config(folder, tmp_path / "out", epochs=0.5))
    main(["predict", str(tmp_path / "out"), "--input", str(tmp_path / "note.docx")])
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_many_comments_before_a_page_take_no_time():
    comments = b"<!-- c -->\n" * 90
    assert recognise(comments + b"<html>", io.BytesIO(), "") is PAGE_FORMAT
    assert recognise(comments + b"text", io.BytesIO(), "") is None


def test_a_page_nested_deeper_than_its_parser_likes_is_whole():
    nest = 300 * "<div>" + "within" + 300 * "</div>"
    assert html_text(f"<p>before</p>{nest}<p>after</p>".encode()).split() == ["before", "within", "after"]


def changed(old, new):
    """A Word file with a paragraph changed in its XML."""
    document, file, out = docx.Document(), io.BytesIO(), io.BytesIO()
    document.add_paragraph("hello world")
    document.save(file)
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(old, new) if name == "word/document.xml" else content)
    return out.getvalue()


def test_tracked_insertions_and_content_controls_are_text():
    run = b"<w:r><w:t>%s</w:t></w:r>"
    inserted = b"<w:ins>" + run % b" inserted" + b"</w:ins>"
    control = b"<w:sdt><w:sdtContent>" + run % b" control" + b"</w:sdtContent></w:sdt>"
    deleted = b"<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:moveFrom>" + run % b"moved" + b"</w:moveFrom>"
    assert word_text(changed(b"</w:p>", inserted + control + deleted + b"</w:p>")) == "hello world inserted control"


def test_headers_footers_and_footnotes_are_text():
    document, file, out = docx.Document(), io.BytesIO(), io.BytesIO()
    document.add_paragraph("the body")
    for part, text in (("header", "the header"), ("footer", "the footer")):
        getattr(document.sections[0], part).paragraphs[0].text = text
    second = document.add_section()
    second.header.is_linked_to_previous = False
    second.header.paragraphs[0].text = "the header"
    document.save(file)
    office = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    word = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    notes = (
        b'<w:footnotes xmlns:w="%s"><w:footnote><w:p/></w:footnote><w:footnote><w:p><w:r>%s</w:r></w:p></w:footnote>'
    )
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "word/_rels/document.xml.rels":
                note = b'<Relationship Id="n" Type="%s/footnotes" Target="footnotes.xml"/></Relationships>' % office
                content = content.replace(b"</Relationships>", note)
            target.writestr(name, content)
        target.writestr("word/footnotes.xml", notes % (word, b"<w:t>a note</w:t>") + b"</w:footnotes>")
    assert word_text(out.getvalue()) == "the header\n\nthe body\n\na note\n\nthe footer"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"hello world", b"a" * 50_000_000, "51 MB when unpacked"),
        (b"<w:document", b"<!DOCTYPE a []><w:document", "document type"),
    ],
    ids=["bomb", "entities"],
)
def test_a_word_file_that_would_harm_is_refused(old, new, said):
    with pytest.raises(Unreadable, match=said):
        word_text(changed(old, new))
