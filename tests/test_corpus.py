"""Sources of text: every format and compression, every fault with its file and place."""

import bz2
import gzip
import json
import lzma
import time
import tracemalloc

import pytest

from electra.config import PrepareConfig
from electra.data import documents as documents_module
from electra.data.corpus import Corpus
from electra.tasks import TASKS
from electra.text.records import read_file

TEXT = "One line.\nAnother line.\n\n\nSecond document.\n"
DOCUMENTS = [["One line.", "Another line."], ["Second document."]]


def read(*sources, **options):
    return list(Corpus(PrepareConfig(sources=tuple(map(str, sources)), **options)))


def fails(message, *sources, **options):
    with pytest.raises(ValueError, match=message):
        read(*sources, **options)


@pytest.mark.parametrize(
    ("boundary", "expected"),
    [
        ("blank-line", DOCUMENTS),
        ("line", [["One line."], ["Another line."], ["Second document."]]),
        ("file", [["One line.", "Another line.", "Second document."]]),
    ],
)
def test_what_ends_a_document(boundary, expected, tmp_path):
    path = tmp_path / "a.txt"
    for text in (TEXT, TEXT.rstrip("\n"), TEXT.replace("\n", "\r\n"), TEXT.replace("\n\n", "\n \t\n")):
        path.write_bytes(text.encode())
        assert read(path, document=boundary) == expected


def zstd(data):
    return pytest.importorskip("backports.zstd").compress(data)


COMPRESS = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files(suffix, tmp_path):
    path = tmp_path / f"a.txt{suffix}"
    packed = COMPRESS[suffix](TEXT.encode())
    path.write_bytes(packed)
    assert read(path) == DOCUMENTS
    path.write_bytes(packed + packed)  # streams one after the other, as `cat` leaves them
    assert sum(map(len, read(path))) == 6


