"""The server: correct answers, and faults: bad, slow, too many and disconnecting clients."""

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_detect import TEXTS, build

import electra
import electra.server.serve as serve_module
from electra.config import ServeConfig
from electra.config.languages import look_up
from electra.server.app import MODEL_PATHS, create_app
from electra.server.batching import Batcher, Overloaded
from electra.server.check_query import RULE, join_pieces
from electra.server.embedding import Vector
from electra.server.engine import ModelEngine
from electra.server.languagetool import LONGEST_SENTENCE
from electra.text.sentences import sentence_starts
from electra.text.unicode import utf16_length

CANARY = "xyzzyplugh"  # sent by clients; no error and no log may contain it


class Words:
    """A fake engine: words with an x look wrong, BAD raises, and each batch takes `seconds`."""

    name, threshold, is_box = "words", 0.5, False
    kinds = ("detect", "embed", "predict")

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.batches = seconds, []

    def tokens(self, kind, item):
        return len((item[0] if kind == "detect" else str(item)).split())

    def answer(self, kind, items):
        self.batches.append((kind, items))
        time.sleep(self.seconds)
        if any("BAD" in str(item) for item in items):
            raise RuntimeError(f"cannot take {items}")
        if kind == "embed":
            return [Vector(np.full(4, len(text), np.float32), self.tokens(kind, text), False) for text, _ in items]
        return [self.words(*item) if kind == "detect" else {"label": "a"} for item in items]

    @staticmethod
    def words(text, threshold, suggestions, most=None):
        return [
            {"text": m.group(), "start": m.start(), "end": m.end(), "replaced": 0.9 if "x" in m.group() else 0.1,
             "marked": "x" in m.group() and threshold <= 0.9, "exempt": False, "suggestions": ["y", ""][:suggestions]}
            for m in re.finditer(r"\S+", text)
        ]  # fmt: skip


