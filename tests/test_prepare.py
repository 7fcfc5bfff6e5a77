"""The verb `prepare`: what it writes, what it survives, what it refuses; and the reader of what it wrote."""

import errno
import importlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from electra.config import PrepareConfig
from electra.core.storage import only_writer
from electra.data import chunks
from electra.data.shards import open_examples, read_manifest
from electra.text.tokenizer import load_tokenizer
from electra.text.vocabulary import train_tokenizer

verb = importlib.import_module("electra.data.prepare")
prepare = verb.prepare
WORDS = "the a cook walker dog meal river stone reads writes sees makes small old green quick and or while over".split()  # noqa: SIM905


def write_text(path, documents=300, seed=0):
    rng = random.Random(seed)
    sentence = lambda: " ".join(rng.choices(WORDS, k=rng.randint(4, 30))).capitalize() + "."
    path.write_text("\n\n".join("\n".join(sentence() for _ in range(rng.randint(1, 12))) for _ in range(documents)))
    return path


@pytest.fixture
def config(tmp_path):
    text = write_text(tmp_path / "text.txt")
    out = str(tmp_path / "out")
    return PrepareConfig((str(text),), out, vocab_size=150, seq_length=32, heldout=0.1, num_workers=1)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 10_000)


def contents(folder):
    """Every file that a reader sees, but for what names the folder itself."""
    names = sorted(path.name for path in folder.iterdir() if path.name not in (".lock", "prepare.json"))
    return {name: (folder / name).read_bytes() for name in names}


def test_all_text_is_kept_and_read_back(config, tmp_path):
    manifest = prepare(config)
    assert manifest == read_manifest(config.out)
    assert manifest["share_kept"] == 1 and manifest["counts"]["documents"] == 300
    assert len(manifest["train"]) > 5 and len(manifest["heldout"]) > 0
    tokenizer = load_tokenizer(config.out)
    text = tokenizer.encode_lines((tmp_path / "text.txt").read_text().split())
    found = 0
    for split in ("train", "heldout"):
        examples = open_examples(config.out, split)
        assert examples.tokenizer_hash == tokenizer.hash and examples.vocab_size == tokenizer.vocab_size
        assert examples.num_tokens == examples.lengths.sum() and examples.lengths.dtype == np.uint8
        for index, row in enumerate(examples[n] for n in range(len(examples))):
            assert row.dtype == np.uint16 and len(row) == examples.lengths[index] <= 32
            assert row[0] == tokenizer.cls_id and row[-1] == tokenizer.sep_id
            found += int((~np.isin(row, [tokenizer.cls_id, tokenizer.sep_id])).sum())
        with pytest.raises(IndexError):
            examples[len(examples)]
    assert found == sum(map(len, text)) == manifest["counts"]["text_tokens"]


def test_the_same_call_again_returns_at_once(config, monkeypatch):
    manifest = prepare(config)
    monkeypatch.setattr(verb, "write_shards", None)
    assert prepare(replace(config, num_workers=2)) == manifest


def test_two_processes_write_the_same_bytes(config, tmp_path):
    prepare(config)
    prepare(replace(config, out=str(tmp_path / "two"), num_workers=2))
    assert contents(tmp_path / "two") == contents(tmp_path / "out")


def test_another_seed_packs_otherwise_but_holds_out_the_same(config, tmp_path):
    first = prepare(config)
    second = prepare(replace(config, out=str(tmp_path / "two"), seed=1))
    assert first["train"] != second["train"]
    assert sum(e["examples"] for e in first["heldout"]) == pytest.approx(
        sum(e["examples"] for e in second["heldout"]), rel=0.2
    )


