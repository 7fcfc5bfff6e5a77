"""Models made to do harm, or torn: nothing of them is run, all are refused at once and in little memory. Row 30."""

import json
import os
import pickle
import resource
import shutil
import struct
import time
import zipfile

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from test_detect import build

import electra
from electra.core.storage import read_json, write_json


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return build("wordpiece", tmp_path_factory.mktemp("good") / "model")


@pytest.fixture
def folder(good, tmp_path):
    """A model to spoil."""
    return shutil.copytree(good, tmp_path / "model")


@pytest.fixture(autouse=True)
def bounds():
    """A second, and 200 MB more than before."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - start < 5, "a second on a machine that does nothing else"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def refused(folder):
    with pytest.raises((ValueError, OSError)) as error:
        electra.load(folder)
    assert str(error.value) and "\n  File" not in str(error.value)
    return str(error.value)


# -- what would be run -------------------------------------------------------------------------------------------------


class Bomb:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "tokenizer.json", "config.json"])
def test_pickles_are_not_loaded(folder, tmp_path, name):
    if name == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    assert str(folder) in refused(folder)
    assert not (tmp_path / "boom").exists()


def test_a_zip_of_torch_is_not_loaded(folder, tmp_path):
    torch.save({"a": torch.zeros(2)}, folder / "model.safetensors")
    with zipfile.ZipFile(folder / "model.safetensors", "a") as archive:
        archive.writestr("../../boom", "out of the folder")
    assert "altered" in refused(folder)
    assert not (tmp_path / "boom").exists() and not (tmp_path.parent / "boom").exists()


def test_code_beside_a_model_is_not_run(folder, tmp_path):
    write_json(folder / "config.json", read_json(folder / "config.json") | {
        "auto_map": {"AutoModel": "modeling.Model", "AutoTokenizer": ["modeling.Model", None]},
        "trust_remote_code": True,
    })  # fmt: skip
    for name in ("modeling.py", "__init__.py", "tokenization.py", "conftest.py"):
        (folder / name).write_text(f"import os; os.mkdir({str(tmp_path / 'boom')!r})")
    assert electra.load(folder).detect("the fox")
    assert not (tmp_path / "boom").exists()


# -- config.json -------------------------------------------------------------------------------------------------------

HUGE = 10**9
CONFIGS = {
    "a list": [], "a number": 5, "null": None,
    **{f"a huge {name}": {name: HUGE} for name in (
        "vocab_size", "hidden_size", "embedding_size", "intermediate_size", "num_hidden_layers",
        "max_position_embeddings", "type_vocab_size")},
    "more heads than fit": {"num_attention_heads": HUGE},
    "a text for a number": {"hidden_size": "32"}, "a fraction": {"hidden_size": 32.5},
    "true": {"num_hidden_layers": True}, "a huge odd width": {"hidden_size": HUGE + 1},
    "a negative number": {"vocab_size": -1}, "null for a number": {"hidden_size": None},
    "a list for a number": {"layer_norm_eps": [1]}, "numbers of many digits": {"vocab_size": 10**300},
    "a threshold that is none": {"detection_threshold": "0.5"}, "a threshold too high": {"detection_threshold": 7},
    "another architecture": {"model_type": ["electra"]},
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_a_crafted_config_is_refused(folder, case):
    content = CONFIGS[case]
    if isinstance(content, dict):
        content = read_json(folder / "config.json") | content
    (folder / "config.json").write_text(json.dumps(content))
    assert str(folder) in refused(folder) or "num_attention_heads" in refused(folder) or "vocab_size" in refused(folder)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 200_000, b'{"vocab_size": ' + b"9" * 9000 + b"}", b"\x00" * 99],
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_what_is_no_json_is_refused(folder, name, raw):
    (folder / name).write_bytes(raw)
    assert name in refused(folder)


@pytest.mark.parametrize("labels", [HUGE, "x", -1, [2], None])
def test_a_crafted_number_of_labels_is_refused(folder, labels):
    changed = {"architectures": ["ElectraForTokenClassification"], "num_labels": labels}
    write_json(folder / "config.json", read_json(folder / "config.json") | changed)
    refused(folder)


# -- weights -----------------------------------------------------------------------------------------------------------


def header(content, size=None, data=b""):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(raw) if size is None else size) + raw + data


def one(**changes):
    return {"a.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


WEIGHTS = {
    "empty": b"", "seven bytes": b"\x01" * 7, "a header of 16 exabytes": header({}, 2**64 - 1),
    "a header of 90 MB that is not there": header({}, 90_000_000), "no JSON": header(b"x" * 64),
    "deep JSON": header(b'{"a":' * 50_000), "a list": header([]),
    "data that is not there": header(one()), "a huge tensor": header(one(shape=[2**40], data_offsets=[0, 2**42])),
    "a shape that overflows": header(one(shape=[2**62, 2**62])),
    "offsets backwards": header(one(data_offsets=[8, 0]), data=b"0" * 8),
    "a negative shape": header(one(shape=[-2]), data=b"0" * 8),
    "an unknown type": header(one(dtype="PICKLE"), data=b"0" * 8),
    "two tensors in one place": header(one() | {"b.weight": one()["a.weight"]}, data=b"0" * 8),
    "more data than is named": header(one(), data=b"0" * 800), "nothing that is known": header(one(), data=b"0" * 8),
}  # fmt: skip


@pytest.mark.parametrize("case", WEIGHTS)
def test_a_crafted_weights_file_is_refused(folder, case):
    (folder / "model.safetensors").write_bytes(WEIGHTS[case])
    assert str(folder) in refused(folder)


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "missing.safetensors", "\x1b]0;a\x07", "a" * 300, "..", 7]
)
def test_an_index_names_files_of_its_folder_only(folder, name):
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": name}}))
    assert str(index) in refused(folder)


def spoiled(state, case):
    query = "electra.encoder.layer.0.attention.self.query.weight"
    if case == "no dot in a name":
        return {"weight": torch.zeros(1)}
    if case == "no key beside a query":
        return {name: t for name, t in state.items() if name != query.replace("query", "key")}
    if case == "a query of another width":
        return state | {query: torch.zeros(32, 31)}
    if case == "a scalar":
        return state | {query: torch.tensor(1.0)}
    return state | {query: torch.full((32, 32), {"NaN": np.nan, "infinity": np.inf}[case])}


@pytest.mark.parametrize(
    "case", ["no dot in a name", "no key beside a query", "a query of another width", "a scalar", "NaN", "infinity"]
)
def test_tensors_that_do_not_fit_are_refused(folder, case):
    path = folder / "model.safetensors"
    save_file({name: t.contiguous() for name, t in spoiled(load_file(path), case).items()}, path)
    refused(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("target", ["/dev/zero", "/etc/passwd", "/etc", "nowhere"])
def test_links_out_of_the_folder_give_nothing_away(folder, name, target):
    (folder / name).unlink()
    (folder / name).symlink_to(target)
    assert "root:" not in refused(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_pipe_is_not_waited_for(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert "holds no model" in refused(folder)


# -- tokenisers --------------------------------------------------------------------------------------------------------

BESIDE = {
    "tokenizer_config.json": [[], {"model_max_length": "512"}, {"model_max_length": -5}, {"model_max_length": [1]},
                              {"model_max_length": 0}, {"model_max_length": True}],
    "tokenizer.json": [{}, [], {"model": {"type": "WordPiece", "vocab": {"a": 2**40}}}, {"version": "1.0"}],
    "special_tokens_map.json": [[], 5],
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), [(name, each) for name in BESIDE for each in BESIDE[name]])
def test_a_crafted_tokeniser_is_refused(folder, name, content):
    write_json(folder / name, content)
    assert name in refused(folder)


@pytest.mark.parametrize("role", [5, {}, {"content": 5}, [], "../../etc/passwd"])
def test_a_role_that_no_token_can_have_is_passed_over(folder, role):
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        write_json(folder / name, read_json(folder / name) | {"pad_token": role})
    assert electra.load(folder).tokenizer.roles["pad_token"] == tiny.tiny_tokenizer().roles["pad_token"]


# -- exported folders --------------------------------------------------------------------------------------------------

EXPORTS = [[], {}, {"formats": 5}, {"formats": [5]}, {"formats": [{"format": "../../x", "kept": True}]},
           {"formats": [{"format": "onnx", "kept": True}]}]  # fmt: skip


@pytest.mark.parametrize("content", EXPORTS)
@pytest.mark.parametrize("raw", [b"", b"\x08\x07garbage", pickle.dumps(5)])
def test_a_crafted_export_is_refused(folder, content, raw):
    pytest.importorskip("onnxruntime")
    write_json(folder / "export.json", content)
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(raw)
    assert str(folder) in refused(folder)