class Running:
    """A server on a free port, in a thread of the test."""

    def __init__(self, engine, key="", **changes):
        self.config = replace(ServeConfig(model="none", port=0), **changes)
        self.app = create_app(engine, self.config, key)
        self.engine, self.service = engine, self.app.state.service
        self.listener = serve_module.listen(self.config)
        self.port = self.listener.getsockname()[1]
        self.server = serve_module.create_server(self.app, self.config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.service.ready)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(20)
        self.listener.close()
        assert not self.thread.is_alive()

    def ask(self, method, path, body=None, headers=None, timeout=20):
        """Send a request; return (status, headers, content)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def post(self, path, content, **headers):
        """Post JSON; return (status, JSON)."""
        body = content if isinstance(content, bytes | str) else json.dumps(content)
        status, _, raw = self.ask("POST", path, body, {"content-type": "application/json", **headers})
        return status, json.loads(raw)

    def get(self, path, **headers):
        status, _, raw = self.ask("GET", path, headers=headers)
        return status, raw

    def check(self, **fields):
        """Post a form to /v2/check; return (status, JSON), or the text of an error."""
        form = {"content-type": "application/x-www-form-urlencoded"}
        status, _, raw = self.ask("POST", "/v2/check", urlencode(fields, errors="surrogatepass"), form)
        return status, json.loads(raw) if status == 200 else raw.decode()

    def connect(self, start=b""):
        made = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        made.sendall(start)
        return made


def wait_until(condition, seconds=15.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


def in_threads(count, function):
    results = [None] * count

    def put(i):
        results[i] = function(i)

    threads = [threading.Thread(target=put, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


@pytest.fixture(scope="module")
def server():
    with Running(Words(), max_text_chars=1000, max_body_bytes=100_000, max_items=8) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build("wordpiece", tmp_path_factory.mktemp("served") / "small")


@pytest.fixture(scope="module")
def real(folder):
    engine = ModelEngine(electra.load(folder, threads=1), "small")
    with Running(engine) as running:
        yield running


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_detect_answers_as_the_model_with_offsets_in_code_points(real, name):
    text = TEXTS[name]
    status, answer = real.post("/detect", {"inputs": [text, "the fox"], "threshold": 0.3, "suggestions": 2})
    expected = real.engine.model.detect(text, 0.3, 2)
    assert status == 200 and answer["offset_encoding"] == "code points" and len(answer["results"]) == 2
    for word, mine in zip(answer["results"][0], expected, strict=True):
        assert text[word["start"] : word["end"]] == word["text"] == mine.text
        assert abs(word["replaced"] - mine.replaced) < 1e-3 and word["marked"] == mine.is_marked(0.3)
        assert tuple(word["suggestions"]) == mine.suggestions


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_embeddings_in_both_forms(real):
    texts = ["the fox", "a quick dog jumps"]
    expected = real.engine.model.encode(texts)
    assert np.allclose(real.post("/embed", {"inputs": texts})[1], unit(expected), atol=1e-5)
    assert np.allclose(real.post("/embed", {"inputs": texts, "normalize": False})[1], expected, atol=1e-5)
    status, plain = real.post("/v1/embeddings", {"input": texts, "model": "any", "user": "me"})
    assert status == 200 and np.allclose([d["embedding"] for d in plain["data"]], unit(expected), atol=1e-5)
    assert plain["usage"]["prompt_tokens"] == 2 + 4 + 4 and [d["index"] for d in plain["data"]] == [0, 1]
    packed = real.post("/v1/embeddings", {"input": texts[0], "encoding_format": "base64"})[1]["data"][0]["embedding"]
    assert np.allclose(np.frombuffer(base64.b64decode(packed), "<f4"), unit(expected)[0], atol=1e-5)


def test_dimensions_are_cut_and_scaled_to_unit_length_or_refused(real):
    expected = real.engine.model.encode(["the fox"])[0]
    for path, name in (("/v1/embeddings", "input"), ("/embed", "inputs")):
        status, answer = real.post(path, {name: "the fox", "dimensions": 5})
        found = answer[0] if path == "/embed" else answer["data"][0]["embedding"]
        assert status == 200 and np.allclose(found, unit(expected[:5]), atol=1e-5)
        status, answer = real.post(path, {name: "the fox", "dimensions": len(expected) + 1})
        assert status in (400, 422) and f"have {len(expected)}" in str(answer)
        assert real.post(path, {name: "the fox", "dimensions": 0})[0] in (400, 422)
    cut = real.post("/embed", {"inputs": "the fox", "dimensions": 5, "normalize": False})[1][0]
    assert np.allclose(cut, expected[:5], atol=1e-5)


def test_a_text_that_is_too_long_is_refused_or_cut_as_told(real):
    most = real.engine.model.longest - 2
    words = ["the", "quick", "fox"] * 24
    long = " ".join(words)
    for path, name, code in (("/v1/embeddings", "input", 400), ("/embed", "inputs", 422)):
        status, answer = real.post(path, {name: ["the fox", long]})
        assert status == code and f"{len(words)} tokens and this model reads {most}" in str(answer)
    whole, cut = real.post("/v1/embeddings", {"input": ["the fox", long], "truncate": True})[1]["data"]
    assert cut["truncated"] is True and "truncated" not in whole
    assert np.allclose(cut["embedding"], unit(real.engine.model.encode([long]))[0], atol=1e-5)
    left = real.post("/embed", {"inputs": long, "truncate": True, "truncation_direction": "Left"})[1][0]
    assert np.allclose(left, unit(real.engine.model.encode([" ".join(words[-most:])]))[0], atol=1e-5)


def test_token_ids_are_embedded_if_they_are_the_models_own(real):
    ids = real.engine.model.tokenizer.encode("the fox").ids
    for sent in (ids, [ids], [ids, "the fox"]):
        data = real.post("/v1/embeddings", {"input": sent, "model": "small"})[1]["data"]
        assert np.allclose(data[-1]["embedding"], real.post("/embed", {"inputs": "the fox"})[1][0], atol=1e-5)
    for sent, model, said in (
        (ids, "text-embedding-ada-002", "GET /v1/models"),
        (ids, None, "check_embedding_ctx_length=False"),
        ([*ids, 99_999], "small", "own vocabulary"),
        ([-1], "small", "own vocabulary"),
        ([True], "small", "input"),
        ([[]], "small", "input"),
        ([1.5], "small", "input"),
    ):
        status, answer = real.post("/v1/embeddings", {"input": sent, "model": model})
        assert status == 400 and said in answer["error"]["message"], answer


def test_tokens_as_text_embeddings_inference_gives_them(real):
    text = "The 😀 fox"
    ((first, *tokens, last),) = real.post("/tokenize", {"inputs": text})[1]
    assert first == {"id": first["id"], "text": "[CLS]", "special": True, "start": None, "stop": None}
    assert last["text"] == "[SEP]"
    assert [token["text"] for token in tokens] == ["The", "😀", "fox"]
    assert all(text[token["start"] : token["stop"]] == token["text"] for token in tokens)
    assert real.post("/tokenize", {"inputs": [text, "a"], "add_special_tokens": False})[1][0] == tokens


def test_models_and_errors_have_openais_form(real):
    assert json.loads(real.get("/v1/models")[1])["data"][0]["id"] == "small"
    assert json.loads(real.get("/v1/models/small")[1])["object"] == "model"
    for body, code, param in (
        ({"input": 5}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": "a", "dimensions": "x"}, 400, "dimensions"),
        ({"input": "a" * 20_001}, 413, None),
        (b"{", 400, None),
    ):
        status, answer = real.post("/v1/embeddings", body)
        error = answer["error"]
        assert (status, error["param"]) == (code, param) and error.keys() == {"message", "type", "param", "code"}
        assert error["type"] == "invalid_request_error" and error["message"]
    status, raw = real.get("/v1/models/other")
    assert status == 404 and json.loads(raw)["error"]["code"] == "not_found"
    with Running(Words(), key="k") as running:
        status, answer = running.post("/v1/embeddings", {"input": "a"})
        assert status == 401 and answer["error"]["code"] == "invalid_api_key"


def test_two_thousand_short_texts_are_one_request(real):
    texts = [f"the fox {n}" for n in range(2048)]
    status, answer = real.post("/v1/embeddings", {"input": texts})
    assert status == 200 and [each["index"] for each in answer["data"]] == list(range(2048))
    assert np.allclose(answer["data"][-1]["embedding"], unit(real.engine.model.encode(texts[-1:]))[0], atol=1e-4)
    assert real.post("/v1/embeddings", {"input": [*texts, "a"]})[0] == 400
    assert real.post("/v1/embeddings", {"input": ["a" * 5000] * 41})[0] == 413


@pytest.mark.parametrize("name", ["openai", "langchain_openai", "huggingface_hub"])
def test_real_clients_get_vectors(real, name, monkeypatch):
    """Skipped where a client is not installed; benchmarks/clients.py installs them."""
    pytest.importorskip(name)
    if name == "huggingface_hub":  # the environment may keep it from asking any server
        monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: False)
    expected = unit(real.engine.model.encode(["the fox", "a dog"]))
    assert np.allclose(CLIENTS[name](f"http://127.0.0.1:{real.port}"), expected, atol=1e-5)


def openai_client(address):
    from openai import OpenAI

    client = OpenAI(base_url=f"{address}/v1", api_key="any")
    assert [model.id for model in client.models.list()] == ["small"]
    return [each.embedding for each in client.embeddings.create(model="small", input=["the fox", "a dog"]).data]


def langchain_client(address):
    from langchain_openai import OpenAIEmbeddings

    client = OpenAIEmbeddings(base_url=f"{address}/v1", api_key="any", check_embedding_ctx_length=False)
    return client.embed_documents(["the fox", "a dog"])


def hub_client(address):
    from huggingface_hub import InferenceClient

    client = InferenceClient(model=f"{address}/embed")
    return [client.feature_extraction(text, normalize=True, truncate=True)[0] for text in ("the fox", "a dog")]


CLIENTS = {"openai": openai_client, "langchain_openai": langchain_client, "huggingface_hub": hub_client}


def test_a_model_that_cannot_do_it_says_what_it_can(real):
    status, answer = real.post("/predict", {"inputs": "a"})
    assert (status, answer["error"]) == (422, "this model does not predict; it can detect, embed, tokenize")


def test_predict_takes_texts_pairs_and_words(server):
    assert server.post("/predict", {"inputs": ["a", ["a", "b"], ["a", "b", "c"]]}) == (
        200,
        {"results": [{"label": "a"}] * 3},
    )
    assert server.engine.batches[-1][1][-1] == ["a", "b", "c"]


def test_a_long_text_is_read_in_windows(real):
    text = "the quick fox jumps over the lazy dog " * 100
    (words,) = real.post("/detect", {"inputs": text, "threshold": 1})[1]["results"]
    assert [w["text"] for w in words] == text.split()


def test_a_small_answer_comes_at_once(server):
    """Nagle's algorithm would hold the body back for the 40 ms in which the client's kernel delays its ACK."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    times = []
    with contextlib.closing(connection):
        for _ in range(21):
            start = time.perf_counter()
            connection.request("POST", "/detect", '{"inputs": "a"}', {"content-type": "application/json"})
            connection.getresponse().read()
            times.append(time.perf_counter() - start)
    assert sorted(times)[10] < 0.035


