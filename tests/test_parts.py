"""The parts of a preparation: together they are what one call prepares, and what is wrong with one is said."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from test_prepare import WORDS, contents, prepare, verb, write_text

from electra.config import PrepareConfig
from electra.core.storage import only_writer
from electra.data import chunks
from electra.data.parts import Part, part_folder
from electra.text.vocabulary import train_tokenizer


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 10_000)


@pytest.fixture
def config(tmp_path):
    text = write_text(tmp_path / "text.txt")
    train_tokenizer("wordpiece", WORDS, 150, lowercase=True).save(tmp_path / "vocabulary")
    tokenizer = str(tmp_path / "vocabulary")
    return PrepareConfig((str(text),), str(tmp_path / "out"), tokenizer, seq_length=32, heldout=0.1, num_workers=1)


@pytest.fixture
def parted(config):
    """All three parts are prepared, and not put together yet."""
    for part in ("2/3", "0/3", "1/3"):
        assert prepare(replace(config, part=part)) == {}
    return config


def note_of(config, part):
    return part_folder(Path(config.out), part) / "part.json"


def rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_parts_together_are_the_files_of_one_call(parted, tmp_path, monkeypatch, capsys):
    prepare(replace(parted, part="2/3"))
    assert "part 2/3: 5 of 17 chunks are prepared" in (said := capsys.readouterr().err)
    assert "all 3 parts are done, the same command without --part puts them together" in said
    whole = prepare(replace(parted, out=str(tmp_path / "whole")))
    monkeypatch.setattr(verb, "write_shards", None)  # nothing is tokenised, nor read again
    assert prepare(parted) == whole
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert prepare(parted) == whole and prepare(replace(parted, part="1/3")) == {}
    plans = [json.loads((tmp_path / name / "prepare.json").read_text()) for name in ("out", "whole")]
    assert plans[0] == plans[1] | {"out": parted.out}


def test_parts_of_separate_folders_are_copied_into_one(config, tmp_path):
    for index in range(2):
        prepare(replace(config, part=f"{index}/2", out=str(tmp_path / str(index))))
        shutil.copytree(tmp_path / str(index), tmp_path / "out", dirs_exist_ok=True)
    prepare(config)
    prepare(replace(config, out=str(tmp_path / "whole")))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_part_that_was_stopped_goes_on(config, tmp_path, monkeypatch):
    write = chunks.write_chunk

    def stopped(chunk, *rest):
        if chunk.index > 4:
            raise OSError("the machine went away")
        return write(chunk, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("electra.data.pool.write_chunk", stopped)
        with pytest.raises(OSError):
            prepare(replace(config, part="0/2"))
    prepare(replace(config, part="1/2"))
    with pytest.raises(ValueError, match="of 2 parts 0/2 is not finished; run the same command with --part 0/2"):
        prepare(config)
    prepare(replace(config, part="0/2"))
    prepare(config)
    prepare(replace(config, out=str(tmp_path / "whole")))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    "change, said",
    [
        ({"tokenizer": "wordpiece"}, r"needs a vocabulary that exists.*SAMPLE.*--tokenizer data/vocabulary"),
        ({"extend": 10}, "needs a vocabulary that exists"),
        ({"sources": ("-",)}, "save standard input as a file"),
        ({"part": "3/3"}, "invalid part '3/3'"),
    ],
)
def test_what_parts_cannot_share_is_refused_at_once(change, said, config):
    with pytest.raises(ValueError, match=said):
        replace(config, **{"part": "0/3", **change})


def test_a_part_with_other_settings_or_vocabulary_is_refused(config, tmp_path):
    prepare(replace(config, part="0/3"))
    with pytest.raises(ValueError, match="prepared differently: seq_length was 32, now 64"):
        prepare(replace(config, part="1/3", seq_length=64))
    train_tokenizer("wordpiece", WORDS[:9], 150, lowercase=True).save(tmp_path / "vocabulary")
    with pytest.raises(ValueError, match="is not the tokeniser of the parts in"):
        prepare(replace(config, part="1/3"))


def test_the_same_part_twice_at_once_is_refused(config):
    with (
        only_writer(part_folder(Path(config.out), Part(1, 3))),
        pytest.raises(ValueError, match="1-of-3 is in use by another process"),
    ):
        prepare(replace(config, part="1/3"))
    prepare(replace(config, part="1/3"))


def test_missing_parts_are_named(config):
    prepare(replace(config, part="1/4"))
    with pytest.raises(ValueError, match="of 4 parts 0/4, 2/4, 3/4 are not finished; run .* --part 0/4"):
        prepare(config)
    with pytest.raises(ValueError, match="holds part 1/4, which cannot be put together with part 0/2"):
        prepare(replace(config, part="0/2"))
    part_folder(Path(config.out), Part(0, 2)).mkdir()  # as if copied from another machine
    with pytest.raises(ValueError, match="holds parts of 2 and of 4: 0/2, 1/4"):
        prepare(config)


@pytest.mark.parametrize("name", ["1-of-3 (copy)", "old", "3-of-3", "one-of-two"])
def test_a_stray_folder_among_parts_is_named(name, parted, tmp_path):
    """`1-of-3 (copy)` was an invalid part '1/3 (copy)', and nothing said where."""
    (tmp_path / "out/parts" / name).mkdir()
    said = rf"{tmp_path}/out/parts holds '{re.escape(name)}', which no call of `electra prepare` has written; move it"
    for part in ("", "0/3"):
        with pytest.raises(ValueError, match=said):
            prepare(replace(parted, part=part))
    (tmp_path / "out/parts" / name).rename(tmp_path / "elsewhere")
    prepare(parted)


def test_differing_parts_are_named(parted):
    for changes, said in [
        ({"text": "0" * 32}, "part 1/3 is of another preparation: its text is not that of part 0/3"),
        ({"tokenizer_hash": "0" * 64}, "part 1/3 .*its tokeniser was 000000000000"),
        ({"plan": {"seq_length": 64}}, "part 1/3 .*seq_length was 64, now 32.*remove .*1-of-3 and run"),
    ]:
        path = note_of(parted, Part(1, 3))
        whole = path.read_text()
        rewrite(path, **changes)
        with pytest.raises(ValueError, match=said):
            prepare(parted)
        path.write_text(whole)
    prepare(parted)


def test_missing_and_foreign_chunks_are_named(parted, tmp_path):
    note = tmp_path / "out" / "chunks" / "00004.json"
    shard = tmp_path / "out" / "train-00002.lengths.npy"
    for path, said in [(note, "00004.json is missing, of part 1/3"), (shard, "lengths.npy is missing, of part 2/3")]:
        path.rename(tmp_path / "away")
        with pytest.raises(ValueError, match=f"{said}.*--part"):
            prepare(parted)
        (tmp_path / "away").rename(path)
    rewrite(note, text="0" * 32)
    with pytest.raises(ValueError, match="chunks of other text"):
        prepare(parted)
