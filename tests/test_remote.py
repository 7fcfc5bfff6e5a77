"""Text and prepared data behind a URL: memory:// and file://, and S3 as moto's server speaks it."""

import gzip
import subprocess
import sys
from dataclasses import replace

import fsspec
import pytest
from stores import bucket, own_stores, put, upload  # noqa: F401
from test_prepare import contents, prepare, write_text

from electra.config import PrepareConfig
from electra.core.storage import sha256
from electra.data import cache
from electra.data.shards import open_examples, prepared_folder, read_manifest
from electra.text.remote import reaching, remote_files
from electra.text.tokenizer import load_tokenizer


@pytest.fixture
def config(tmp_path):
    text = write_text(tmp_path / "text.txt")
    out = str(tmp_path / "out")
    return PrepareConfig((str(text),), out, vocab_size=150, seq_length=32, heldout=0.1, num_workers=1)


# -- sources -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["text.txt", "text.txt.gz", "", "*.txt*"])
def test_text_behind_a_url_is_prepared_like_a_file(source, config, tmp_path):
    text = (tmp_path / "text.txt").read_bytes()
    packed = source.endswith("gz")
    put(f"memory://corpus/text.txt{'.gz' if packed else ''}", gzip.compress(text) if packed else text)
    remote = prepare(replace(config, sources=(f"memory://corpus/{source}".rstrip("/"),), out=str(tmp_path / "remote")))
    assert remote == prepare(config)
    assert contents(tmp_path / "remote") == contents(tmp_path / "out")


def test_records_and_tables_are_read_behind_a_url(config):
    put("memory://corpus/a.jsonl", b'{"text": "the old dog"}\n' * 50)
    put("memory://corpus/b.csv", b"text\n" + b"a small river\n" * 50)
    put("memory://corpus/c.bin", b"\0")
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    with fsspec.open("memory://corpus/d.parquet", "wb") as file:
        pyarrow.parquet.write_table(pyarrow.table({"text": ["the quick cook"] * 50}), file)
    manifest = prepare(replace(config, sources=("memory://corpus",), heldout=0.0))
    assert manifest["counts"]["documents"] == 150


def test_files_of_a_folder_that_hold_no_text_are_skipped_and_said(config, capsys):
    put("memory://corpus/a.txt", b"the old dog\n\n" * 50)
    put("memory://corpus/model.bin", b"\0")
    put("memory://corpus/.hidden", b"\0")
    prepare(replace(config, sources=("memory://corpus",), heldout=0.0))
    said = capsys.readouterr().err
    assert "1 files are skipped: model.bin (ending in .bin)" in said


def test_changed_text_behind_a_url_is_recognised(config):
    put("memory://corpus/a.txt", b"the old dog\n\n" * 500)
    remote = replace(config, sources=("memory://corpus/a.txt",), heldout=0.0)
    prepare(remote)
    put("memory://corpus/a.txt", b"the new dog\n\n" * 500)  # of the same size
    with pytest.raises(ValueError, match="text was"):
        prepare(remote)


@pytest.mark.parametrize(
    "source, said",
    [
        ("memory://corpus/missing.txt", "memory://corpus/missing.txt: no such file"),
        ("s4://corpus/a.txt", "s4://corpus/a.txt: .*s4.*write s3://, gs://, hf://"),
        ("s3://", "s3:// names no file or folder; write s3://BUCKET/FOLDER"),
        ("://", ":// names no file or folder"),
    ],
)
def test_wrong_urls_are_named_before_anything_is_written(source, said, config, tmp_path):
    with pytest.raises(ValueError, match=said):
        prepare(replace(config, sources=(source,)))
    assert not (tmp_path / "out").exists()


def test_a_server_that_does_not_answer_is_no_missing_file(config):
    pytest.importorskip("aiohttp")
    with pytest.raises(OSError, match="http://127.0.0.1:9/a.txt cannot be reached .*check the network"):
        prepare(replace(config, sources=("http://127.0.0.1:9/a.txt",)))


def test_errors_of_the_hubs_client_are_those_of_a_network():
    """hf:// without a network ended in a traceback: the client's own package had another name."""
    httpx = pytest.importorskip("httpx2")
    with pytest.raises(OSError, match="hf://a/b cannot be reached"), reaching("hf://a/b"):
        raise httpx.ConnectError("Name or service not known")


