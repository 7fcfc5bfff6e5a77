"""Detection: every word of any text, at its place, with suggestions that differ from it; and what `load` accepts."""

import html
import io
import json
import random
import re
import shutil
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import MODEL, sentences, tiny_config, tiny_tokenizer, write_data

import electra
from electra.checkpoints.huggingface import save_network
from electra.cli import main, verbs
from electra.config import DemoConfig, DetectConfig
from electra.demo import demo
from electra.inference.detect import detect
from electra.inference.detector import Detector, Query, detect_texts, likeliest, other_words, token_scores, words_of
from electra.models.electra.encoder import Encoder
from electra.models.electra.initialisation import initialise_randomly
from electra.models.heads import Discriminator, MaskedLM
from electra.pretraining.run import pretrain
from electra.text.normalisation import of_bert
from electra.text.pieces import spans_in_text
from electra.text.words import exempt, fit_case

LENGTH = 24
TEXTS = {
    "plain": "the quick fox jumps over the lazy dog",
    "emoji": "The fox 😀 jumps 👨‍👩‍👧 over ❤️ the 🇫🇷 dog",
    "accents": "naïve Café À la carte, Ångström İstanbul ß",
    "combining marks": "cafe\u0301 nai\u0308ve e\u0301te\u0301, \u0301x",
    "line ends": "the fox\r\njumps over\r\n\r\nthe\tdog\x0b\u2028over",
    "spaces": "  the   fox\u00a0jumps\u3000over  ",
    "right to left": "שלום עולם the مَرحَبًا fox",
    "hindi and chinese": "नमस्ते दुनिया 東京 is fox",
    "punctuation": "don't -- stop! (really?) a_b 3.14 x@y.z",
    "odd characters": "a\u200bb \ufeff c\x00d \x1b[31m \ufffd",
    "compatibility": "ﬁne ① ｆｏｘ",
    "special tokens": "the [MASK] fox [SEP] jumps",
    "a word of 250 letters": "x" * 250 + " fox",
}


INVISIBLE = "\u0301\u200b\ufeff\x00\x1b\ufffd \t\r\n\x0b\u2028\u00a0\u3000"