def test_what_the_server_says_of_itself(server):
    assert server.get("/health") == (200, b'{"status":"ok"}')
    assert server.get("/ready")[0] == 200
    info = json.loads(server.get("/info")[1])
    assert info["model"] == "words" and info["threshold"] == 0.5 and info["max_text_chars"] == 1000
    server.post("/detect", {"inputs": "a"})
    metrics = server.get("/metrics")[1].decode()
    assert re.search(r'electra_requests_total\{code="200",route="/detect"\} [1-9]', metrics)
    assert "electra_queue_size 0.0" in metrics and "electra_batch_tokens_bucket" in metrics
    server.get("/" + CANARY)
    assert CANARY not in server.get("/metrics")[1].decode()


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/examples.json", "/docs", "/docs.js"])
def test_pages_come_whole_and_need_nothing_from_elsewhere(server, path):
    status, headers, raw = server.ask("GET", path)
    text = raw.decode()
    assert status == 200 and not re.search(r"https?://|//cdn|@import", text)
    assert (
        "script-src 'self'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
    )
    assert not re.search(r"<script>|<style|style=|\son\w+=|javascript:", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)


# -- LanguageTool's API -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["ax b", "😀 ax b", "b 👨‍👩‍👧 x😀x ax", "e\u0301x", "\U0001f600" * 30 + " x\n" + "b " * 90 + "x"]
)
def test_languagetool_offsets_are_utf16_units(server, text):
    status, answer = server.check(text=text, language="en-US")
    assert status == 200 and answer["language"]["code"] == "en-US"
    wide = text.encode("utf-16-le")
    found = [wide[2 * m["offset"] : 2 * (m["offset"] + m["length"])].decode("utf-16-le") for m in answer["matches"]]
    assert found == [word for word in text.split() if "x" in word]
    for match in answer["matches"]:
        context = match["context"]["text"].encode("utf-16-le")
        start, end = 2 * match["context"]["offset"], 2 * (match["context"]["offset"] + match["context"]["length"])
        assert "x" in context[start:end].decode("utf-16-le")
        assert match["replacements"] == [{"value": "y"}, {"value": ""}] and match["rule"]["id"] == RULE


def test_annotated_text_keeps_the_offsets_of_the_original(server):
    parts = [{"markup": "<b>😀"}, {"text": "ax "}, {"markup": "<br>", "interpretAs": "\n"}, {"text": "😀 bx"}]
    whole = "<b>😀ax <br>😀 bx".encode("utf-16-le")
    _, answer = server.check(data=json.dumps({"annotation": parts}), language="auto")
    found = [whole[2 * m["offset"] : 2 * (m["offset"] + m["length"])].decode("utf-16-le") for m in answer["matches"]]
    assert found == ["ax", "bx"]


def test_what_a_client_writes_as_null_is_absent(server):
    parts = [{"text": None, "markup": "<b>"}, {"text": "ax", "markup": None, "interpretAs": None}]
    _, answer = server.check(data=json.dumps({"annotation": parts}), language="auto")
    assert [(m["offset"], m["length"]) for m in answer["matches"]] == [(3, 2)]


def test_each_mark_of_an_endless_sentence_does_not_repeat_it(server):
    _, answer = server.check(text="ax and " * 90, language="auto")
    assert len(answer["matches"]) == 90 and all("ax" in m["sentence"] for m in answer["matches"])
    assert max(len(m["sentence"]) for m in answer["matches"]) <= LONGEST_SENTENCE


@pytest.mark.parametrize(
    ("asked", "served", "found"),
    [
        ("en-US", "en en-US en-GB", "en-US"),
        ("EN-us", "en-US", "en-US"),
        ("en_US", "en-US", "en-US"),
        ("en-AU", "en-US", "en-US"),
        ("en-AU", "de en-GB en", "en"),
        ("en", "en-GB en-US", "en-GB"),
        ("de-DE-x-simple-language", "en de-DE", "de-DE"),
        ("de-DE-x-simple", "de de-DE-x-simple", "de-DE-x-simple"),
        ("zh-TW", "zh-Hant zh", "zh"),
        ("zh-Hant-TW", "zh zh-Hant", "zh-Hant"),
        ("e", "en", None),
        ("eng", "en", None),
        ("fr", "en de", None),
        ("", "en", None),
        ("-", "en", None),
    ],
)
def test_languages_match_as_in_bcp_47(asked, served, found):
    assert look_up(asked, served.split()) == found


def test_a_client_of_another_region_is_served(server):
    for asked, answered in {"EN-us": "en-US", "en-AU": "en", "auto": "en"}.items():
        status, answer = server.check(text="ax", language=asked)
        assert (status, answer["language"]["code"]) == (200, answered)
    assert server.check(text="ax", language="fr")[0] == 400


@given(st.lists(st.text(max_size=5), max_size=5))
def test_offsets_are_utf16_lengths(parts):
    text, offsets = join_pieces([(part, part) for part in parts])
    assert offsets == [utf16_length(text[:i]) for i in range(len(text) + 1)]


@pytest.mark.parametrize(
    ("fields", "is_marked"),
    [
        ({}, True),
        ({"disabledRules": f"OTHER, {RULE}"}, False),
        ({"disabledRules": "OTHER"}, True),
        ({"disabledCategories": "TYPOS , GRAMMAR"}, False),
        ({"disabledCategories": "TYPOS"}, True),
        ({"enabledRules": "OTHER"}, True),
        ({"enabledRules": "OTHER", "enabledOnly": "true"}, False),
        ({"enabledRules": f"OTHER,{RULE}", "enabledOnly": "true"}, True),
        ({"enabledCategories": "GRAMMAR", "enabledOnly": "yes"}, True),
        ({"enabledCategories": "TYPOS", "enabledOnly": "true"}, False),
        ({"level": "picky", "motherTongue": "de", "username": "me", "apiKey": "any"}, True),
    ],
)
def test_rules_and_categories_can_be_switched(server, fields, is_marked):
    status, answer = server.check(text="ax", **fields)
    assert status == 200 and bool(answer["matches"]) == is_marked


