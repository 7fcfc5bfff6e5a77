"""Made-up requests: no answer is a 5xx, every error has the one form and repeats nothing of what was sent. Row 24."""

import contextlib
import http.client
import json
import re
from urllib.parse import urlencode

import pytest
import tiny
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_detect import build
from test_server import CANARY, Running

import electra
from electra.checkpoints.huggingface import save_network
from electra.models.electra.encoder import Encoder
from electra.models.task_heads import Answerer, Classifier, Tagger
from electra.server.app import MODEL_PATHS
from electra.server.engine import ModelEngine
from electra.server.languagetool import FORM

QUIET = dict(deadline=None, suppress_health_check=list(HealthCheck), database=None)
TAGS = ["O", "B-X", "I-X"]
TASKS = {
    "labels": (Classifier, {"num_labels": 2, "head": "dense"}, {"id2label": {"0": "no", "1": "yes"}}),
    "tags": (
        Tagger,
        {"num_labels": 3},
        {"task": "tagging", "task_settings": {"labels": TAGS}, "id2label": {str(n): tag for n, tag in enumerate(TAGS)}},
    ),
    "answers": (Answerer, {"head": "linear"}, {"task": "qa"}),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Servers by name: one that marks words, and one for each kind of fine-tuned model."""
    folder = tmp_path_factory.mktemp("fuzz")
    build("wordpiece", folder / "words")
    for name, (kind, changes, extra) in TASKS.items():
        torch.manual_seed(0)
        network = kind(Encoder(tiny.MODEL), **changes)
        save_network(folder / name, network, tiny.tiny_tokenizer(), 30, **extra)
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(served(folder / name)) for name in ("words", *TASKS)}


def served(folder):
    engine = ModelEngine(electra.load(folder, threads=1), folder.name)
    return Running(engine, max_text_chars=300, max_items=6, max_body_bytes=20_000)


# -- bodies ------------------------------------------------------------------------------------------------------------

TEXT = st.one_of(
    st.text(st.characters(codec=None), max_size=20),  # halves of surrogate pairs too
    st.lists(st.sampled_from([*tiny.WORDS.split(), "[MASK]", "😀", "x\u0301", "\u202e", "\x00", CANARY]), max_size=12)
    .map(" ".join),
    st.builds(str.__mul__, st.sampled_from(["a", "the ", "中", "\u0301", "😀 "]), st.integers(0, 400)),
)  # fmt: skip
TEXTS = TEXT | st.lists(TEXT, max_size=7)
INPUTS = TEXT | st.lists(TEXT | st.lists(TEXT, max_size=4), max_size=4)
PAIRS = st.lists(st.lists(TEXT, min_size=2, max_size=2), max_size=4)
RIGHT = st.one_of(
    st.fixed_dictionaries({"inputs": INPUTS}),
    st.fixed_dictionaries({"inputs": PAIRS}),
    st.fixed_dictionaries({"inputs": TEXTS}, optional={"threshold": st.floats(0, 1), "suggestions": st.integers(0, 9)}),
    st.fixed_dictionaries(
        {"input": TEXTS | st.lists(st.integers(-1, 40), max_size=50)},
        optional={
            "encoding_format": st.sampled_from(["float", "base64", "x"]), "dimensions": st.integers(-1, 40),
            "truncate": st.booleans(), "model": st.just("words"),
        },
    ),
    st.fixed_dictionaries({"inputs": TEXTS}, optional={"truncate": st.booleans(), "normalize": st.booleans()}),
    st.fixed_dictionaries({"inputs": TEXTS}, optional={"add_special_tokens": st.booleans()}),
)  # fmt: skip
NUMBERS = st.floats() | st.integers() | st.sampled_from([10**400, -(10**20), 1e308, 2**63])
NAMES = st.sampled_from(["inputs", "input", "threshold", "suggestions", "encoding_format", "model", "Inputs", CANARY])
GARBAGE = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
NEARLY = st.builds(lambda right, wrong: right | wrong, RIGHT, st.dictionaries(NAMES, GARBAGE, min_size=1, max_size=2))
JSON = st.builds(
    lambda value, pure: json.dumps(value, ensure_ascii=pure).encode("utf-8", "surrogatepass"),
    st.one_of(RIGHT, NEARLY, GARBAGE), st.booleans(),
)  # fmt: skip
NESTED = st.builds(
    lambda start, part, depth: (start + part * depth).encode(),
    st.sampled_from(["", '{"inputs": ']), st.sampled_from(["[", '{"a":', '[{"inputs":']), st.integers(1, 3000),
)  # fmt: skip
ANNOTATED = st.lists(
    st.dictionaries(st.sampled_from(["text", "markup", "interpretAs"]), GARBAGE, max_size=3), max_size=4
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXT,
        "data": st.builds(lambda parts: json.dumps({"annotation": parts}), ANNOTATED) | GARBAGE.map(json.dumps),
        "language": st.sampled_from(["en", "en-US", "auto", CANARY]) | TEXT,
        "disabledRules": TEXT,
        "disabledCategories": TEXT,
        "preferredVariants": TEXT,
        "apiKey": TEXT,
        "enabledOnly": st.sampled_from(["true", "false", ""]),
    },
)
FORMS = FIELDS.map(lambda fields: urlencode(fields, errors="surrogatepass").encode())
CUT = st.builds(lambda body, end: body[: end % (len(body) + 1)], JSON | FORMS, st.integers(0, 10_000))
RAW = st.binary(max_size=60) | NESTED | CUT | GARBAGE.map(lambda value: json.dumps(value).encode("utf-16"))
KINDS = st.sampled_from(["application/json", FORM, "text/plain", "application/json; charset=x", "", "a/b;;=", "é"])
CASES = st.one_of(
    st.tuples(st.sampled_from(MODEL_PATHS), JSON, st.just("application/json")),
    st.tuples(st.just("/predict"), RIGHT.map(lambda value: json.dumps(value).encode()), st.just("application/json")),
    st.tuples(st.just("/v2/check"), FORMS, st.just(FORM)),
    st.tuples(st.sampled_from(MODEL_PATHS), JSON | FORMS | RAW, KINDS),
)
SERVERS = ("words", *TASKS)


def fuzz(running, count):
    """Every route that takes a body, on every server: how many requests were answered, by code."""
    codes: dict[int, int] = {}
    open_ones = {
        name: http.client.HTTPConnection("127.0.0.1", server.port, timeout=20) for name, server in running.items()
    }

    @settings(max_examples=count, **QUIET)
    @given(st.sampled_from(SERVERS), CASES)
    def once(name, case):
        path, body, kind = case
        if path != "/predict":
            name = "words"
        status, content = ask(open_ones[name], path, body, kind)
        codes[status] = codes.get(status, 0) + 1
        assert status < 500
        assert status == 200 or has_its_form(path, status, content)

    once()
    for connection in open_ones.values():
        connection.close()
    return codes


def ask(connection, path, body, kind):
    """One request, on a new connection where the server has closed the idle one."""
    for again in (False, True):
        try:
            connection.request("POST", path, body, {"content-type": kind.encode("latin-1")})
            response = connection.getresponse()
            return response.status, response.read()
        except (ConnectionError, http.client.RemoteDisconnected):
            connection.close()
            if again:
                raise
    raise AssertionError


def has_its_form(path, status, content):
    """Whether an error has the form of its address: LanguageTool's, OpenAI's or ours."""
    if CANARY.encode() in content:
        return False
    if path.startswith("/v2/"):
        return content.startswith(b"Error: ")
    answer = json.loads(content)
    if path.startswith("/v1/"):
        return answer.keys() == {"error"} and answer["error"].keys() == {"message", "type", "param", "code"}
    return answer.keys() == {"error", "error_type", "code"} and answer["code"] == status


def by_schema(server, count):
    """Requests that schemathesis makes from /openapi.json, `count` for each operation, valid and not: how many."""
    schemathesis = pytest.importorskip("schemathesis")
    schema = schemathesis.openapi.from_dict(json.loads(server.get("/openapi.json")[1]))
    schema.config.update(base_url=f"http://127.0.0.1:{server.port}")
    made = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(max_examples=count, **QUIET)
        @given(operation.as_strategy())
        def once(case):
            nonlocal made
            made += 1
            response = case.call()
            assert response.status_code < 500
            assert response.status_code == 200 or has_its_form(case.path, response.status_code, response.content)

        once()
    return made


# -- tests -------------------------------------------------------------------------------------------------------------


def test_made_up_bodies_never_break_it(running):
    codes = fuzz(running, 400)
    assert codes[200] > 20 and codes[422] > 20 and {400, 415} <= codes.keys(), codes


def test_requests_made_from_the_schema_never_break_it(running):
    assert by_schema(running["words"], 10) > 50


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_thousand_requests_never_break_it(running, capsys):
    codes = fuzz(running, 20_000)
    made = by_schema(running["words"], 250)
    with capsys.disabled():
        print(f"\n{sum(codes.values())} made-up bodies {codes}, {made} requests from the schema")
    assert sum(codes.values()) >= 20_000
    for name, server in running.items():
        assert server.get("/health")[0] == server.get("/ready")[0] == 200
        assert re.search(rb'code="200",route="[^"]+"} [1-9]\d', server.get("/metrics")[1]), (
            f"{name} was hardly ever asked well"
        )


@pytest.mark.parametrize(
    ("name", "inputs", "code"),
    [
        ("answers", "a question alone", 422),
        ("answers", [["a", "b", "c"]], 422),
        ("answers", [["a", "b"]], 200),
        ("answers", [["", ""]], 200),
        ("labels", [["a", "b", "c"]], 422),
        ("labels", ["a", ["a", "b"]], 200),
        ("tags", [["a", "", "b c"], "", "a b"], 200),
    ],
)
def test_inputs_that_a_model_does_not_answer_are_the_clients_fault(running, name, inputs, code):
    status, answer = running[name].post("/predict", {"inputs": inputs})
    assert status == code and (code == 200 or "give a " in answer["error"])
