"""`prepare --out URL`: what is written there, goes on, and is refused; memory://, and S3 as moto's server speaks it."""

import io
import json
import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace

import fsspec
import pytest
from stores import Hub, bucket, files, hub, own_stores, put  # noqa: F401
from test_prepare import WORDS, contents, prepare, verb, write_text

from electra.config import PrepareConfig
from electra.core.storage import only_writer
from electra.data import chunks
from electra.data.cache import cache_folder
from electra.data.destination import Bucket, Destination, destination_of
from electra.data.shards import open_examples
from electra.text import remote
from electra.text.vocabulary import train_tokenizer

OUT = "memory://bucket/data"
FEW = 60_000  # bytes of a chunk, where each file takes a request


@pytest.fixture
def config(tmp_path):
    text = write_text(tmp_path / "text.txt")
    train_tokenizer("wordpiece", WORDS, 150, lowercase=True).save(tmp_path / "vocabulary")
    return PrepareConfig(
        (str(text),), OUT, str(tmp_path / "vocabulary"), seq_length=32, heldout=0.1, num_workers=1
    )  # fmt: skip


@pytest.fixture
def local(config, tmp_path):
    """What one call writes in a local folder, but for the plan."""
    prepare(replace(config, out=str(tmp_path / "local")))
    return contents(tmp_path / "local")


def written(url=OUT):
    return {name: content for name, content in files(url).items() if name != "prepare.json"}


class Gone(Exception):
    """The machine was taken away: nothing runs any more."""


@pytest.fixture
def sent(monkeypatch):
    """The names of the files in the order in which they are sent; set `left` to the number that still get there."""

    class Sent(list):
        left = 10**9

    names, whole = Sent(), remote.put

    def put_some(path, url):
        if names.left == 0:
            raise Gone
        names.left -= 1
        names.append(url.removeprefix(f"{OUT}/"))
        whole(path, url)

    monkeypatch.setattr("electra.data.destination.put", put_some)
    return names


def test_a_url_gets_the_files_of_a_folder_and_is_read_by_its_copy(config, local, tmp_path):
    manifest = prepare(config)
    assert written() == local
    assert manifest == json.loads(local["manifest.json"])
    rows = [
        [row.tolist() for row in (examples[n] for n in range(len(examples)))]
        for examples in (open_examples(OUT), open_examples(tmp_path / "local"))
    ]
    assert rows[0] == rows[1]
    assert not [path for path in cache_folder("prepare").rglob("*") if path.is_file() and path.name != ".lock"]


def test_the_manifest_is_the_last_and_no_note_comes_before_its_shards(config, sent, monkeypatch):
    held = []
    whole = chunks.write_shard
    monkeypatch.setattr(
        chunks,
        "write_shard",
        lambda folder, *rest: (held.append(len([*folder.glob("*.npy")])), whole(folder, *rest))[1],
    )
    prepare(config)
    assert sent[0] == "prepare.json" and sent[-1] == "manifest.json"
    assert sent.index("tokenizer_config.json") < min(sent.index(name) for name in sent if name.endswith(".npy"))
    note = sent.index("chunks/00003.json")
    assert max(n for n, name in enumerate(sent) if "-00003." in name) < note < sent.index("chunks/00004.json")
    assert max(held) <= 2  # a shard that was sent takes no room here


