"""Exported models give torch's answers, are refused where they lose, and run where there is no torch."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny
import torch

import electra
from electra.checkpoints.huggingface import save_network
from electra.checkpoints.locate import run_data
from electra.cli import main
from electra.config import ElectraConfig, ExportConfig
from electra.core.storage import read_json, written_whole
from electra.exporting import write as graphs
from electra.exporting.export import export
from electra.inference import sessions
from electra.inference.task_model import TaskModel
from electra.models.electra.encoder import Encoder
from electra.models.heads import Discriminator, Headless, MaskedLM
from electra.models.task_heads import Answerer, Classifier, Tagger
from electra.tasks import TASKS
from electra.text.dictionary import FILE, count_words, write_dictionary

# Looked for, not imported: OpenVINO reports its use when it is, unless sessions.py has seen to it.
MISSING = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install 'electra[export]'")
NO_OPENVINO = [name for name in ("openvino", "nncf") if find_spec(name) is None]
needs_openvino = pytest.mark.skipif(
    bool(NO_OPENVINO), reason=f"needs {', '.join(NO_OPENVINO)}: pip install 'electra[openvino]'"
)
RUNTIMES = ("onnx",) if NO_OPENVINO else ("onnx", "openvino")

ALL_FORMATS = ("onnx", "openvino", "openvino-bf16", "onnx-int8", "openvino-int8")
THREE = {"id2label": {"0": "a", "1": "b", "2": "c"}}
MULTI_LABEL = {"problem_type": "multi_label_classification"} | THREE
REGRESSION = {"problem_type": "regression", "id2label": {"0": "x"}, "task_settings": {"low": 1.0, "high": 5.0}}
ROOT = Path(__file__).parents[1]
TEXT = "the quick brown fox jumps over the lazy dog and the small cook eats a meal with a river walker under café"


def network(kind, **changes):
    """A network with weights that matter; two layers where suggestions and every format are tested."""
    torch.manual_seed(1)
    layers = 2 if kind in (Discriminator, MaskedLM) else 1
    shape = ElectraConfig(
        vocab_size=tiny.tiny_tokenizer().vocab_size, embedding_size=16, hidden_size=32, num_hidden_layers=layers,
        num_attention_heads=4, intermediate_size=64, max_position_embeddings=32,
    )  # fmt: skip
    made = kind(Encoder(shape), **changes)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def save(folder, kind=Discriminator, generator=True, extra=None, **changes):
    save_network(folder, network(kind, **changes), tiny.tiny_tokenizer(), 30, **(extra or {}))
    if generator:
        save_network(folder / "generator", network(MaskedLM), tiny.tiny_tokenizer(), 30)
    return folder


@pytest.fixture(scope="module", autouse=True)
def traced_once():
    """A network with the same weights is traced once: what is slow, and what no test here asks for twice."""
    write, written = graphs.write_onnx, {}

    def write_onnx(graph, file, optional_positions=True):
        kind = type(graph.network), graphs.longest(graph), optional_positions
        weights = hashlib.sha256(repr(kind).encode())
        for name, tensor in graph.state_dict().items():
            weights.update(name.encode() + tensor.numpy().tobytes())
        key = weights.digest()
        if key not in written:
            write(graph, file, optional_positions)
            written[key] = file.read_bytes()
        file.write_bytes(written[key])

    with pytest.MonkeyPatch.context() as patch:
        for module in (graphs, sys.modules["electra.exporting.export"]):
            patch.setattr(module, "write_onnx", write_onnx)
        yield


@pytest.fixture(scope="module")
def heldout(tmp_path_factory):
    """Lines of 30 words and more."""
    path = tmp_path_factory.mktemp("text") / "heldout.txt"
    sentences = tiny.sentences(480, seed=5)
    path.write_text("".join(" ".join(sentences[i : i + 6]) + "\n" for i in range(0, 480, 6)))
    return str(path)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, heldout):
    """A pair in every format that can be written here, whatever int8 loses, and what it was made from."""
    folder = tmp_path_factory.mktemp("export")
    save(folder / "model", extra={"detection_threshold": 0.4})
    write_dictionary(folder / "model", count_words(tiny.sentences(200)))
    report = export(ExportConfig(str(folder / "model"), str(folder / "out"), RUNTIMES, True, heldout, force=True))
    return folder / "model", folder / "out", report


def test_the_report_says_what_was_measured(exported):
    _, out, report = exported
    by_name = {each["format"]: each for each in report["formats"]}
    written = [name for name in ALL_FORMATS if name.startswith(RUNTIMES)]
    assert list(by_name) == written
    assert all(by_name[name]["max_difference"] <= 1e-4 for name in RUNTIMES)
    assert all({"measure", "torch", "score"} <= by_name[name].keys() for name in by_name if name[-1] in "68")
    assert by_name["onnx-int8"]["max_difference"] > 1e-4, "int8 that differs in nothing was not int8"
    assert len(report["shapes"]) >= 5 and read_json(out / "export.json")["versions"] == report["versions"]
    files = [sessions.FORMATS[name].file for name in written]
    for name in ("tokenizer.json", "config.json", "generator/onnx/model.onnx", "generator/config.json", FILE, *files):
        assert (out / name).exists(), name


def test_compact_keeps_int8_alone_and_the_generator_proposes_the_same(exported, heldout, tmp_path):
    folder, out, _ = exported
    report = export(ExportConfig(str(folder), str(tmp_path / "out"), int8=True, text=heldout, force=True, compact=True))
    assert [each["format"] for each in report["formats"]] == ["onnx-int8"]
    files = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.onnx*")}
    assert files == {"onnx/model_quantized.onnx", "generator/onnx/model_quantized.onnx"}
    for network in (".", "generator"):
        weights = onnx.load(tmp_path / "out" / network / "onnx/model_quantized.onnx").graph.initializer
        large = [each for each in weights if len(each.dims) == 2 and each.dims[0] * each.dims[1] > 500]
        int8 = onnx.TensorProto.INT8, onnx.TensorProto.UINT8
        assert large and all(each.data_type in int8 for each in large if "codes" not in each.name)
    small, plain = electra.load(tmp_path / "out"), electra.load(out, format="onnx")
    assert small.format == "onnx-int8"
    row = plain.row(plain.tokenizer.encode(TEXT).ids)
    ours, theirs = (set(model.propose([row], [2], 5)[0].tolist()) for model in (small, plain))
    assert len(ours & theirs) >= 4


@pytest.mark.parametrize("file", ["onnx/model.onnx", "onnx/model_quantized.onnx"])
def test_an_exported_generator_is_a_model_by_itself(exported, tmp_path, file):
    """Other software finds its tokeniser, and gets the logits of all tokens if it names no positions."""
    import onnxruntime
    import transformers

    folder, out, _ = exported
    if "quantized" in file:
        (tmp_path / "onnx").mkdir()
        graphs.quantise_onnx(out / "generator/onnx/model.onnx", tmp_path / file, embeddings=True)
    session = onnxruntime.InferenceSession((tmp_path if "quantized" in file else out / "generator") / file)
    assert [each.name for each in session.get_inputs()] == ["input_ids", "attention_mask", "token_type_ids"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(out / "generator")
    texts = ["the quick [MASK] fox", "a [MASK] cook eats a meal with a river"]
    rows = dict(tokenizer(texts, padding=True, return_tensors="np", return_token_type_ids=True))
    (whole,) = session.run(["logits"], rows)
    assert whole.shape == (*rows["input_ids"].shape, tokenizer.vocab_size)
    masks = np.argwhere(rows["input_ids"] == tokenizer.mask_token_id)[:, 1:]
    (chosen,) = session.run(["logits"], rows | {"positions": np.hstack([masks, masks * 0])})
    near = 0.05 if "quantized" in file else 1e-5  # the range of int8 activations is that of the positions asked for
    assert np.allclose(chosen[:, 0], whole[np.arange(2), masks[:, 0]], atol=near)
    assert np.allclose(chosen[:, 1], whole[:, 0], atol=near)
    if "quantized" not in file:
        pipe = transformers.pipeline("fill-mask", str(folder / "generator"))
        for text, logits, (place,) in zip(texts, whole, masks):
            assert [each["token"] for each in pipe(text)] == np.argsort(-logits[place])[:5].tolist()


@needs_openvino
def test_openvino_without_int8_needs_no_text(tmp_path, caplog):
    save(tmp_path / "model")
    with caplog.at_level("INFO", "electra"):
        report = export(ExportConfig(str(tmp_path / "model"), str(tmp_path / "out"), ("openvino",)))
    assert [each["format"] for each in report["formats"]] == ["openvino"]
    assert "openvino-bf16 is left out" in caplog.text
    assert [word.text for word in electra.load(tmp_path / "out").detect(TEXT, 0.0)] == TEXT.split()


@pytest.mark.parametrize("where", [".", "runs", "elsewhere"])
def test_a_runs_data_is_found_from_any_directory(tmp_path, monkeypatch, where):
    for folder in ("runs/mine", "elsewhere", "data/mine", "runs/data/mine"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "runs/mine/config.json").write_text('{"data": "data/mine"}')
    monkeypatch.chdir(tmp_path / where)
    assert run_data(tmp_path / "runs/mine") is None
    (tmp_path / "data/mine/manifest.json").write_text("{}")
    found = run_data(Path(os.path.relpath(tmp_path / "runs/mine")))
    assert found and found.resolve() == tmp_path / "data/mine"
    assert run_data(tmp_path / "elsewhere") is None


def test_compact_needs_int8():
    with pytest.raises(ValueError, match="--compact needs --int8"):
        ExportConfig("model", "out", compact=True)


def test_no_file_names_a_folder_of_this_machine(exported):
    _, out, _ = exported
    here = [str(Path(module.__file__).parent).encode() for module in (electra, torch)]
    for file in out.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not any(folder in content for folder in (*here, b"stack_trace", str(out).encode())), file


@pytest.mark.parametrize("format", ["onnx", pytest.param("openvino", marks=needs_openvino)])
def test_a_runner_answers_as_the_model(exported, format):
    folder, out, _ = exported
    model, runner = electra.load(folder), electra.load(out, format=format)
    assert (runner.threshold, runner.longest) == (model.threshold, model.longest) == (0.4, 30)
    text = " ".join([TEXT] * 4)  # longer than the model: windows
    expected, found = model.detect(text, 0.0), runner.detect(text, 0.0)
    assert [w._replace(replaced=0, certainty=0) for w in found] == [
        w._replace(replaced=0, certainty=0) for w in expected
    ]
    assert any(w.suggestions for w in found)
    for field in ("replaced", "certainty"):
        np.testing.assert_allclose([getattr(w, field) for w in found], [getattr(w, field) for w in expected], atol=1e-4)
    texts = [TEXT, "the fox", ""] * 13
    np.testing.assert_allclose(runner.encode(texts), model.encode(texts), atol=1e-4)
    assert runner.encode([]).shape == (0, 32)


def test_onnx_runtime_reports_nothing_and_leaves_no_identifier(tmp_path):
    """Its builds for Linux do both unless they are told not to; some spare machines that set CI."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment |= {
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    code = "import electra; print(len(electra.load(threads=1).detect('She has teached.').marked))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n" and not [*tmp_path.iterdir()]