KILLED = """
import sys
from electra.config import PrepareConfig
from electra.data import chunks
import electra
if __name__ == "__main__":
    chunks.CHUNK_BYTES = 10_000
    electra.prepare(PrepareConfig((sys.argv[1],), sys.argv[2], vocab_size=150, seq_length=32, heldout=0.1,
                                  num_workers=int(sys.argv[3])))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_started_again_gives_the_same_bytes(workers, config, tmp_path):
    text = write_text(tmp_path / "text.txt", documents=2500)
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, str(script), str(text), config.out, str(workers)],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    notes = tmp_path / "out" / "chunks"
    while process.poll() is None and len(list(notes.glob("*.json"))) < 10:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.npy")}
    assert before and not (tmp_path / "out" / "manifest.json").exists()
    with pytest.raises(ValueError, match="is not finished"):
        open_examples(config.out)
    prepare(config)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.npy")}
    assert sum(after.get(name) == at for name, at in before.items()) >= 10  # what was done was not done again
    prepare(replace(config, out=str(tmp_path / "whole")))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_folder_prepared_differently_is_refused_with_the_difference(config, tmp_path):
    prepare(config)
    with pytest.raises(ValueError, match="seq_length was 32, now 64"):
        prepare(replace(config, seq_length=64))
    text = (tmp_path / "text.txt").read_text()
    (tmp_path / "text.txt").write_text(text[::-1])  # of the same size
    with pytest.raises(ValueError, match=r"text was 'samples .*, now 'samples"):
        prepare(config)
    write_text(tmp_path / "text.txt", seed=1)
    with pytest.raises(ValueError, match="files was"):
        prepare(config)


def test_the_remedy_an_error_names_is_taken_in_the_same_folder(config, tmp_path, capsys):
    (tmp_path / "text.txt").write_bytes("ein café, ".encode("latin-1") * 20)
    with pytest.raises(ValueError, match="encoding"):
        prepare(config)
    prepare(replace(config, encoding="latin-1", heldout=0.0))
    assert "starting over" in capsys.readouterr().err
    with pytest.raises(ValueError, match="prepared differently: encoding"):
        prepare(replace(config, heldout=0.0))


def test_a_folder_with_other_files_is_refused(config, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"holds other files \(thesis.tex\)"):
        prepare(config)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"
    with pytest.raises(ValueError, match="is a file"):
        prepare(replace(config, out=str(tmp_path / "text.txt")))


def test_nothing_is_written_where_a_source_is_wrong(config, tmp_path):
    with pytest.raises(ValueError, match=r"did you mean .*text\.txt"):
        prepare(replace(config, sources=(str(tmp_path / "texd.txt"),)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tokenizer", ["wordpiece", "loaded"])
def test_an_empty_corpus_is_refused(tokenizer, config, tmp_path):
    (tmp_path / "text.txt").write_text("\n \n\n")
    if tokenizer == "loaded":
        train_tokenizer("wordpiece", WORDS, 100, lowercase=True).save(tmp_path / "loaded")
        tokenizer = str(tmp_path / "loaded")
    with pytest.raises(ValueError, match="no text in"):
        prepare(replace(config, tokenizer=tokenizer))


def test_two_at_once(config, tmp_path):
    with only_writer(tmp_path / "out"), pytest.raises(ValueError, match="in use by another process"):
        prepare(config)
    prepare(config)


def test_a_full_disk_is_explained_and_nothing_is_half_written(config, tmp_path, monkeypatch):
    calls = iter(range(10**6))

    def full(descriptor):
        if next(calls) > 20:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="the disk is full"):
            prepare(config)
    assert not list((tmp_path / "out").rglob("*.partial"))
    prepare(config)
    prepare(replace(config, out=str(tmp_path / "whole")))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_too_little_room_is_said_at_the_start(config, monkeypatch):
    monkeypatch.setattr("electra.core.storage.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(ValueError, match="make room"):
        prepare(config)


def test_altered_shards_are_recognised(config, tmp_path):
    manifest = prepare(config)
    for kind in ("tokens", "lengths"):
        path = tmp_path / "out" / f"{manifest['train'][1]['name']}.{kind}.npy"
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(ValueError, match=rf"{path.name}.*(altered|adds up).*electra prepare. again"):
            open_examples(config.out)
        path.write_bytes(whole[:-2])
        with pytest.raises(ValueError, match=rf"{path.name} is cut short"):
            open_examples(config.out)
        path.unlink()
        with pytest.raises(ValueError, match=rf"{path.name} is missing"):
            open_examples(config.out)
        path.write_bytes(whole)
    open_examples(config.out)


def test_altered_manifests_are_recognised(config, tmp_path):
    path = tmp_path / "out" / "manifest.json"
    with pytest.raises(ValueError, match="holds no prepared data; run `electra prepare"):
        read_manifest(config.out)
    manifest = prepare(config)
    path.write_text(json.dumps({**manifest, "format_version": 99}))
    with pytest.raises(ValueError, match="format version 99"):
        open_examples(config.out)
    path.write_text(json.dumps({key: value for key, value in manifest.items() if key != "train"}))
    with pytest.raises(ValueError, match="lacks 'train'"):
        open_examples(config.out)
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match="not valid JSON"):
        open_examples(config.out)


def test_standard_input(config, tmp_path, monkeypatch):
    stdin = type("Stdin", (), {"buffer": io.BytesIO((tmp_path / "text.txt").read_bytes())})
    monkeypatch.setattr(sys, "stdin", stdin)
    piped = prepare(replace(config, sources=("-",), out=str(tmp_path / "piped")))
    assert piped == prepare(config)
    assert not (tmp_path / "piped" / "stdin.partial").exists()


def test_paper_packing_loses_text_and_says_so(config, tmp_path, capsys):
    rng = random.Random(0)
    (tmp_path / "text.txt").write_text("\n".join(" ".join(rng.choices(WORDS, k=300)) for _ in range(50)))
    manifest = prepare(replace(config, packing="paper", heldout=0.0))
    assert manifest["share_kept"] < 0.3
    assert "--packing paper drops" in " ".join(capsys.readouterr().err.split())


def test_a_vocabulary_of_another_script_is_named_with_what_it_lacks(config, tmp_path, capsys):
    train_tokenizer("wordpiece", WORDS, 100, lowercase=True).save(tmp_path / "english")
    (tmp_path / "text.txt").write_text("\n\n".join("這是 a dog สวัสดี" for _ in range(50)))
    manifest = prepare(replace(config, tokenizer=str(tmp_path / "english")))
    assert manifest["share_lost"] == pytest.approx(8 / 12)
    said = " ".join(capsys.readouterr().err.split())
    assert "66.7% of the characters are lost" in said and "Train one on this text" in said
    assert "lacks characters: Thai (ส ว ั ด ี), CJK (這 是)" in said


def test_characters_beyond_a_small_vocabulary_are_counted(config, tmp_path, capsys):
    letters = [chr(0x4E00 + n) for n in range(300)]
    (tmp_path / "text.txt").write_text("\n\n".join(" ".join(letters[n:] + letters[:n]) for n in range(60)))
    manifest = prepare(replace(config, vocab_size=200))
    assert manifest["share_lost"] == pytest.approx(1 - 195 / 300, abs=0.02)
    said = " ".join(capsys.readouterr().err.split())
    assert "Raise --vocab-size (200), or take --tokenizer bpe" in said
    assert prepare(replace(config, tokenizer="bpe", vocab_size=300, out=str(tmp_path / "b")))["share_lost"] == 0


def test_chinese_keeps_its_characters_by_default_and_a_loss_of_half_a_percent_is_said(config, tmp_path, capsys):
    characters = [chr(0x4E00 + n) for n in range(2000)]
    drawn = random.Random(0).choices(characters, [1 / (n + 10) for n in range(2000)], k=60_000)  # as in Zipf's law
    (tmp_path / "text.txt").write_text("\n".join("".join(drawn[n : n + 50]) + "。" for n in range(0, len(drawn), 50)))
    size = PrepareConfig(("-",)).vocab_size
    assert prepare(replace(config, vocab_size=size, document="line"))["share_lost"] == 0
    assert "characters are lost" not in capsys.readouterr().err
    manifest = prepare(replace(config, vocab_size=1800, document="line", out=str(tmp_path / "small")))
    assert 0.005 < manifest["share_lost"] < 0.02
    assert "of the characters are lost in unknown tokens: the vocabulary lacks characters: CJK" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_proteins_of_a_line_each_are_kept_whole(kind, config, tmp_path, capsys):
    rng = random.Random(0)
    proteins = ["".join(rng.choices("ACDEFGHIKLMNPQRSTVWY", k=rng.randint(80, 1200))) for _ in range(60)]
    (tmp_path / "text.txt").write_text("\n".join(proteins))
    manifest = prepare(replace(config, document="line", tokenizer=kind, vocab_size=400, heldout=0.0))
    assert (manifest["share_lost"], manifest["share_unknown"], manifest["share_kept"]) == (0, 0, 1)
    assert "lost in unknown" not in capsys.readouterr().err
    tokenizer, examples = load_tokenizer(config.out), open_examples(config.out)
    special = (tokenizer.cls_id, tokenizer.sep_id)
    ids = [int(i) for n in range(len(examples)) for i in examples[n] if i not in special]
    read = tokenizer.backend.decode(ids).replace(" ", "").lower()
    assert sorted(read) == sorted("".join(proteins).lower())


@pytest.mark.parametrize(("strip", "warned"), [(True, True), (False, False)])
def test_words_that_lose_their_vowel_signs_are_shown(strip, warned, config, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("\n\n".join(["हिन्दी प्रमुख भाषा है", "På en gård"] * 30))
    manifest = prepare(replace(config, strip_accents=strip))
    said = " ".join(capsys.readouterr().err.split())
    assert ("हिन्दी becomes हिनदी" in said and "Drop --strip-accents" in said) == warned
    assert manifest["losses"]["stripped"] == (150 if strip else 0)


def test_berts_vocabulary_says_that_it_strips(config, tmp_path, capsys):
    letters = [chr(n) for n in range(97, 123)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + c for c in letters)]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens))
    (tmp_path / "text.txt").write_text("\n\n".join(["På en gård"] * 30))
    prepare(replace(config, tokenizer=str(tmp_path / "vocab.txt")))
    said = " ".join(capsys.readouterr().err.split())
    assert "67% of the words lose accents" in said and "på becomes pa" in said.lower() and "tokenizer_config" in said


def test_markup_is_read_as_text_and_said(config, tmp_path, capsys):
    for name in ("a.fasta", "b.fasta", "c.rst"):
        (tmp_path / name).write_text("\n\n".join(["> a dog sees"] * 30))
    manifest = prepare(replace(config, sources=(str(tmp_path / "[abc].*"),)))
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("is read as plain text") == 2 and "extract from .fasta" in said and "extract from .rst" in said
    assert manifest["counts"]["documents"] == 90


def test_strip_accents_is_refused_where_it_would_do_nothing(config):
    for tokenizer in ("bpe", "a/vocab.txt"):
        with pytest.raises(ValueError, match="strip_accents is for a wordpiece or unigram"):
            replace(config, tokenizer=tokenizer, strip_accents=True)


def test_an_empty_held_out_set_is_named_and_short_documents_which_training_packs_are_not(config, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("\n\n".join(["a dog sees"] * 50))
    prepare(replace(config, heldout=1e-9))
    said = " ".join(capsys.readouterr().err.split())
    assert "padding" in said and "documents are short" not in said and "no document was held out" in said
    assert len(open_examples(config.out, "heldout")) == 0


def test_everything_held_out_is_refused(config, tmp_path):
    (tmp_path / "text.txt").write_text("a dog sees")
    with pytest.raises(ValueError, match="no document is left for training"):
        prepare(replace(config, heldout=0.999999))


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_other_kinds_of_tokenizer(kind, config):
    manifest = prepare(replace(config, tokenizer=kind, vocab_size=300 if kind == "bpe" else 100))
    assert manifest["share_kept"] == 1 and manifest["share_unknown"] == 0


def test_large_vocabularies_take_four_bytes(config, tmp_path):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"token{i}" for i in range(70_000)), *WORDS]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n")
    prepare(replace(config, tokenizer=str(tmp_path / "vocab.txt")))
    row = open_examples(config.out)[0]
    assert row.dtype == np.uint32 and row.max() > 70_000


def test_chunks_grow_with_the_corpus(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 100)
    sizes = [len(chunk.documents) for chunk in chunks.cut_chunks(["x" * 49, "y" * 50] for _ in range(64 + 2 * 64))]
    assert sizes == [1] * 64 + [2] * 64