@pytest.mark.parametrize("suffix", COMPRESS)
def test_damaged_compressed_files_are_named(suffix, tmp_path):
    path = tmp_path / f"a.txt{suffix}"
    packed = COMPRESS[suffix](b"".join(b"%d lines\n" % i for i in range(30_000)))
    path.write_bytes(packed[: len(packed) // 2])
    fails(r"a\.txt.* is damaged", path)
    path.write_bytes(b"this was never compressed")
    fails(r"a\.txt.* is damaged", path)


def write_records(path, column="text"):
    if path.name.startswith("a.jsonl"):
        path.write_text("".join(json.dumps({column: "\n".join(d), "n": 1}) + "\n\n" for d in DOCUMENTS))
    elif path.name.startswith("a.parquet"):
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table({column: ["\n".join(d) for d in DOCUMENTS] + [None], "n": [1, 2, 3]}), path)
    else:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        rows = [cell(path, "\n".join(d)) + delimiter + "1\n" for d in DOCUMENTS]
        path.write_text(f"{column}{delimiter}n\n" + "".join(rows))


def cell(path, text):
    """A text in a table: quoted in .csv; in .tsv there are no quotes, so no line breaks either."""
    return text.replace("\n", " ") if path.suffix == ".tsv" else f'"{text}"'


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet"])
def test_records(name, tmp_path):
    path = tmp_path / name
    expected = [[" ".join(d)] for d in DOCUMENTS] if name == "a.tsv" else DOCUMENTS
    write_records(path)
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read(path) == read(packed) == expected
    write_records(path, "texts")
    fails("has no column 'text', only 'texts', 'n'; did you mean 'texts'", path)
    assert read(path, text_column="texts") == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", 'text\tlabel\nsay "so", or not\tb\n"open\ta\n'),
        ("a.csv", 'text,label\n"say ""so"", or not",b\n"""open",a\n'),
    ],
)
def test_a_table_means_the_same_to_prepare_and_to_a_task(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    texts = ['say "so", or not', '"open']
    assert read(tmp_path / name) == [[text] for text in texts]
    assert [e.texts for e in TASKS["classification"]().read(str(tmp_path / name))] == [(text,) for text in texts]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "text\tlabel\na\tb\nc\n", r"a\.tsv, row 3 has 1 columns, the header 2; fix the separators"),
        ("a.csv", "text,label\na,b,c\n", r"a\.csv, row 2 has 3 columns, the header 2; fix the separators"),
        ("a.csv", 'text,label\na,b\n"c,d\ne,b\n', r"a\.csv, row 4: .* a quotation mark is not closed"),
    ],
)
def test_a_torn_table_is_refused_by_prepare_and_by_a_task(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    fails(message, tmp_path / name)
    with pytest.raises(ValueError, match=message):
        TASKS["classification"]().read(str(tmp_path / name))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_parquet_that_was_compressed_again_is_read_too(suffix, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table({"text": ["a text"]}), tmp_path / "a.parquet")
    (tmp_path / f"b.parquet{suffix}").write_bytes(COMPRESS[suffix]((tmp_path / "a.parquet").read_bytes()))
    assert read(tmp_path / f"b.parquet{suffix}") == [["a text"]]


@pytest.mark.parametrize("header", ["texts,n\n", ""])
def test_a_table_without_the_column_is_refused_also_where_no_row_follows(header, tmp_path):
    (tmp_path / "a.csv").write_text(header)
    fails(r"a\.csv (has no column 'text'|is empty)", tmp_path / "a.csv")


def test_hugging_face_folder(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": ["\n".join(d) for d in DOCUMENTS]}).save_to_disk(tmp_path / "set")
    assert read(f"hf:{tmp_path / 'set'}") == DOCUMENTS
    fails("no column 'words', only 'text'", f"hf:{tmp_path / 'set'}", text_column="words")


def test_folders_and_globs(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b.txt").write_text("second")
    (tmp_path / "deep" / "a.txt.gz").write_bytes(gzip.compress(b"first"))
    (tmp_path / "deep" / "image.png").write_bytes(b"\0\1")
    (tmp_path / "deep" / ".hidden.txt").write_text("hidden")
    assert read(tmp_path / "deep") == [["first"], ["second"]]
    assert read(tmp_path / "**" / "*.txt") == [["second"]]
    fails("no file matches", tmp_path / "*.jsonl")
    (tmp_path / "empty").mkdir()
    fails("holds no file that can be read", tmp_path / "empty")


def test_what_is_written_is_not_read(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "vocab.txt").write_text("[PAD]")
    assert list(Corpus(PrepareConfig((str(tmp_path),), out=str(tmp_path / "prepared")))) == [["text"]]


def test_a_codec_of_bytes_is_no_encoding(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for encoding in ("hex", "rot13", "nothing"):
        fails("unknown encoding", tmp_path / "a.txt", encoding=encoding)


def test_a_wrong_name_is_answered_with_the_nearest(tmp_path):
    (tmp_path / "corpus.txt").write_text("text")
    fails(r"no such file or folder; did you mean .*corpus\.txt'\?", tmp_path / "corpsu.txt")
    fails("no such file or folder; check the name$", tmp_path / "away" / "corpus.txt")


def test_bytes_of_another_encoding_are_located(tmp_path):
    path = tmp_path / "a.txt"
    good = "é".encode() * 50_000
    path.write_bytes(good + b"caf\xe9 and more\n")
    fails(rf"a\.txt: byte {len(good) + 3} is not utf-8 .*--encoding.*--errors replace", path)
    assert read(path, errors="replace")[0][-1].endswith("caf\ufffd and more")
    path.write_bytes("café".encode("latin-1"))
    assert read(path, encoding="latin-1") == [["café"]]
    path.write_bytes("café\n".encode()[:4])  # cut inside a character
    fails("byte 3 is not utf-8", path)
    path.write_bytes(b"\xef\xbb\xbfcaf\xe9")  # after a byte order mark
    fails("byte 6 is not utf-8", path)
    fails("unknown encoding 'utf-9'", path, encoding="utf-9")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.conll", "a.jsonl.gz"])
def test_in_records_such_bytes_are_counted_from_the_start_of_the_file(name, tmp_path):
    row = b'{"text": "the dog"}\n' if "jsonl" in name else b"the dog\n"
    content = row * 20_000 + b"caf\xe9 dog\n"  # many blocks of the decoder
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(ValueError, match=rf"{name} is not UTF-8 at byte {20_000 * len(row) + 3}; save it as UTF-8"):
        list(read_file(tmp_path / name))


def test_wide_encodings_and_byte_order_marks(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-16")
    assert read(path, encoding="utf-16") == DOCUMENTS
    path.write_text(TEXT, encoding="utf-8-sig")
    assert read(path) == DOCUMENTS


def test_binary_files_are_recognised(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 100_000 + b"\0PNG")
    fails(r"a\.txt looks binary: a zero byte at byte 100000", path)
    assert read(path, errors="replace")[0][-1].endswith("x\ufffdPNG")


@pytest.mark.parametrize("escape", ["\\ud800", "\\u0000"])
def test_what_no_text_holds_is_located_in_json(escape, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine \\ud83d\\ude00"}\n{"text": "bad ESCAPE"}\n'.replace("ESCAPE", escape))
    fails(r"a\.jsonl, row 2: U\+.* is not text", path)
    assert read(path, errors="replace") == [["fine \N{GRINNING FACE}"], ["bad \ufffd"]]


@pytest.mark.parametrize(
    ("line", "message"),
    [("{", "row 2 is not JSON"), ("[]", "row 2 is not an object"), ('{"text": 3}', "row 2: the text is a int")],
)
def test_records_that_are_none(line, message, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n' + line + "\n")
    fails(message, path)


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 not really")
    fails(r"a\.parquet is damaged or not a Parquet", path)


def test_a_long_line_comes_in_pieces_cut_at_white_space(tmp_path, monkeypatch):
    monkeypatch.setattr(documents_module, "LONGEST_LINE", 64)
    words = [f"{'w' * (i % 50)}{i}" for i in range(2000)]
    path = tmp_path / "a.txt"
    for separator in (" ", "  ", "\t", "\u3000"):
        path.write_text(separator.join(words) + "\nnext line\n\nnext document")
        documents = read(path)
        assert " ".join(documents[0]).split() == [*words, "next", "line"]
        assert documents[1:] == [["next document"]]
        assert max(map(len, documents[0])) <= 128
    path.write_text("x" * 64 + "\nsame document\n")  # the line's end, read alone, is no blank line
    assert read(path) == [["x" * 64, "same document"]]
    path.write_text("y" * 1000)
    assert "".join(read(path)[0]) == "y" * 1000


def test_a_huge_document_goes_on_as_another(tmp_path, monkeypatch):
    monkeypatch.setattr(documents_module, "LARGEST_DOCUMENT", 100)
    path = tmp_path / "a.txt"
    path.write_text("a line of words\n" * 100)
    documents = read(path)
    assert len(documents) > 10 and sum(map(len, documents)) == 100


def test_millions_of_empty_lines_and_a_giant_line_take_seconds_and_no_memory(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\n" * 2_000_000 + b"word " * 4_000_000)
    corpus = Corpus(PrepareConfig(sources=(str(path),)))
    start = time.monotonic()
    assert sum(line.count("word") for document in corpus for line in document) == 4_000_000
    assert time.monotonic() - start < 10
    tracemalloc.start()
    for _ in documents_module.group(documents_module.line_pieces(path.open()), "blank-line"):
        break
    assert tracemalloc.get_traced_memory()[1] < 64e6
    tracemalloc.stop()


def test_bytes_read_reach_the_total(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(TEXT * 1000)
    corpus = Corpus(PrepareConfig(sources=(str(tmp_path),)))
    seen = [corpus.bytes_read for _ in corpus]
    assert seen == sorted(seen) and corpus.bytes_read == corpus.total_bytes == 2000 * len(TEXT)


def test_documentation_of_a_package_is_prose(tmp_path):
    from electra.data.python_docs import documents_under, language_topics

    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a.py").write_text('"""This would be a docstring long enough to be read, but is a test."""')
    (tmp_path / "broken.py").write_text('"""Docstring""" (')
    (tmp_path / "a.py").write_text(
        '"""Short."""\nraise SystemExit("never imported")\nclass A:\n    def f(self):\n'
        '        """Say a thing that is wrapped over\n        two lines of the file.\n\n        Parameters\n'
        "        ----------\n        x : int\n            The number of things that are said.\n\n"
        '        Examples\n        --------\n        >>> f(1)\n        1\n        """\n'
    )
    assert list(documents_under(tmp_path)) == [
        [
            "Say a thing that is wrapped over two lines of the file.",
            "Parameters",
            "x : int The number of things that are said.",
        ]
    ]
    assert sum(1 for _ in language_topics()) > 50