@needs_openvino
def test_nothing_is_reported_over_the_network(exported):
    assert sys.modules["openvino_telemetry"] is None


@needs_openvino
def test_the_fastest_format_is_taken(exported, monkeypatch):
    _, out, _ = exported
    monkeypatch.setattr(sessions, "instructions", lambda: ["avx2"])
    assert electra.load(out).format == "onnx-int8"
    monkeypatch.setattr(sessions, "instructions", lambda: ["avx2", "avx512_vnni"])
    assert electra.load(out).format == electra.load(out).format == "openvino-int8"
    installed = {"onnxruntime"}
    for module in (sys.modules["electra.inference.load"], sessions):
        monkeypatch.setattr(module, "installed", lambda library: library in installed)
    assert electra.load(out).format == "onnx-int8"
    with pytest.raises(ValueError, match="pip install openvino"):
        electra.load(out, format="openvino")
    with pytest.raises(ValueError, match="unknown format"):
        electra.load(out, format="onx")
    installed.clear()
    with pytest.raises(ValueError, match="install onnxruntime or openvino"):
        electra.load(out)


HIDDEN = """import sys
from importlib.machinery import PathFinder
look = PathFinder.find_spec
hidden = ("torch", "transformers")  # as if they were not installed
PathFinder.find_spec = lambda name, *where: None if name.split(".")[0] in hidden else look(name, *where)
import electra
from electra.cli import main
"""