@pytest.mark.parametrize("left", [0, 1, 3, 5, 6, 9, 30, 60, 85, 87])
def test_a_call_that_is_cut_off_anywhere_goes_on_on_another_machine(left, config, local, sent, monkeypatch, tmp_path):
    sent.left = left
    try:
        prepare(config)
    except Gone:
        assert "manifest.json" not in files()
        with pytest.raises(
            ValueError, match=f"{OUT} (is not finished|holds no prepared data|no such file)|no such file"
        ):
            open_examples(OUT)
    before, sent.left = len(sent), 10**9
    monkeypatch.setenv("ELECTRA_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(Bucket, "finish", lambda *given, finish=Bucket.finish: (sent.append("finish"), finish(*given)))
    prepare(config)
    assert written() == local
    shards_before, shards_after = (
        {name for name in part if name.endswith(".npy")} for part in (sent[:before], sent[before:])
    )
    assert len(shards_before & shards_after) <= 4  # of the chunk in hand, two splits of two files


def test_a_second_call_returns_at_once_and_another_is_refused(config, local, capsys, monkeypatch):
    prepare(config)
    with monkeypatch.context() as patch:
        patch.setattr(verb, "write_shards", None)
        assert prepare(config) == json.loads(local["manifest.json"])
    assert f"{OUT} is already prepared" in capsys.readouterr().err
    with pytest.raises(ValueError, match=f"{OUT} was prepared differently: seq_length was 32, now 64"):
        prepare(replace(config, seq_length=64))
    assert written() == local


def test_an_unfinished_other_preparation_starts_over_with_another_vocabulary(config, sent, capsys):
    sent.left = 6  # the plan and the tokeniser
    with pytest.raises(Gone):
        prepare(replace(config, tokenizer="wordpiece", vocab_size=120))
    sent.left = 10**9
    prepare(replace(config, tokenizer="bpe", vocab_size=300))
    assert "earlier, different preparation finished nothing; starting over" in capsys.readouterr().err
    assert "Ġ" in files()["tokenizer.json"].decode()


def test_what_is_not_prepared_data_is_left_alone(config):
    put(f"{OUT}/thesis.txt", b"years of work")
    put("memory://bucket/file", b"")
    with pytest.raises(ValueError, match=rf"{OUT} holds other files \(thesis.txt\); choose an empty or new"):
        prepare(config)
    with pytest.raises(ValueError, match="memory://bucket/file is a file; choose another --out"):
        prepare(replace(config, out="memory://bucket/file"))
    assert files() == {"thesis.txt": b"years of work"}


def test_what_others_put_into_the_folder_is_not_copied(config, sent, monkeypatch):
    sent.left = 12
    with pytest.raises(Gone):
        prepare(config)
    put(f"{OUT}/films/holiday.mp4", b"a film")
    sent.left, read = 10**9, []
    whole = remote.read_all
    monkeypatch.setattr(
        "electra.data.destination.read_all", lambda url, names: (read.extend(names), whole(url, names))[1]
    )
    prepare(config)
    assert "chunks/00000.json" in read and not [name for name in read if "films" in name]
    assert files()["films/holiday.mp4"] == b"a film"


def test_no_file_of_a_bucket_is_copied_to_elsewhere(config, sent, tmp_path):
    sent.left = 12
    with pytest.raises(Gone):
        prepare(config)
    fsspec.filesystem("memory").store["/bucket/data/chunks/../../../../evil"] = fsspec.filesystem("memory").store[
        "/bucket/data/prepare.json"
    ]
    with pytest.raises(ValueError, match=rf"{OUT} has a file named chunks/../../../../evil, which leads out of it"):
        prepare(config)
    assert not [*tmp_path.rglob("evil")]


def test_two_calls_of_a_machine_at_once_are_refused_by_the_url(config):
    destination = destination_of(OUT)
    with (
        only_writer(destination.folder.parent),
        pytest.raises(ValueError, match=f"{OUT} is in use by another process"),
    ):
        prepare(config)
    prepare(config)


@pytest.mark.parametrize("name", ["prepare.json", "tokenizer.json"])
def test_another_machine_that_prepares_otherwise_meanwhile_is_noticed_before_the_manifest(name, config, monkeypatch):
    """No lock reaches another machine."""

    def combine(*given, whole=verb.combine):
        other = json.loads(files()[name])
        other |= {"seq_length": 64} if name == "prepare.json" else {"truncation": None, "normalizer": None}
        put(f"{OUT}/{name}", json.dumps(other).encode())
        return whole(*given)

    monkeypatch.setattr(verb, "combine", combine)
    with pytest.raises(ValueError, match=rf"another call has written to {OUT} meanwhile \((seq_length|another voc)"):
        prepare(config)
    assert "manifest.json" not in files()


def test_a_shard_that_did_not_arrive_is_named_before_the_manifest(config, monkeypatch):
    def combine(*given, whole=verb.combine):
        fsspec.filesystem("memory").rm("/bucket/data/train-00002.tokens.npy")
        return whole(*given)

    with monkeypatch.context() as patch:
        patch.setattr(verb, "combine", combine)
        with pytest.raises(ValueError, match=f"{OUT} lacks train-00002.tokens.npy; run the same command again"):
            prepare(config)
    prepare(config)
    assert open_examples(OUT)


def test_text_beside_the_output_is_read_without_it(config, tmp_path):
    put("memory://bucket/text.txt", (tmp_path / "text.txt").read_bytes())
    remote = replace(config, sources=("memory://bucket",))
    whole = prepare(remote)
    fsspec.filesystem("memory").rm("/bucket/data/manifest.json")
    assert prepare(remote) == whole  # vocab.txt of the tokeniser is no text


def test_standard_input(config, local, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "text.txt").read_bytes())))
    prepare(replace(config, sources=("-",)))
    assert written() == local


def test_a_url_of_this_machine_is_a_folder(config, local, tmp_path):
    prepare(replace(config, out=f"file://{tmp_path}/on disk"))
    assert contents(tmp_path / "on disk") == local
    assert type(destination_of(f"file://{tmp_path}/on disk")) is Destination


def test_a_place_that_cannot_be_written_is_refused_at_once(config):
    class ReadOnly(fsspec.AbstractFileSystem):
        protocol = "readonly"

        def find(self, path, **rest):
            return {}

    fsspec.register_implementation("readonly", ReadOnly, clobber=True)
    ReadOnly.put_file = lambda *given, **rest: (_ for _ in ()).throw(NotImplementedError)
    with pytest.raises(ValueError, match="readonly://a/b/prepare.json: this kind of place can only be read; choose an"):
        prepare(replace(config, out="readonly://a/b"))


# -- parts -------------------------------------------------------------------------------------------------------------