@pytest.mark.parametrize(
    "module, url, remedy",
    [
        ("s3fs", "s3://corpus/a.txt", r"pip install 'electra\[remote\]'"),
        ("huggingface_hub", "hf://datasets/owner/name/a.txt", r"pip install 'electra\[hub\]'"),
        ("gcsfs", "gs://corpus/a.txt", "pip install gcsfs"),
        ("adlfs", "abfs://corpus/a.txt", "pip install adlfs"),
        ("paramiko", "sftp://host/a.txt", 'install the one that is named here .*"paramiko"'),
        ("fsspec", "memory://corpus/a.txt", r"pip install 'electra\[remote\]'"),
    ],
)
@pytest.mark.parametrize("place", ["sources", "out"])
def test_a_missing_library_is_named_with_its_package(place, module, url, remedy, config, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    loaded = sys.modules["fsspec.registry"]._registry  # once loaded, a class is kept
    monkeypatch.delitem(loaded, url.partition("://")[0], raising=False)
    needs = "a URL needs the fsspec library" if module == "fsspec" else f"{url} needs a library"
    with pytest.raises(ValueError, match=f"{needs}: {remedy}"):
        prepare(replace(config, **{place: (url,) if place == "sources" else url}))


def test_a_setting_that_a_store_lacks_is_named(config):
    with pytest.raises(ValueError, match="dbfs://a/b: .*'instance' and 'token'; fsspec takes settings from ~/.config"):
        prepare(replace(config, sources=("dbfs://a/b",)))


# -- prepared data -----------------------------------------------------------------------------------------------------


def rows(folder, split="train"):
    examples = open_examples(folder, split)
    return [examples[n].tolist() for n in range(len(examples))]


@pytest.fixture
def remote(config, tmp_path):
    prepare(config)
    upload(tmp_path / "out", "memory://bucket/data")
    return "memory://bucket/data"


def test_prepared_data_behind_a_url_is_copied_and_read(remote, config, tmp_path):
    for split in ("train", "heldout"):
        assert rows(remote, split) == rows(config.out, split)
    copy = prepared_folder(remote)
    assert copy.parent == tmp_path / "cache" / "data"
    assert read_manifest(copy) == read_manifest(config.out)
    assert load_tokenizer(copy).hash == load_tokenizer(config.out).hash


def damage(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])


def test_a_damaged_or_missing_copy_is_fetched_again_and_no_other(remote, config, capsys):
    copy = prepared_folder(remote)
    shards = sorted(copy.glob("train-*.tokens.npy"))
    damage(shards[1])
    shards[2].unlink()
    shards[3].write_bytes(shards[3].read_bytes()[:-7])
    before = {path.name: path.stat().st_mtime_ns for path in copy.glob("*.npy")}
    cache.fetched.cache_clear()
    capsys.readouterr()
    assert rows(remote) == rows(config.out)
    assert "fetching 3 files" in capsys.readouterr().err
    after = {path.name: path.stat().st_mtime_ns for path in copy.glob("*.npy")}
    assert {name for name in after if after[name] != before.get(name)} == {path.name for path in shards[1:4]}


def test_what_is_damaged_behind_the_url_is_refused_and_not_kept(remote, config, tmp_path):
    name = f"{read_manifest(config.out)['train'][0]['name']}.tokens.npy"
    damage(tmp_path / "out" / name)
    put(f"{remote}/{name}", (tmp_path / "out" / name).read_bytes())
    with pytest.raises(ValueError, match=rf"memory://.*{name} is damaged"):
        open_examples(remote)
    assert not list((tmp_path / "cache").rglob(name)) and not list((tmp_path / "cache").rglob("*.partial"))


def test_incomplete_folders_are_named(remote):
    fs = fsspec.filesystem("memory")
    with pytest.raises(ValueError, match=r"memory://bucket holds no prepared data \(manifest.json\)"):
        open_examples("memory://bucket")
    fs.rm(fs.glob("/bucket/data/train-00001.lengths.npy")[0])
    with pytest.raises(ValueError, match="memory://bucket/data lacks train-00001.lengths.npy"):
        open_examples(remote)


def test_other_data_at_the_same_url_is_another_copy(remote, config, tmp_path):
    first = prepared_folder(remote)
    prepare(replace(config, out=str(tmp_path / "other"), seed=1))
    upload(tmp_path / "other", remote)
    cache.fetched.cache_clear()
    assert prepared_folder(remote) != first
    assert rows(remote) == rows(str(tmp_path / "other")) != rows(config.out)


PROCESS = """
import sys
from electra.cli.terminal import show_log
from electra.data.shards import open_examples
show_log()
examples = open_examples(sys.argv[1])
print(sum(int(examples[n].sum()) for n in range(len(examples))))
"""


def test_two_processes_share_a_copy_and_fetch_it_once(config, tmp_path):
    prepare(config)
    command = [sys.executable, "-c", PROCESS, f"file://{tmp_path}/out"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    expected = sum(sum(row) for row in rows(config.out))
    assert [int(out) for out, _ in said] == [expected] * 2
    assert sum("fetching" in err for _, err in said) == 1
    entries = read_manifest(config.out)
    (copy,) = (tmp_path / "cache" / "data").iterdir()
    for entry in entries["train"]:
        assert sha256(copy / f"{entry['name']}.tokens.npy") == entry["sha256_tokens"]


# -- S3 ----------------------------------------------------------------------------------------------------------------


def test_s3_holds_text_and_prepared_data(bucket, config, tmp_path):  # noqa: F811
    put(f"{bucket}/text/a.txt.gz", gzip.compress((tmp_path / "text.txt").read_bytes()))
    local = prepare(config)
    assert prepare(replace(config, sources=(f"{bucket}/text",), out=str(tmp_path / "remote"))) == local
    upload(tmp_path / "out", f"{bucket}/data")
    assert rows(f"{bucket}/data") == rows(config.out)
    before = remote_files(f"{bucket}/text")
    put(f"{bucket}/text/a.txt.gz", gzip.compress(b"the old dog"))
    assert remote_files(f"{bucket}/text")[0].state != before[0].state
    with pytest.raises(ValueError, match="s3://corpus/none: no such file"):
        remote_files(f"{bucket}/none")