def test_auto_is_the_preferred_variant_or_the_first_language(server):
    for fields, code in (
        ({"language": "auto"}, "en"),
        ({}, "en"),
        ({"language": "auto", "preferredVariants": "de-DE, en-GB"}, "en-GB"),
        ({"language": "auto", "preferredVariants": "de-AT"}, "en"),
        ({"language": "en-AU"}, "en"),
    ):
        assert server.check(text="a", **fields)[1]["language"]["code"] == code


def test_data_may_hold_one_text_and_a_check_may_be_a_get(server):
    _, answer = server.check(data=json.dumps({"text": "😀 ax b"}))
    assert [(m["offset"], m["length"]) for m in answer["matches"]] == [(3, 2)]
    status, raw = server.get("/v2/check?" + urlencode({"text": "😀 ax b", "language": "en-US"}))
    assert status == 200 and json.loads(raw)["matches"] == answer["matches"]
    status, raw = server.get("/v2/check?language=en")
    assert (status, raw) == (400, b"Error: give either text or data")


def test_the_sentence_is_the_sentence(server):
    text = "It rained, e.g. on us. “We ax home!” said Ann.\n\nA title\n\nHe bx, she\ncx. 然后 dx。好 ex"
    _, answer = server.check(text=text)
    assert [m["sentence"] for m in answer["matches"]] == [
        "“We ax home!” said Ann.", "He bx, she\ncx.", "He bx, she\ncx.", "然后 dx。", "好 ex",
    ]  # fmt: skip
    assert sentence_starts("") == [0]


def test_what_languagetools_clients_ask_of_the_server(server):
    assert server.get("/v2/maxtextlength") == (200, b"1000")
    assert server.get("/v2/healthcheck") == (200, b"OK")
    assert json.loads(server.get("/v2/info")[1])["software"]["name"] == "electra"
    assert {"name": "English (US)", "code": "en", "longCode": "en-US"} in json.loads(server.get("/v2/languages")[1])
    for path, code in (("/v2/nowhere", 404), ("/v2/check", 400)):
        status, headers, raw = server.ask("GET", path)
        assert (status, headers["content-type"]) == (code, "text/plain; charset=utf-8") and raw.startswith(b"Error: ")
    status, answer = server.check(text="a" * 1001)[:2]
    assert status == 413 and "at most 1,000 characters here (max_text_chars)" in str(answer)


def test_a_key_comes_in_a_form_or_a_header_in_any_case():
    with Running(Words(), key="k") as running:
        status, answer = running.check(text="a")
        assert status == 401 and answer.startswith("Error: ") and "apiKey" in answer
        assert running.check(text="a", username="me", apiKey="k")[0] == running.check(text="a", apiKey="k")[0] == 200
        assert running.get("/v2/check?text=a&apiKey=k")[0] == 200
        for scheme in ("Bearer", "bearer", "BEARER"):
            assert running.get("/v2/check?text=a", authorization=f"{scheme} k")[0] == 200
            assert running.get("/info", authorization=f"{scheme} k")[0] == 200
            assert running.get("/info", authorization=f"{scheme} l")[0] == 401
        assert running.get("/info?apiKey=k")[0] == 401


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "either text or data"),
        ({"text": "a", "data": "{}"}, "either text or data"),
        ({"text": "a", "language": CANARY}, "/v2/languages"),
        ({"data": CANARY}, "annotation"),
        ({"data": "[" * 100_000}, "annotation"),
        ({"data": json.dumps({"annotation": [{"text": "\ud800"}]})}, "annotation"),
        ({"text": "\ud800"}, "UTF-8"),
        ({str(i): "a" for i in range(99)}, "40 fields"),
        ({"text": "a", "enabledOnly": "true"}, "enabledRules or enabledCategories"),
        ({"data": json.dumps({"text": ["a"], "annotation": CANARY})[:-1]}, "annotation"),
    ],
)
def test_bad_forms_are_refused(server, fields, said):
    status, answer = server.check(**fields)
    assert status in (400, 413) and (status == 413 or said in answer) and CANARY not in answer
    assert answer.startswith("Error: ")


def test_a_real_client_shows_our_marks(server):
    tool = pytest.importorskip("language_tool_python").LanguageTool(
        "en-US", remote_server=f"http://127.0.0.1:{server.port}"
    )
    for text in ("a wrox word", "😀 a 👍🏽 wrox word 😀 max"):
        matches = tool.check(text)
        assert [text[m.offset : m.offset + m.error_length] for m in matches] == [w for w in text.split() if "x" in w]
        assert matches[0].replacements == ["y", ""]


# -- batches -----------------------------------------------------------------------------------------------------------


def test_requests_share_passes_by_tokens():
    with Running(Words(0.2), max_batch_tokens=8) as running:
        running.engine.batches.clear()
        in_threads(9, lambda i: running.post("/detect", {"inputs": "one two three four"}))
        sizes = [len(items) for _, items in running.engine.batches]
        assert sum(sizes) == 9 and max(sizes) == 2 and len(sizes) <= 6


def test_a_bad_item_harms_no_neighbour():
    """Row 25."""
    with Running(Words(0.1)) as running:
        texts = ["a", "b", f"BAD {CANARY}", "cx"]
        answers = in_threads(8, lambda i: running.post("/detect", {"inputs": texts[i % 4]}))
        assert [status for status, _ in answers] == [200, 200, 500, 200] * 2
        assert answers[3][1]["results"][0][0]["marked"]
        assert answers[2][1]["error_type"] == "internal" and CANARY not in str(answers)


def test_real_scores_do_not_depend_on_the_batch(real):
    texts = [text for text in TEXTS.values() if text.strip()] * 2
    alone = [real.engine.answer("detect", [(text, 0.3, 1)])[0] for text in texts]
    together = in_threads(len(texts), lambda i: real.post("/detect", {"inputs": texts[i], "threshold": 0.3}))
    for mine, (status, answer) in zip(alone, together, strict=True):
        assert status == 200
        for a, b in zip(mine, answer["results"][0], strict=True):
            assert abs(a["replaced"] - b["replaced"]) < 2e-4 and a["text"] == b["text"]


# -- the fault table ---------------------------------------------------------------------------------------------------


def test_overload_is_refused_at_once_and_admitted_requests_are_answered():
    """Row 20."""
    with Running(Words(0.3), max_queue=4, max_items=4, max_batch_tokens=1) as running:
        started = in_threads(12, lambda i: timed(running, {"inputs": "a"} if i % 2 else {"inputs": ["a", "b"]}))
        codes = sorted(status for status, _, _ in started)
        assert set(codes) == {200, 429} and codes.count(200) >= 2
        for status, headers, seconds in started:
            if status == 429:
                assert int(headers["retry-after"]) >= 1 and seconds < 0.25