def test_parts_on_many_machines_are_put_together(config, local, tmp_path, monkeypatch):
    for part in ("2/3", "0/3", "1/3"):
        monkeypatch.setenv("ELECTRA_CACHE", str(tmp_path / part[0]))
        assert prepare(replace(config, part=part)) == {}
    monkeypatch.setattr(verb, "write_shards", None)
    prepare(config)
    assert written() == local


def test_what_is_wrong_with_parts_is_said_by_their_url(config, local):
    prepare(replace(config, part="1/3"))
    for change, said in [
        ({"part": "0/4"}, rf"{OUT} holds part 1/3, which cannot .* or remove {OUT}/parts"),
        ({}, rf"{OUT}: of 3 parts 0/3, 2/3 are not finished"),
        ({"part": "0/3", "seq_length": 64}, f"{OUT} was prepared differently: seq_length was 32"),
    ]:
        with pytest.raises(ValueError, match=said):
            prepare(replace(config, **change))
    for part in ("0/3", "2/3"):
        prepare(replace(config, part=part))
    fsspec.filesystem("memory").rm("/bucket/data/train-00004.tokens.npy")
    with pytest.raises(
        ValueError, match=f"{OUT}/train-00004.tokens.npy is missing, of part 1/3; .*remove {OUT}/parts/1-of-3"
    ):
        prepare(config)
    fsspec.filesystem("memory").rm("/bucket/data/parts/1-of-3", recursive=True)
    prepare(replace(config, part="1/3"))
    prepare(config)
    assert written() == local


def test_a_part_that_was_begun_elsewhere_is_not_forgotten(config, sent):
    """Otherwise the call that puts parts together would prepare all the text itself."""
    sent.left = 7
    with pytest.raises(Gone):
        prepare(replace(config, part="0/2"))
    assert "parts/0-of-2/begun.json" in files()
    sent.left = 10**9
    with pytest.raises(ValueError, match="of 2 parts 0/2, 1/2 are not finished"):
        prepare(config)


# -- S3 ----------------------------------------------------------------------------------------------------------------


def test_s3_is_written_in_parts_by_several_processes_and_read(bucket, config, tmp_path, monkeypatch):  # noqa: F811
    """The files of another process are seen, though a client keeps listings."""
    out = f"{bucket}/data"
    monkeypatch.setattr(chunks, "CHUNK_BYTES", FEW)
    prepare(replace(config, out=str(tmp_path / "local")))
    prepare(replace(config, out=out, part="0/2"))
    other = replace(config, out=out, part="1/2", num_workers=2)
    process = multiprocessing.get_context("spawn").Process(target=prepare_few, args=(other,))
    process.start()
    process.join()
    assert process.exitcode == 0
    prepare(replace(config, out=out))
    assert written(out) == contents(tmp_path / "local")
    assert len(open_examples(out)) > 100  # each checked by its hash
    with pytest.raises(ValueError, match="s3://corpus/data was prepared differently"):
        prepare(replace(config, out=out, seq_length=64))


def prepare_few(config):
    chunks.CHUNK_BYTES = FEW
    prepare(config)


def test_a_bucket_that_is_not_there_is_named_before_work_is_done(bucket, config, monkeypatch):  # noqa: F811
    monkeypatch.setattr(verb, "get_tokenizer", None)
    with pytest.raises(
        ValueError, match="s3://no-such-bucket/data/prepare.json: there is no such bucket or repository"
    ):
        prepare(replace(config, out="s3://no-such-bucket/data"))


# -- the Hub and Google's storage --------------------------------------------------------------------------------------


def command(config, environment):
    """Prepare by the command line; return its exit code, and what it said last."""
    flags = ["--tokenizer", config.tokenizer, "--seq-length", "32", "--heldout", "0.1", "--num-workers", "1"]
    words = [sys.executable, "-m", "electra", "prepare", *config.sources, "--out", config.out, *flags]
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_a_data_set_of_the_hub_is_read_and_written(hub, config, tmp_path, monkeypatch):  # noqa: F811
    Hub.files["text/a.txt"] = (tmp_path / "text.txt").read_bytes()
    remote = replace(config, sources=("hf://datasets/owner/name/text",), out="hf://datasets/owner/name/data")
    assert command(remote, hub)[0] == 0
    in_hub = {name.removeprefix("data/"): content for name, content in Hub.files.items() if name.startswith("data/")}
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2 << 20)
    prepare(replace(config, out=str(tmp_path / "local")))
    assert in_hub.pop("prepare.json") and in_hub == contents(tmp_path / "local")
    code, said = command(replace(remote, out="hf://datasets/owner/none/data"), hub)
    assert code == 2 and "hf://datasets/owner/none/data/prepare.json: there is no such bucket or repository" in said


def test_a_bucket_of_google(config, local, monkeypatch):
    pytest.importorskip("gcsfs")
    server = pytest.importorskip("gcp_storage_emulator.server", reason="no stand-in for gs://: gcp-storage-emulator")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # which the stand-in does not have
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:9023")
    running = server.create_server("localhost", 9023, in_memory=True, default_bucket="corpus")
    running.start()
    try:
        prepare(replace(config, out="gs://corpus/data"))
        assert written("gs://corpus/data") == local
        assert len(open_examples("gs://corpus/data"))
    finally:
        running.stop()