def build(kind, folder):
    """A model with random weights, large enough to disagree with itself."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer(kind)
    config = replace(MODEL, vocab_size=tokenizer.vocab_size, pad_token_id=tokenizer.pad_id)
    networks = Discriminator(Encoder(config)), MaskedLM(Encoder(config))
    for network in networks:
        initialise_randomly(network, 0.5)
    save_network(folder, networks[0], tokenizer, LENGTH, detection_threshold=0.25)
    save_network(folder / "generator", networks[1], tokenizer, LENGTH)
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    made = {}
    for kind in ("wordpiece", "bpe", "unigram"):
        made[kind] = build(kind, tmp_path_factory.mktemp(kind))
    return made


@pytest.fixture(scope="session")
def models(folders):
    return {kind: electra.load(folder) for kind, folder in folders.items()}


KINDS = pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])


# -- words and their places --------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("name", TEXTS)
def test_words_stand_where_they_say_and_nothing_visible_is_left_out(models, kind, name):
    text = TEXTS[name]
    words = models[kind].detect(text)
    end = 0
    for word in words:
        assert end <= word.start < word.end <= len(text)
        assert word.text == text[word.start : word.end]
        assert not any(c.isspace() for c in word.text)
        assert 0 <= word.replaced <= 1
        assert text[end : word.start].strip(INVISIBLE) == ""
        end = word.end
    assert text[end:].strip(INVISIBLE) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The fox's  café.", ["The", "fox", "'", "s", "café", "."]),
        ("cafe\u0301 nai\u0308ve", ["cafe\u0301", "nai\u0308ve"]),  # a stripped accent belongs to its word
        ("one\r\ntwo\tthree", ["one", "two", "three"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
    ],
)
def test_the_words_of_a_wordpiece_model(models, text, words):
    assert [word.text for word in models["wordpiece"].detect(text)] == words


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_other_tokenisers_give_words_without_the_space_before_them(models, kind):
    for text in ("the fox jumps", " the  fox\njumps", "the\tfox\r\n\r\njumps "):
        words = models[kind].detect(text)
        assert [word.text for word in words] == ["the", "fox", "jumps"]
    assert [word.text for word in models[kind].detect("cafe\u0301 fox")] == ["cafe\u0301", "fox"]


@KINDS
@pytest.mark.parametrize("text", ["", " ", "\r\n\t  \n"])
def test_nothing_has_no_words(models, kind, text):
    assert models[kind].detect(text) == []


@KINDS
def test_line_ends_change_no_score(models, kind):
    plain, broken = (models[kind].detect(text) for text in ("the fox jumps over", "the fox\njumps\rover"))
    assert [word.replaced for word in plain] == [word.replaced for word in broken]


def test_half_a_surrogate_pair_is_refused(models):
    with pytest.raises(ValueError, match="half a surrogate pair at character 4"):
        models["wordpiece"].detect("the \ud83d fox")


# -- long texts --------------------------------------------------------------------------------------------------------


@KINDS
def test_every_word_of_a_long_text_is_scored(models, kind):
    text = " . ".join(sentences(80, seed=3))  # a Unigram model counts a full stop without a space to the word before
    words = models[kind].detect(text)
    assert [word.text for word in words if word.text != "."] == text.replace(".", "").split()
    assert len({round(word.replaced, 6) for word in words}) > len(words) / 2


@pytest.mark.parametrize("count", [1, LENGTH - 3, LENGTH - 2, LENGTH - 1, LENGTH, 2 * LENGTH + 1, 301])
def test_a_token_is_scored_where_it_has_most_context(models, count):
    model = models["wordpiece"]
    ids = torch.randint(5, 100, (count,), generator=torch.Generator().manual_seed(count)).tolist()
    (scores,), size = token_scores(model, [ids]), LENGTH - 2
    assert len(scores) == count
    if count <= size:
        assert scores == model.replaced([model.row(ids)])[0][1:-1].tolist()
        return
    for position in random.Random(0).sample(range(count), 8):
        windows = [s for s in range(0, count, size // 2) if s <= position < s + size]
        seen = {s: model.replaced([model.row(ids[s : s + size])])[0][1 + position - s].item() for s in windows}
        nearest = min(abs(scores[position] - score) for score in seen.values())
        assert nearest < 1e-6
        inner = [s for s in windows if s + size < count and s > 0 and size // 4 < position - s < size - 1 - size // 4]
        if inner:  # in the middle of a window: that is the one
            assert abs(scores[position] - seen[inner[0]]) < 1e-6


def test_of_two_windows_with_as_much_context_the_shorter_decides(models, monkeypatch):
    model, size = models["wordpiece"], LENGTH - 2
    monkeypatch.setattr(model, "replaced", lambda rows: [np.full(len(row), float(len(row))) for row in rows])
    count = size + size // 2 - 1  # the last window is one token shorter than the first, and holds the text's end
    (scores,) = token_scores(model, [list(range(10, 10 + count))])
    tied = [n for n in range(size // 2, size) if size - 1 - n == n - size // 2]
    assert tied and all(scores[n] == count - size // 2 + 2 for n in tied)


def test_rows_of_a_batch_do_not_see_each_other(models):
    model = models["wordpiece"]
    rows = [model.row(list(range(10, 10 + n))) for n in (3, 20, 7)] * 20
    together = model.replaced(rows)
    assert [len(scores) for scores in together] == [len(row) for row in rows]
    for row, scores in list(zip(rows, together, strict=True))[:3]:
        np.testing.assert_allclose(model.replaced([row])[0], scores, rtol=1e-5, atol=1e-6)


# -- suggestions -------------------------------------------------------------------------------------------------------


@KINDS
def test_suggestions_are_other_words_and_each_comes_once(models, kind):
    text = "The Quick fóx jumps over the lazy dog, and small café cooks eat meal with naïve walker"
    words = models[kind].detect(text, threshold=0.0, suggestions=5)
    assert sum(bool(word.suggestions) for word in words) > len(words) / 2
    for word in words:
        lower = [s.lower() for s in word.suggestions]
        assert word.text.lower() not in lower
        assert len(set(word.suggestions)) == len(word.suggestions) <= 5
        assert all(s[0].isalpha() and " " not in s for s in word.suggestions)


def test_a_word_without_its_accents_is_no_suggestion_for_it_where_they_are_stripped(models, monkeypatch):
    model = models["wordpiece"]
    assert other_words(model, "Café", ["cafe", "café", "fox"]) == ["Cafe", "Fox"]
    monkeypatch.setattr(model.tokenizer.backend, "normalizer", of_bert(lowercase=True))
    assert other_words(model, "Café", ["cafe", "café", "fox"]) == ["Fox"]


def test_the_generator_reads_the_text_around_with_the_word_masked(models, monkeypatch):
    model, asked = models["wordpiece"], []
    propose = Detector.propose
    monkeypatch.setattr(Detector, "propose", lambda self, *args: asked.append(args) or propose(self, *args))
    text = " ".join(sentences(30, seed=4))
    words = model.detect(text, threshold=0.0)
    ids, mask = model.tokenizer.encode(text).ids, model.tokenizer.mask_id
    ((rows, positions, _),) = asked
    assert len(rows) == len(words)
    for row, position in zip(rows, positions, strict=True):
        assert len(row) <= LENGTH and row.count(mask) == 1 and row[position] == mask
        assert row[0] == model.tokenizer.cls_id and row[-1] == model.tokenizer.sep_id
    assert rows[0][2:-1] == ids[1:][: len(rows[0]) - 3]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_pieces_of_words_are_not_suggested(models, kind, monkeypatch):
    model = models[kind]
    backend = model.tokenizer.backend
    mark = "Ġ" if kind == "bpe" else "▁"
    whole = next(i for t, i in backend.get_vocab().items() if t.startswith(mark) and t[1:].isalpha())
    piece = next(i for t, i in backend.get_vocab().items() if t.isalpha() and t.isascii() and len(t) > 1)
    monkeypatch.setattr(Detector, "propose", lambda self, rows, *_: np.array([[piece, whole]] * len(rows)))
    word = model.detect("the zzz", threshold=0.0)[1]
    assert word.suggestions == (backend.id_to_token(whole)[1:],)


def test_the_likeliest_are_those_of_a_full_sort():
    logits = np.random.default_rng(0).permutation(5000).reshape(5, 1000).astype(np.float32)
    for count in (1, 7, 1000):
        assert (likeliest(logits, count) == np.argsort(-logits, -1)[:, :count]).all()


def test_only_marked_words_get_suggestions(models, folders):
    model = models["wordpiece"]
    words = model.detect(TEXTS["plain"])
    assert model.threshold == 0.25
    assert {bool(w.suggestions) for w in words if w.replaced < 0.25} <= {False}
    assert all(not w.suggestions for w in model.detect(TEXTS["plain"], threshold=0.0, suggestions=0))
    alone = Detector(model.session, model.tokenizer, LENGTH, threshold=0.0)
    assert not any(w.suggestions for w in alone.detect("the fox"))
    with pytest.raises(ValueError, match="no generator"):
        alone.propose([[2, 4, 3]], [1], 1)


def test_encode_means_over_tokens_and_not_over_padding(models):
    model = models["wordpiece"]
    vectors = model.encode(["the fox", "the fox jumps over the lazy dog", ""])
    assert vectors.shape == (3, MODEL.hidden_size)
    assert abs(vectors[0] - model.encode(["the fox"])[0]).max() < 1e-5
    assert model.encode([]).shape == (0, MODEL.hidden_size)


# -- the command -------------------------------------------------------------------------------------------------------


def test_json_has_a_line_a_file_in_which_offsets_hold(folders, tmp_path, capsys):
    texts = {"a.txt": "The fox 😀\r\njumps", "b.txt": "\ufeffthe café", "empty.txt": ""}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode())
    files = tuple(str(tmp_path / name) for name in texts)
    verbs.detect(DetectConfig(str(folders["wordpiece"]), files, format="json", threshold=0.5))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == list(files)
    for line, text in zip(lines, texts.values(), strict=True):
        text = text.removeprefix("\ufeff")
        assert [word["text"] for word in line["words"]] == text.split()
        for word in line["words"]:
            assert text[word["start"] : word["end"]] == word["text"]
            assert word["marked"] == (word["replaced"] >= 0.5 and not word["exempt"])
    assert lines[0]["words"][2]["exempt"]


def test_the_page_holds_the_text_and_no_markup_from_it(folders, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("the <script>alert('x')</script> & \"fox\"\n")
    verbs.detect(
        DetectConfig(
            str(folders["wordpiece"]), (str(tmp_path / "a.txt"),), threshold=0.0, html=str(tmp_path / "a.html")
        )
    )
    page = (tmp_path / "a.html").read_text()
    assert "<script" not in page and "http" not in page
    paragraph = re.search(r'<p class="text">(.*?)</p>', page, re.S).group(1)
    assert html.unescape(re.sub(r"<[^>]*>", "", paragraph)) == "the <script>alert('x')</script> & \"fox\"\n"
    assert paragraph.count('class="marked"') == 2 < len(re.findall("<span", paragraph))
    assert "suggestions: " in paragraph


def test_the_text_is_printed_with_marks_that_show_without_colour(folders, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("the fox [bold]jumps[/bold]\n")
    file = str(tmp_path / "a.txt")
    verbs.detect(DetectConfig(str(folders["wordpiece"]), (file,), threshold=1.0))
    assert capsys.readouterr().out == "the fox [bold]jumps[/bold]\n"
    verbs.detect(DetectConfig(str(folders["wordpiece"]), (file,), threshold=0.0, suggestions=0))
    assert capsys.readouterr().out.startswith("the [?] fox [?]")


def test_standard_input_is_read(folders, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("the café".encode())))
    main(["detect", str(folders["wordpiece"]), "--format", "json"])
    assert [w["text"] for w in json.loads(capsys.readouterr().out)["words"]] == ["the", "café"]


def test_files_that_are_not_text_are_named(folders, tmp_path):
    (tmp_path / "latin.txt").write_bytes("the caf\xe9".encode("latin-1"))
    model = str(folders["wordpiece"])
    for name, said in (("latin.txt", "not UTF-8 at byte 7"), ("none.txt", "no such file"), ("", "is a folder")):
        with pytest.raises(ValueError, match=said):
            list(chain.from_iterable(detect(DetectConfig(model, (str(tmp_path / name),)))))


# -- load --------------------------------------------------------------------------------------------------------------


def test_load_a_hugging_face_directory(tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = tiny_tokenizer()
    config = transformers.ElectraConfig(
        vocab_size=tokenizer.vocab_size, embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=40,
    )  # fmt: skip
    theirs = transformers.ElectraForPreTraining(config).eval()
    theirs.save_pretrained(tmp_path)
    tokenizer.save(tmp_path, 40)
    model = electra.load(tmp_path)
    row = model.row(tokenizer.encode("the fox jumps").ids)
    with torch.no_grad():
        expected = theirs(torch.tensor([row])).logits[0].sigmoid().numpy()
    np.testing.assert_allclose(model.replaced([row])[0], expected, rtol=1e-5, atol=1e-5)
    assert (model.threshold, model.longest, model.generator) == (0.5, 40, None)
    assert len(model.detect("the fox jumps")) == 3


def test_load_a_run(tmp_path):
    data = write_data(tmp_path / "data")
    pretrain(tiny_config(data, tmp_path / "run", train_steps=2))
    model = electra.load(tmp_path / "run")
    assert model.generator is not None and model.longest == LENGTH
    assert 0 < model.threshold < 1 and model.threshold != 0.5
    assert [w.text for w in model.detect("the fox jumps")] == ["the", "fox", "jumps"]
    assert electra.load(str(tmp_path / "run/model")).threshold == model.threshold


def refusal(path):
    with pytest.raises(ValueError) as refused:
        electra.load(path)
    return str(refused.value)


def test_what_cannot_be_loaded_is_said(folders, tmp_path):
    assert "no such folder" in refusal(tmp_path / "none")
    assert "holds no model" in refusal(tmp_path)
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run/config.json").write_text("{}")
    assert "has not finished" in refusal(tmp_path / "run")
    assert "masked language model" in refusal(folders["wordpiece"] / "generator")


def changed(folders, tmp_path, **content):
    folder = tmp_path / "changed"
    shutil.copytree(folders["wordpiece"], folder)
    before = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(before | content))
    return folder


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model_type": "bert"}, "of bert only its encoder and masked language model load"),
        ({"hidden_size": 64}, "weights do not fit config.json"),
        ({"num_hidden_layers": 3}, "missing"),
        ({"hidden_act": "relu"}, "hidden_act 'relu'"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
    ],
)
def test_another_kind_of_model_is_refused(folders, tmp_path, content, said):
    assert said in refusal(changed(folders, tmp_path, **content))


def test_damaged_models_are_refused(folders, tmp_path):
    folder = changed(folders, tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "cut short" in refusal(folder)
    weights.rename(folder / "pytorch_model.bin")
    assert "convert pytorch_model.bin to safetensors" in refusal(folder)


def test_a_tokeniser_of_another_model_is_refused(folders, tmp_path):
    folder = changed(folders, tmp_path)
    tiny_tokenizer("bpe").save(Path(folder))
    assert "do not belong together" in refusal(folder)


# -- what is marked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("It costs 40 dollars, B12 or x86 each.", "40 , B12 x86 ."),
        ("See https://a.example/b?c and os.path.join(x) now", "https://a.example/b?c os.path.join(x)"),
        ("We met Zorblat and Fox there. Zorblat went", "Zorblat ."),
        ("a well-known naïve fox's “word”, and the 中文", "- ' “ ” ,"),
        ("my_name is x@y.example", "my_name x@y.example"),
        (r"\item The first \textbf{word} (see it)", r"\item \textbf{word} ()"),
        ("WE MET ZORBLAT AND FOX THERE IN THE END", ""),  # a name is not known by its capital
        ("THE HISTORY OF ZORBLAT", "ZORBLAT"),  # but in a heading
    ],
)
def test_numbers_signs_code_and_rare_names_are_no_errors(text, free):
    places = [m.span() for m in re.finditer(r"\w+|[^\w\s]", text)]
    words = [(start, end, text[start:end].title() != "Zorblat") for start, end in places]
    found = [text[s:e] for (s, e, _), is_free in zip(words, exempt(text, words), strict=True) if is_free]
    assert "".join(found) == free.replace(" ", "")


@pytest.mark.parametrize(
    ("suggestion", "word", "fitting"),
    [("the", "Teh", "The"), ("the", "TEH", "THE"), ("the", "teh", "the"), ("I", "a", "I"), ("the", "A", "The"),
     ("éa", "Xe", "Éa")],
)  # fmt: skip
def test_suggestions_have_the_capitals_of_the_word(suggestion, word, fitting):
    assert fit_case(suggestion, word) == fitting


def test_texts_together_are_as_each_alone(models):
    model = models["wordpiece"]
    texts = [*TEXTS.values(), " ".join(sentences(40))]
    queries = [Query(text, 0.1 * (n % 4), n % 3) for n, text in enumerate(texts)]
    for query, words in zip(queries, detect_texts(model, queries), strict=True):
        alone = model.detect(*query[:3])
        assert [w.text for w in alone] == [w.text for w in words]
        assert all(abs(a.replaced - b.replaced) < 1e-4 for a, b in zip(alone, words, strict=True))
        assert [w.suggestions for w in alone] == [w.suggestions for w in words]


def test_calibration_stores_the_threshold_that_marks_so_many_words(folders, tmp_path, capsys):
    folder = tmp_path / "model"
    shutil.copytree(folders["wordpiece"], folder)
    clean = " . ".join(sentences(150, seed=5)) + " 12 3.5"
    (tmp_path / "clean.txt").write_text(clean)
    for wanted in (2.0, 10.0):
        flags = ["--calibrate", str(tmp_path / "clean.txt"), "--marks-per-100", str(wanted)]
        main(["detect", str(folder), *flags])
        model = electra.load(folder)
        words = model.detect(clean, suggestions=0)
        real = [w for w in words if any(c.isalnum() for c in w.text)]
        marks = sum(w.is_marked(model.threshold) for w in words)
        assert wanted * 0.9 < 100 * marks / len(real) <= wanted
        assert f"marks {marks} of {len(real):,} words" in capsys.readouterr().err
    (tmp_path / "clean.txt").write_text("the fox")
    with pytest.raises(ValueError, match="too little text"):
        verbs.detect(DetectConfig(str(folder), calibrate=str(tmp_path / "clean.txt")))


def test_a_long_text_is_read_in_time_that_grows_with_it(models):
    """An encoding makes its lists anew each time they are asked for: asked for at each word, the time is quadratic."""
    asked: list[str] = []

    class Counting:
        def __init__(self, encoding):
            self.encoding = encoding

        def __getattr__(self, name):
            asked.append(name)
            return getattr(self.encoding, name)

    model, text = models["wordpiece"], "the cat sat on the mat " * 50
    encoding = Counting(model.tokenizer.encode(text))
    spans = spans_in_text(text, encoding)
    words_of(model, text, encoding, spans, [0.5] * len(encoding.ids))
    assert len(spans) > 100
    assert len(asked) < 10


def test_a_demo_that_could_measure_nothing_says_so_before_it_trains(tmp_path, monkeypatch):
    """Chinese has no blanks between words."""
    (tmp_path / "zh.txt").write_text("\n\n".join("狐狸吃饭" * (5 + n) for n in range(60)), encoding="utf-8")
    monkeypatch.setattr("electra.demo.pretrain", lambda *given: pytest.fail("trained"))
    with pytest.raises(ValueError, match="no held-out text has thirty words"):
        demo(DemoConfig(str(tmp_path / "demo"), source=str(tmp_path / "zh.txt")))