def full(monkeypatch, running):
    """Make a server's queue full."""

    def admit(count=1):
        raise Overloaded(2.5)

    monkeypatch.setattr(running.service.batcher, "admit", admit)


def question(**headers):
    body = json.dumps({"inputs": "a " * 90}).encode()
    lines = {"host": "a", "content-type": "application/json", "content-length": len(body)} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"POST /detect?a=b HTTP/1.1\r\n{head}\r\n".encode() + body


def test_a_full_queue_is_answered_429_and_the_connection_stays_open(monkeypatch):
    with Running(Words()) as running, monkeypatch.context() as patch:
        full(patch, running)
        status, headers, raw = running.ask("POST", "/detect", json.dumps({"inputs": "a"}))
        assert status == 429 and headers["retry-after"] == "3" and json.loads(raw)["error_type"] == "overloaded"
        assert headers["x-content-type-options"] == "nosniff" and headers.get_all("date")
        assert running.get("/health")[0] == running.get("/metrics")[0] == 200
        assert b'electra_requests_total{code="429",route="/detect"} 1.0' in running.get("/metrics")[1]
        with running.connect(b"") as connection:
            for data in (question(), question() + question(), question()[:-5], question()[-5:]):
                connection.sendall(data)
            answers = read_until(connection, lambda data: data.count(b"HTTP/1.1 429") == 4)
            assert answers.count(b"HTTP/1.1 ") == 4 and b"error_type" in answers
            patch.undo()
            connection.sendall(question())
            assert b"HTTP/1.1 200" in read_until(connection, lambda data: b"offset_encoding" in data)


def test_a_refusal_does_not_wait_for_the_body(monkeypatch):
    with Running(Words()) as running, monkeypatch.context() as patch:
        full(patch, running)
        head, _, body = question().partition(b"\r\n\r\n")
        with running.connect(head + b"\r\n\r\n") as connection:
            assert b"HTTP/1.1 429" in read_until(connection, lambda data: b"error_type" in data)
            patch.undo()
            connection.sendall(body + question())  # the rest of the refused request is skipped
            assert b"HTTP/1.1 200" in read_until(connection, lambda data: b"offset_encoding" in data)


def test_a_full_queue_hides_no_other_refusal(monkeypatch):
    with Running(Words(), key="k", max_body_bytes=1000) as running:
        full(monkeypatch, running)
        assert running.post("/detect", {"inputs": "a"})[0] == 401
        assert running.post("/detect", {"inputs": "a"}, authorization="Bearer k")[0] == 429
        status, answer = running.post("/detect", {"inputs": "a" * 2000}, authorization="Bearer k")[:2]
        assert status == 413 and "at most 1,000 bytes here (max_body_bytes)" in str(answer)
        assert running.get("/nowhere", authorization="Bearer k")[0] == 404
        with running.connect(question(authorization="Bearer k", expect="100-continue")) as connection:
            assert b"HTTP/1.1 429" in read_until(connection, lambda data: b"error_type" in data)
        old = question(authorization="Bearer k", connection="keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")
        with running.connect(old) as connection:
            answer = read_until(connection, lambda data: False)  # to the end: it is closed
            assert answer.count(b"HTTP/1.1 429") == 1 and answer.count(b"connection: close") <= 1
        with running.connect(question(authorization="Bearer k", connection="close")) as connection:
            data = read_until(connection, lambda data: False)
            assert data.count(b"HTTP/1.1 429") == 1 and b"connection: close" in data


def test_refusals_that_nobody_reads_are_not_kept(monkeypatch):
    with Running(Words(), deadline=1, drain_seconds=1) as running:
        full(monkeypatch, running)
        connection = running.connect(b"")
        with connection, pytest.raises(OSError):
            for _ in range(100_000):
                connection.sendall(question())


def read_until(connection, enough):
    """Receive until `enough` or the other side closes."""
    data = b""
    connection.settimeout(10)
    while not enough(data) and (part := connection.recv(65536)):
        data += part
    return data


def timed(running, content):
    start = time.perf_counter()
    status, headers, _ = running.ask("POST", "/detect", json.dumps(content), {"content-type": "application/json"})
    return status, headers, time.perf_counter() - start


def test_health_and_metrics_answer_under_load_and_expired_jobs_are_dropped():
    with Running(Words(0.5), max_batch_tokens=1, deadline=0.7) as running:
        running.service.batcher.rate = 0.0  # as on a server that has not measured its speed yet
        late = threading.Thread(
            target=in_threads, args=(6, lambda i: codes.append(running.post("/detect", {"inputs": "a"})[0]))
        )
        codes = []
        late.start()
        wait_until(lambda: len(running.service.batcher.queue) >= 3)
        asked = len(running.engine.batches)
        assert running.get("/health")[0] == 200 and b"electra_queue_size" in running.get("/metrics")[1]
        late.join(20)
        assert set(codes) <= {200, 429, 504} and 504 in codes
        assert len(running.engine.batches) - asked <= 3, "expired jobs never reach the model"


def test_a_long_request_gives_way_to_short_ones_and_does_not_expire():
    with Running(Words(0.05), max_batch_tokens=1, deadline=0.5) as running:
        done = []
        long = threading.Thread(target=lambda: done.append(running.post("/detect", {"inputs": ["a"] * 30})[0]))
        long.start()
        wait_until(lambda: len(running.service.batcher.queue) > 20)
        start = time.monotonic()
        assert running.post("/detect", {"inputs": "b"})[0] == 200
        assert time.monotonic() - start < 0.4 and not done
        long.join(20)
        assert done == [200], "a request that has begun is finished, though it takes longer than the deadline"


def test_a_request_that_takes_too_long_is_told_before_its_connection_is_cut():
    """On a machine busy with other work 200,000 characters took longer than a minute, and got no answer at all."""
    with Running(Words(0.1), max_batch_tokens=1, deadline=0.02, drain_seconds=0.3) as running:
        status, answer = running.post("/detect", {"inputs": ["a"] * 30})
        assert status == 504 and "send less" in str(answer)