def without_torch(code):
    """What `code` prints in a process in which torch and transformers cannot be imported."""
    done = subprocess.run([sys.executable, "-c", HIDDEN + code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_runs_without_torch(exported, tmp_path):
    folder, out, report = exported
    (tmp_path / "a.txt").write_text(TEXT)
    formats = [each["format"] for each in report["formats"]]
    said = without_torch(
        f"for name in {formats!r}:\n    assert electra.load({str(out)!r}, format=name).detect('the fox jumps')\n"
        f"assert electra.load({str(out)!r}).encode(['a b']).shape == (1, 32)\n"
        f"main(['detect', {str(out)!r}, {str(tmp_path / 'a.txt')!r}, '--format', 'json'])\n"
        f"main(['predict', {str(out)!r}, 'dog,fox', '--zero-shot', 'a {{}}', '--input', {str(tmp_path / 'a.txt')!r}])\n"
        f"try:\n    electra.load({str(folder)!r})\nexcept ValueError as error:\n    print(error)\n"
        "assert not {'torch', 'transformers', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    detected, predicted, refused = said.splitlines()
    assert json.loads(detected)["threshold"] == 0.4 and set(json.loads(predicted)["probabilities"]) == {"dog", "fox"}
    assert "needs torch: pip install" in refused


@needs_openvino
def test_a_signal_is_answered_when_models_have_come_and_gone(exported):
    """Each core of OpenVINO swaps the stack for signals: of two, the last to go puts back what the first has freed."""
    _, out, _ = exported
    said = without_torch(
        f"import gc, os, signal\nfirst, second = (electra.load({str(out)!r}, format='openvino') for _ in range(2))\n"
        "first.encode(['a fox'])\nsecond.encode(['a fox'])\n"
        "del first\ngc.collect()\ndel second\ngc.collect()\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('answered'))\nos.kill(os.getpid(), signal.SIGTERM)\n"
    )
    assert said == "answered\n"


@pytest.mark.slow
def test_it_is_served_without_torch(exported):
    _, out, _ = exported
    pytest.importorskip("fastapi")
    code = HIDDEN + f"main(['serve', {str(out)!r}, '--port', '0', '--threads', '1'])"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        said = process.stderr.readline()
        found = re.search(r"http://127.0.0.1:\d+", said)
        assert found, said + process.stderr.read()
        body = json.dumps({"inputs": TEXT, "threshold": 0.0}).encode()
        request = urllib.request.Request(found[0] + "/detect", body, {"content-type": "application/json"})
        for _ in range(20):  # a 503 while it warms up
            try:
                (words,) = json.load(urllib.request.urlopen(request, timeout=60))["results"]
                break
            except urllib.error.HTTPError as error:
                assert error.code == 503
                time.sleep(0.5)
        assert [word["text"] for word in words] == TEXT.split() and any(word["suggestions"] for word in words)
    finally:
        process.terminate()
        assert process.wait(60) == 0


def test_the_verb_detects_with_an_exported_folder(exported, tmp_path, capsys):
    _, out, _ = exported
    (tmp_path / "a.txt").write_text(TEXT)
    main(["detect", str(out), str(tmp_path / "a.txt"), "--format", "json"])
    assert '"threshold": 0.4' in capsys.readouterr().out


def test_what_loses_too_much_is_refused(tmp_path, heldout, monkeypatch):
    save(tmp_path / "model", generator=False)
    module = sys.modules["electra.exporting.judge"]
    monkeypatch.setattr(module, "found_errors", lambda model, texts: 0.9 if model.format == "torch" else 0.88)
    config = ExportConfig(str(tmp_path / "model"), str(tmp_path / "out"), int8=True, text=heldout, tolerance=0.01)
    with pytest.raises(ValueError, match="refused onnx-int8"):
        export(config)
    assert not (tmp_path / "out" / "onnx" / "model_quantized.onnx").exists()
    refused = read_json(tmp_path / "out" / "export.json")["formats"][1]
    assert refused["kept"] is False and refused["score"] == 0.88
    assert electra.load(tmp_path / "out").format == "onnx"


def test_a_wrong_file_is_refused(tmp_path, monkeypatch):
    save(tmp_path / "model", generator=False)
    module = sys.modules["electra.exporting.export"]
    write = module.write_onnx

    def broken(graph, file):
        write(graph, file)
        with torch.no_grad():  # what the file is compared with is no longer what was written
            graph.network.encoder.layers[0].intermediate.bias += 0.5

    monkeypatch.setattr(module, "write_onnx", broken)
    with pytest.raises(ValueError, match="refused onnx"):
        export(ExportConfig(str(tmp_path / "model"), str(tmp_path / "out")))
    assert not (tmp_path / "out" / "onnx" / "model.onnx").exists()


@pytest.mark.parametrize(
    ("kind", "changes", "extra", "inputs"),
    [
        (Classifier, {"num_labels": 3, "head": "dense"}, THREE, [TEXT, "fox"]),
        (Classifier, {"num_labels": 1, "head": "dense"}, REGRESSION, [("a fox", "the dog")]),
        (Classifier, {"num_labels": 3, "head": "dense"}, MULTI_LABEL, ["a fox"]),
        (Tagger, {"num_labels": 3}, THREE, [TEXT.split(), ["fox"]]),
        (Answerer, {"head": "linear"}, {}, [("the fox", TEXT), ("a", "dog")]),
    ],
)  # fmt: skip
def test_fine_tuned_heads(kind, changes, extra, inputs, tmp_path):
    import transformers

    save(tmp_path / "model", kind, False, extra, **changes)
    export(ExportConfig(str(tmp_path / "model"), str(tmp_path / "out")))
    runner = electra.load(tmp_path / "out")
    found = runner.predict(inputs)
    assert len(found) == len(inputs)
    for ours, theirs in zip(electra.load(tmp_path / "model").predict(inputs), found):
        assert all(ours[key] == theirs[key] for key in ("label", "labels", "tags", "answer") if key in theirs)
    assert not hasattr(runner, "detect") and not hasattr(runner, "encode")
    name = read_json(tmp_path / "model" / "config.json")["architectures"][0]
    peer = getattr(transformers, name).from_pretrained(tmp_path / "model").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    words = kind is Tagger
    first = tokenizer(*([inputs[0]] if isinstance(inputs[0], str | list) else inputs[0]), is_split_into_words=words,
                      truncation=True, max_length=30, return_tensors="pt")  # fmt: skip
    with torch.no_grad():
        outputs = peer(**first)
    if kind is Answerer:
        assert found[0]["answer"] == "" or found[0]["answer"] in TEXT
        assert TEXT[slice(found[0]["start"] or 0, found[0]["end"] or 0)] == found[0]["answer"]
    elif words:
        assert len(found[0]["tags"]) == len(inputs[0])
        assert found[0]["tags"][0] == "abc"[int(outputs.logits[0, 1].argmax())]
    elif extra.get("problem_type") == "regression":
        assert found[0]["score"] == pytest.approx(1 + 4 * float(outputs.logits), abs=1e-3)
    elif "problem_type" in extra:
        assert list(found[0]["probabilities"].values()) == pytest.approx(outputs.logits[0].sigmoid().tolist(), abs=1e-4)
    else:
        likely = outputs.logits[0].softmax(-1).sort(descending=True)
        assert list(found[0]["probabilities"].values()) == pytest.approx(likely.values.tolist(), abs=1e-4)
        assert found[0]["label"] == "abc"[likely.indices[0]]


BIO = {"id2label": {"0": "O", "1": "B-X", "2": "I-X"}, "task_settings": {"labels": ["O", "B-X", "I-X"]}}
LONG = " ".join([TEXT] * 6)  # some 130 words, for a model that reads 30 tokens
SYMMETRIC = {"task": "classification", "task_settings": {"labels": ["a", "b", "c"], "symmetric": True}}
READ = {
    "tags": (Tagger, {"num_labels": 3}, {"task": "tagging"} | BIO, [LONG.split(), ["fox"], TEXT]),
    "answers": (Answerer, {"head": "linear"}, {"task": "qa"},
                [("the fox", LONG), ("a", "dog"), (LONG, LONG), ("a", "")]),
    "answers or none": (Answerer, {"head": "linear"}, {"task": "qa", "task_settings": {"may_be_unanswerable": True}},
                        [("the fox", LONG), ("cook", TEXT)]),
    "pairs": (Classifier, {"num_labels": 3, "head": "dense"}, SYMMETRIC | THREE,
              [LONG, ["the fox", "a dog"], [LONG, LONG]]),
}  # fmt: skip


@pytest.fixture(scope="module")
def read_without_torch(tmp_path_factory):
    """What torch says of the inputs of READ, and what the exported models say in a process without it."""
    folder = tmp_path_factory.mktemp("long")
    asked, expected = {}, {}
    for name, (kind, changes, extra, inputs) in READ.items():
        save(folder / name, kind, False, extra, **changes)
        export(ExportConfig(str(folder / name), str(folder / name / "out")))
        expected[name] = electra.load(folder / name).predict(inputs)
        asked[str(folder / name / "out")] = inputs
    said = without_torch(f"import json\nprint(json.dumps([electra.load(f).predict(i) for f, i in {asked!r}.items()]))")
    return {name: (found, expected[name]) for name, found in zip(READ, json.loads(said), strict=True)}


@pytest.mark.parametrize("name", READ)
def test_long_texts_are_read_as_torch_reads_them(read_without_torch, name):
    found, expected = read_without_torch[name]
    for ours, theirs in zip(found, expected, strict=True):
        assert rounded(ours) == rounded(json.loads(json.dumps(theirs)))


def rounded(value):
    """A prediction with its numbers to three digits."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items() if name != "n_best"}  # near ties change places
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return pytest.approx(value, abs=1e-3) if isinstance(value, float) else value


@pytest.mark.parametrize(
    ("task", "inputs", "message"),
    [
        ("qa", ["a question alone"], "input 1: give a question and a context"),
        ("classification", ["a", ["a", "b", "c"]], "input 2: give a text or a pair"),
        ("classification", "a text", "put the text in brackets"),
    ],
)
def test_inputs_of_another_kind_are_named(task, inputs, message):
    model = TaskModel(lambda rows, names: [], TASKS[task](), task, tiny.tiny_tokenizer(), 30, "onnx")
    with pytest.raises(ValueError, match=message):
        model.predict(inputs)


def test_the_verb_predicts_with_an_exported_folder(tmp_path, capsys):
    save(tmp_path / "model", Classifier, False, THREE, num_labels=3, head="dense")
    export(ExportConfig(str(tmp_path / "model"), str(tmp_path / "out")))
    (tmp_path / "in.txt").write_text(f'the fox\n["a dog", "a fox"]\n{LONG}\n')
    answers = []
    for folder in ("model", "out"):
        capsys.readouterr()
        main(["predict", str(tmp_path / folder), "--input", str(tmp_path / "in.txt")])
        answers.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    assert len(answers[0]) == 3 and rounded(answers[0]) == rounded(answers[1])
    with pytest.raises(ValueError, match="runs on the CPU"):
        electra.load(tmp_path / "out", device="cuda")


def test_a_tasks_score_judges(tmp_path, monkeypatch):
    extra = THREE | {"task": "classification", "task_settings": {"labels": ["a", "b", "c"]}}
    save(tmp_path / "model", Classifier, False, extra, num_labels=3, head="dense")
    rows = [{"text": line, "label": "abc"[n % 3]} for n, line in enumerate(tiny.sentences(60))]
    (tmp_path / "dev.jsonl").write_text("\n".join(map(json.dumps, rows)))
    report = export(
        ExportConfig(
            str(tmp_path / "model"), str(tmp_path / "out"), int8=True, task=str(tmp_path / "dev.jsonl"), force=True
        )
    )
    assert report["formats"][1]["measure"] == "accuracy" and 0 < report["formats"][1]["torch"] < 1


def test_an_encoder_alone_embeds(tmp_path):
    save(tmp_path / "model", Headless, False)
    export(ExportConfig(str(tmp_path / "model"), str(tmp_path / "out")))
    assert electra.load(tmp_path / "out").encode([TEXT]).shape == (1, 32)


def test_a_runs_own_heldout_text_judges(tmp_path):
    data = tiny.write_data(tmp_path / "data", heldout=400)
    electra.pretrain(tiny.tiny_config(data, tmp_path / "run", train_steps=1))
    config = ExportConfig(str(tmp_path / "run"), str(tmp_path / "out"), int8=True, force=True)
    try:
        report = export(config)
    except ValueError as error:  # its examples are shorter than the 30 words of a planted text
        assert "too little held-out text" in str(error)
    else:
        assert report["heldout_lines"] == 400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": ""}, "which model"),
        ({"out": ""}, "where to"),
        ({"int8": True}, "--text"),
        ({"int8": True, "text": "nothing.txt"}, "no such file"),
    ],
)
def test_what_is_missing_is_said(changes, message, tmp_path):
    save(tmp_path / "model", generator=False)
    settings = {"model": str(tmp_path / "model"), "out": str(tmp_path / "out")} | changes
    with pytest.raises(ValueError, match=message):
        export(ExportConfig(**settings))
    assert not (tmp_path / "out").exists()


def test_two_heads_have_no_exported_form(tmp_path):
    save(tmp_path / "model", Answerer, False, head="joint")
    with pytest.raises(ValueError, match="no exported form"):
        export(ExportConfig(str(tmp_path / "model"), str(tmp_path / "out")))
    with pytest.raises(ValueError, match="holds no exported model"):
        electra.load(tmp_path / "model", format="onnx")


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    """An export that was stopped left half a folder, which the same command then refused."""
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), written_whole(out) as place:
        (place / "half").write_text("a")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    (tmp_path / ".out.partial").mkdir()  # as kill -9 leaves it
    (tmp_path / ".out.partial" / "half").write_text("a")
    out.mkdir()
    with written_whole(out) as place:
        (place / "whole").write_text("a")
        with pytest.raises(ValueError, match="in use by another process"), written_whole(out):
            pass
    assert [path.name for path in out.iterdir()] == ["whole"] and [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(ValueError, match="out is not empty; choose another --out"), written_whole(out):
        pass


def test_without_a_word_of_text_int8_is_refused_before_a_file_is_written(tmp_path):
    """An empty file failed in scikit-learn, after the files had been written."""
    model, text, out = save(tmp_path / "model"), tmp_path / "empty.txt", tmp_path / "out"
    text.write_text("\n")
    with pytest.raises(ValueError, match="too little held-out text"):
        export(ExportConfig(str(model), str(out), int8=True, text=str(text)))
    assert not out.exists()