def test_suggestions_are_bounded_and_it_is_said(real):
    text = "the quick fox jumps over the lazy dog " * 30
    status, answer = real.post("/detect", {"inputs": [text, "the fox"], "threshold": 0})
    words = [word for word in answer["results"][0] if word["marked"]]
    most = real.config.max_suggested
    assert status == 200 and len(words) == 240 and answer["without_suggestions"] == [240 - most, 0]
    suggested = [word["replaced"] for word in words if word["suggestions"]]
    assert len(suggested) == most and min(suggested) >= sorted(word["replaced"] for word in words)[-most]
    assert real.post("/detect", {"inputs": text, "threshold": 0, "suggestions": 0})[1]["without_suggestions"] == [0]


def test_a_text_that_would_wait_too_long_is_not_admitted():
    import asyncio

    from electra.server.batching import Job, Ticket

    async def main():
        batcher = Batcher(Words(), 8, 100, deadline=2.0)
        batcher.admit(50)
        batcher.rate, batcher.ahead = 10.0, 30
        batcher.admit()  # the queue is empty: even a long text is admitted
        batcher.queue[Job("detect", "", 30, Ticket(0.0))] = None
        with pytest.raises(Overloaded) as refused:
            batcher.admit()
        assert refused.value.seconds == 3.0

    asyncio.run(main())


def test_clients_that_go_away_leave_the_queue():
    """Row 21."""
    with Running(Words(0.3), max_batch_tokens=1) as running:
        body = json.dumps({"inputs": "a"}).encode()
        head = (
            f"POST /detect HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        made = [running.connect(head.encode() + body) for _ in range(40)]
        wait_until(lambda: len(running.service.batcher.queue) > 30)
        asked = len(running.engine.batches)
        for connection in made:
            connection.close()
        wait_until(lambda: not running.service.batcher.queue, seconds=2)
        assert running.post("/detect", {"inputs": "a"})[0] == 200
        assert len(running.engine.batches) - asked < 5
        assert running.service.batcher.ahead == 0


@pytest.mark.parametrize(
    "start",
    [b"", b"G", b"POST /detect HTTP/1.1\r\nhost: a\r\n",
     b"POST /detect HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
     b"POST /detect HTTP/1.1\r\ncontent-length: 9999999999\r\n\r\n{",
     b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"],
)  # fmt: skip
def test_slow_clients_are_cut_off(start):
    """Row 22."""
    with Running(Words(), idle_seconds=0.6, receive_seconds=0.9) as running:
        made = [running.connect(start) for _ in range(30)]
        begin = time.monotonic()
        assert running.post("/detect", {"inputs": "a"})[0] == 200
        for connection in made:
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
        assert 0.4 < time.monotonic() - begin < 4
        wait_until(lambda: not running.server.server_state.connections)


def test_a_drip_buys_no_time():
    with Running(Words(), idle_seconds=1, receive_seconds=1.2) as running:
        connection = running.connect(b"POST /detect HTTP/1.1\r\nhost: a\r\nx-a: ")
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(b"a")
                time.sleep(0.1)
        assert time.monotonic() - begin < 4


def test_connections_beyond_the_limit_are_closed():
    with Running(Words(), max_connections=5, idle_seconds=1) as running:
        made = [running.connect() for _ in range(8)]
        wait_until(lambda: len(running.server.server_state.connections) <= 5)
        assert sum(closed(connection) for connection in made) >= 3
        wait_until(lambda: not running.server.server_state.connections)
        assert running.get("/health")[0] == 200


def closed(connection):
    connection.settimeout(0.3)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize(
    "head",
    [b"GET / HTTP/1.1\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"a" * 80_000,
     b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", b"\x16\x03\x01 no HTTP at all\r\n\r\n"],
)  # fmt: skip
def test_long_heads_and_other_protocols_get_a_400(server, head):
    connection = server.connect(head)
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    assert b"400 Bad Request" in received and b'"error_type": "bad_request"' in received


def test_too_large_is_refused_before_it_is_read(server):
    """Row 23."""
    head = b"POST /detect HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    connection = server.connect(head + b"content-length: 1000000000\r\n\r\n")
    assert b" 413 " in connection.recv(65536)
    chunks = server.connect(head + b"transfer-encoding: chunked\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(20):
            chunks.sendall(b"2710\r\n" + b"[" * 10_000 + b"\r\n")
    answer = chunks.recv(65536)
    with contextlib.suppress(ConnectionError, TimeoutError):
        chunks.settimeout(1)
        answer += chunks.recv(65536)
    assert b" 413 " in answer and b'"error_type": "too_large"' in answer
    assert b"bytes here (max_body_bytes)" in answer


def test_what_is_too_large_takes_no_memory():
    """Row 23: 64 MB arrive in chunks and are not kept."""
    psutil = pytest.importorskip("psutil")
    with Running(Words()) as running:
        before = psutil.Process().memory_info().rss
        for _ in range(8):
            connection = running.connect(b"POST /detect HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
            with contextlib.suppress(OSError):
                for _ in range(8):
                    connection.sendall(b"100000\r\n" + b"[" * (1 << 20) + b"\r\n")
            connection.close()
        wait_until(lambda: not running.server.server_state.connections)
        assert psutil.Process().memory_info().rss - before < 24e6, "one body of 8 MB, a copy, and the client's own"
        assert running.post("/detect", {"inputs": "a"})[0] == 200


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"inputs": "a" * 1001}, 413),
        ({"inputs": ["a"] * 9}, 422),
        ({"inputs": []}, 422),
        ({"inputs": 5}, 422),
        ({"inputs": ["a", None]}, 422),
        ({"inputs": "a\ud800"}, 422),
        ({"inputs": "a", "threshold": 2}, 422),
        ({"inputs": "a", "threshold": CANARY}, 422),
        ({"inputs": "a", CANARY: 1}, 422),
        ({"inputs": {CANARY: CANARY}}, 422),
        ({"inputs": "a", "suggestions": 99}, 422),
        ({}, 422),
        ([], 422),
        ("", 422),
        ("null", 422),
        (b'{"inputs": "a", "threshold": NaN}', 400),
        (b'{"inputs": "a", "threshold": 1e999}', 422),
        (b'{"inputs": "a", "suggestions": ' + b"9" * 5000 + b"}", 400),
        (b'{"inputs": "a", "inputs": "b"}', 400),
        (b"[" * 90_000, 400),
        (b'{"inputs": "\xff"}', 400),
        (b"\x00", 400),
        (CANARY, 400),
    ],
)
def test_bad_bodies_get_one_form_of_error(server, content, code):
    """Row 24."""
    status, answer = server.post("/detect", content)
    assert status == code and answer.keys() == {"error", "error_type", "code"} and answer["code"] == code
    assert CANARY not in str(answer)


@pytest.mark.parametrize("text", ["", "   \n", "\x00", "a\x00b", "\u202e\u200b", "😀" * 100])
def test_odd_texts_are_answered(server, real, text):
    assert server.post("/detect", {"inputs": text})[0] == 200
    assert real.post("/detect", {"inputs": text})[0] == 200
    assert real.check(text=text)[0] == 200


def test_other_content_and_other_addresses(server):
    assert server.ask("POST", "/detect", "a", {"content-type": "text/plain"})[0] == 415
    assert server.ask("POST", "/v2/check", "{}", {"content-type": "application/json"})[0] == 415
    assert server.ask("PUT", "/detect")[0] == 405 and server.ask("PUT", "/detect")[1]["allow"] == "POST"
    for path in ("/..%2f..%2fetc/passwd", "/page/../../../etc/passwd", "/static/..%5c..%5cx", "/page.js/..",
                 "//etc/passwd", "/%00", "/app.py", "/" + CANARY):  # fmt: skip
        """Row 31."""
        status, _, raw = server.ask("GET", path)
        assert status == 404 and json.loads(raw)["error_type"] == "not_found" and CANARY.encode() not in raw


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\x", "file:///etc/passwd", CANARY])
def test_the_name_of_a_model_is_no_path(real, name):
    """Row 31: OpenAI's clients send one; it opens no file and no answer repeats it."""
    status, answer = real.post("/v1/embeddings", {"input": "the fox", "model": name})
    assert status == 200 and answer["model"] == "small" and name not in str(answer)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>x", "<img src=x onerror=alert(1)>", '"><svg/onload=x>'])
def test_markup_comes_back_as_json_that_no_browser_takes_for_a_page(server, text):
    """Row 34; in a real browser: test_page.py."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    for path, body, headers in (
        ("/detect", json.dumps({"inputs": text}), {"content-type": "application/json"}),
        ("/v2/check", urlencode({"text": text}), form),
        ("/v2/check", urlencode({"language": text, "text": "a"}), form),
        ("/" + quote(text, safe=""), "", {}),
    ):
        status, said, raw = server.ask("POST", path, body, headers)
        assert said["content-type"].startswith(("application/json", "text/plain"))
        assert said["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in said["content-security-policy"]
        assert status == 200 or text.encode() not in raw


def test_a_dead_or_hung_thread_shows_in_health():
    """Row 26."""
    with Running(Words()) as running:
        batcher = running.service.batcher
        batcher.busy_since = time.monotonic() - 61
        assert running.get("/health")[0] == 503
        batcher.busy_since = 0.0
        assert running.get("/health")[0] == 200
        batcher.stopping = True
        with batcher.changed:
            batcher.changed.notify()
        batcher.thread.join(5)
        assert running.get("/health")[0] == 503


OLD_CPU = """
import json, sys
import torch, electra
assert torch.backends.cpu.get_cpu_capability() == "DEFAULT", torch.backends.cpu.get_cpu_capability()
print(json.dumps([word.replaced for word in electra.load(sys.argv[1], threads=1).detect(sys.argv[2])]))
"""


def test_a_cpu_without_vector_units_gives_the_same_answers(real, folder):
    """Row 37, as far as torch can be told to ignore newer instructions."""
    old = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
    done = subprocess.run(
        [sys.executable, "-c", OLD_CPU, str(folder), TEXTS["plain"]],
        env=os.environ | old, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    expected = [word.replaced for word in real.engine.model.detect(TEXTS["plain"])]
    assert json.loads(done.stdout) == pytest.approx(expected, abs=1e-5)


def test_cpus_are_those_of_the_container(tmp_path, monkeypatch):
    """Row 29."""
    allowed = len(os.sched_getaffinity(0))
    for said, threads in (
        ("100000 100000", 1),
        ("max 100000", allowed),
        ("9900000 100000", allowed),
        ("10000 100000", 1),
    ):
        (tmp_path / "cpu.max").write_text(said)
        monkeypatch.setattr(serve_module, "CPU_MAX", tmp_path / "cpu.max")
        assert serve_module.cpu_share() == threads
    monkeypatch.setattr(serve_module, "CPU_MAX", tmp_path / "none")
    assert serve_module.cpu_share() == allowed


def test_a_key_is_asked_for_and_never_told(capsys):
    """Rows 32 and 33."""
    with Running(Words(), key=CANARY) as running:
        for path in ("/", "/page.js", "/health", "/ready", "/v2/languages", "/v2/info"):
            assert running.get(path)[0] == 200
        answers = [running.get(path) for path in ("/info", "/metrics", "/openapi.json", "/none")]
        answers += [
            running.get("/info", authorization=f"Bearer {CANARY[:-1]}"),
            running.get("/info", authorization="é"),
        ]
        answers += [running.post(path, {"inputs": "a"}) for path in MODEL_PATHS if path != "/v2/check"]
        answers += [running.check(text="a"), running.check(text="a", username="me", apiKey="no")]
        assert {status for status, _ in answers} == {401}
        key = f"Bearer {CANARY}"
        assert running.post("/detect", {"inputs": "a"}, authorization=key)[0] == 200
        assert running.get("/metrics", authorization=key)[0] == 200
        assert CANARY not in str(answers) + str(running.get("/info", authorization=key))
    assert CANARY not in "".join(capsys.readouterr())


def test_a_key_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ELECTRA_API_KEY", "env")
    assert serve_module.read_key(ServeConfig()) == "env"
    (tmp_path / "key").write_text("file\n")
    assert serve_module.read_key(ServeConfig(api_key_file=str(tmp_path / "key"))) == "file"
    for content, said in (("", "is empty"), (None, "no such file")):
        path = tmp_path / ("none" if content is None else "key")
        path.write_text(content) if content is not None else None
        with pytest.raises(ValueError, match=said):
            serve_module.read_key(ServeConfig(api_key_file=str(path)))


def test_a_key_is_compared_in_constant_time_and_no_flag_holds_it(monkeypatch):
    """Row 32: a flag would show in the list of processes."""
    compared = []
    monkeypatch.setattr("electra.server.key.hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    with Running(Words(), key=CANARY) as running:
        assert running.get("/info", authorization="Bearer wrong")[0] == 401
    assert (b"wrong", CANARY.encode()) in compared
    assert [name for name in ServeConfig.__dataclass_fields__ if "key" in name] == ["api_key_file"]


def test_what_is_open_to_the_network_is_said(monkeypatch, capsys):
    """Row 33."""
    assert ServeConfig().host == "127.0.0.1"
    monkeypatch.delenv("ELECTRA_API_KEY", raising=False)
    with pytest.raises(ValueError, match="no such folder"):
        serve_module.serve(ServeConfig(model="none", host="0.0.0.0"))
    assert "open to the network" in capsys.readouterr().err


def test_a_public_site_may_ask_a_server_on_its_visitors_machine():
    """Chromium asks first, for a private network too."""
    preflight = {
        "access-control-request-method": "POST", "access-control-request-private-network": "true",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
    }  # fmt: skip
    with Running(Words(), key="k", allow_origins=("https://a.example",)) as running:
        for origin, allowed in (("https://a.example", 200), ("https://b.example", 400)):
            for path in ("/v2/check", "/detect"):
                status, headers, _ = running.ask("OPTIONS", path, headers={"origin": origin, **preflight})
                assert status == allowed
                assert headers["access-control-allow-origin"] == (origin if allowed == 200 else None)
                if allowed == 200:
                    assert headers["access-control-allow-private-network"] == "true"
                    assert "x-stainless-os" in headers["access-control-allow-headers"]


def test_other_sites_may_ask_only_where_allowed():
    with Running(Words(), docs=False, allow_origins=("https://a.example",)) as running:
        for origin, allowed in (("https://a.example", "https://a.example"), ("https://b.example", None)):
            _, headers, _ = running.ask("GET", "/info", headers={"origin": origin})
            assert headers["access-control-allow-origin"] == allowed
        assert running.get("/docs")[0] == running.get("/openapi.json")[0] == 404
    with Running(Words(), key="k") as running:
        assert (
            running.ask("GET", "/health", headers={"origin": "https://a.example"})[1]["access-control-allow-origin"]
            is None
        )


def test_texts_are_not_logged(capfd):
    with Running(Words()) as running:
        for text in (CANARY, f"BAD {CANARY}"):
            running.post("/detect", {"inputs": text})
            running.check(text=text)
        running.get(f"/{CANARY}?{CANARY}")
        running.connect(CANARY.encode() + b"\r\n\r\n").recv(9999)
    said = capfd.readouterr()
    assert CANARY not in said.out + said.err


def serving(folder, *flags):
    """A server in a process of its own, and its port."""
    command = [sys.executable, "-m", "electra", "serve", str(folder), "--port", "0", "--threads", "1", *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    line = process.stderr.readline()
    return process, int(re.search(r"serving small at http://127.0.0.1:(\d+)", line).group(1))


def test_the_start_says_what_is_served_how_much_it_takes_and_how_to_stop_it(folder):
    engine = ModelEngine(electra.load(folder, threads=1), "small")
    lines = serve_module.greeting(engine, ServeConfig(max_items=9), 2, "http://127.0.0.1:8000")
    assert lines[0] == "serving small at http://127.0.0.1:8000 (Ctrl-C stops it)"
    assert "torch on 2 threads" in lines[1] and "/detect" in lines[1] and "/predict" not in lines[1]
    assert "9 texts" in lines[2] and max(map(len, lines)) <= 80


@pytest.mark.parametrize("path, name", {"runs/mine": "mine", "runs/mine/model": "mine", "/model": "model"}.items())
def test_a_model_is_named_after_its_folder_or_its_run(path, name):
    assert serve_module.folder_name(path) == name


def test_an_abort_of_the_process_is_seen_from_outside(folder):
    """Row 26: a dead server has an exit code on which a supervisor restarts it; the next one is ready soon."""
    for _ in range(2):
        process, port = serving(folder)
        client = Running.__new__(Running)
        client.port = port
        wait_until(lambda client=client: ready(client))
        process.send_signal(signal.SIGSEGV)
        assert process.wait(10) == -signal.SIGSEGV
        with pytest.raises(OSError):
            client.get("/health")


def test_a_stopped_server_answers_what_it_has_and_exits_well(folder):
    """Row 27."""
    process, port = serving(folder, "--deadline", "60")
    client = Running.__new__(Running)
    client.port = port
    wait_until(lambda: ready(client))
    words = "the quick fox jumps over the lazy dog " * 200
    content = json.dumps({"inputs": [words] * 2, "threshold": 0})
    headers = {"content-type": "application/json"}
    answers = []

    def ask():
        answers.append(client.ask("POST", "/detect", content, headers, timeout=60)[0])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert process.wait(60) == 0 and answers == [200] * 3
    with pytest.raises(OSError):
        client.get("/health")


@pytest.mark.parametrize(("flags", "signals"), [(("--drain-seconds", "1"), 1), ((), 2)])
def test_a_server_that_stops_before_it_has_answered_says_so_without_a_traceback(folder, flags, signals):
    process, port = serving(folder, "--deadline", "600", *flags)
    client = Running.__new__(Running)
    client.port = port
    wait_until(lambda: ready(client))
    content = json.dumps({"inputs": ["the quick fox jumps over the lazy dog " * 500] * 9, "threshold": 0})
    answers = []

    def ask():
        with contextlib.suppress(OSError):
            answers.append(client.ask("POST", "/detect", content, {"content-type": "application/json"}, timeout=60)[0])

    asking = [threading.Thread(target=ask) for _ in range(40)]  # more work than any machine does in two seconds
    for thread in asking:
        thread.start()
    for _ in range(signals):
        time.sleep(0.7)
        process.send_signal(signal.SIGTERM)
    for thread in asking:
        thread.join(60)
    assert process.wait(60) == 0 and set(answers) <= {200, 503}
    assert 503 in answers if signals == 1 else len(answers) < len(asking)
    assert "Traceback" not in process.stderr.read()


def ready(client):
    with contextlib.suppress(OSError):
        return client.get("/ready")[0] == 200


def test_a_taken_port_is_said(server):
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        serve_module.listen(ServeConfig(port=server.port))


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70_000},
        {"deadline": 0.0},
        {"max_queue": 8},
        {"languages": ()},
        {"languages": ("runs/mine",)},
        {"languages": ("en!",)},
        {"threads": -1},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ServeConfig(**wrong)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_stays_flat():
    """Row 28."""
    psutil = pytest.importorskip("psutil")
    with Running(Words()) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
        sizes = []
        for number in range(20_000):
            body = json.dumps({"inputs": "ax b " * (number % 60 + 1)})
            connection.request("POST", "/detect", body, {"content-type": "application/json"})
            connection.getresponse().read()
            if number % 5000 == 4999:
                running.engine.batches.clear()
                sizes.append(psutil.Process().memory_info().rss)
        assert sizes[-1] < 1.05 * sizes[0], sizes
