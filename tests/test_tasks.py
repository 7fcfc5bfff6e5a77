"""Every task reads, learns, predicts and scores; SQuAD's and GLUE's official cases; what bad data is told."""

import gzip
import json
import lzma
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from electra.inference.task_model import predict_features
from electra.inference.torch_session import TorchSession
from electra.interface import Packed
from electra.models.electra.encoder import Encoder
from electra.tasks import GLUE, TASKS, Example
from electra.tasks.check import check
from electra.tasks.recognition import recognise
from electra.tasks.squad_metric import best, best_threshold, exact_match, f1, normalize
from electra.text.spans import MAX_ANSWER, best_spans
from electra.text.tags import begun, entities
from electra.text.windows import context_windows, join, word_runs
from tests.tiny import MODEL, sentences, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
LENGTH = 30
SHARED = Path(os.environ.get("ELECTRA_SHARED", Path(__file__).parents[2] / "shared")) / "data" / "tasks"
PAIRED = ("mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")


def rows(name):
    """Eight rows of a task in the hub's format, whose labels can be read off the words."""
    texts = sentences(8, seed=3)
    if name == "tagging":
        return [{"tokens": t.split(), "tags": ["B-X" if w in ("fox", "dog", "cook") else "O" for w in t.split()]}
                for t in texts]  # fmt: skip
    if name == "errors":
        return [{"tokens": t.split(), "tags": ["i" if w in ("fox", "dog", "cook") else "c" for w in t.split()]}
                for t in texts]  # fmt: skip
    if name == "qa":
        contexts = [
            f"{t} river {w} café"
            for t, w in zip(texts, ["fox", "dog", "cook", "meal", "walker", "lazy", "quick", "small"])
        ]
        return [{"id": str(n), "question": "the river", "context": c,
                 "answers": {"text": [c.split()[-2]], "answer_start": [c.rindex(c.split()[-2])]}}
                for n, c in enumerate(contexts)]  # fmt: skip
    task = TASKS[name]()
    if name == "multi_label":
        return [{"text": t, "labels": [w for w in ("fox", "dog") if w in t.split()]} for t in texts]
    if name in ("regression", "stsb"):
        labels = [float(n % 5) for n in range(8)]
    else:
        choices = task.labels or ("no", "yes")
        labels = [choices[n % len(choices)] for n in range(8)]
    names = ("sentence1", "sentence2") if name in PAIRED else ("sentence",)
    return [{**{n: texts[i - k] for k, n in enumerate(names)}, "label": label} for i, label in enumerate(labels)]


def write_rows(path, content):
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opener(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in content)
    return path


def one_a_row(features):
    """Features, one a row."""
    length = max(len(f.ids) for f in features)
    ids, types = (torch.zeros(len(features), length, dtype=torch.long) for _ in range(2))
    tokens = torch.full((len(features), length), -1)
    for n, feature in enumerate(features):
        size = len(feature.ids)
        ids[n, :size], types[n, :size] = torch.tensor(feature.ids), torch.tensor(feature.token_type_ids)
        tokens[n, :size] = n * length + torch.arange(size)
    return Packed(ids, (tokens >= 0).long(), types, torch.arange(length).expand(len(features), -1), tokens)


def fit(task, features, head, steps):
    """Train until the eight examples are known by heart."""
    torch.manual_seed(0)
    network = task.build(Encoder(MODEL), head)
    packed, targets = one_a_row(features), task.targets(features)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    network.eval()  # without dropout
    for _ in range(steps):
        losses = task.loss(task.run(network, packed, targets), targets)
        assert losses.shape == (len(features),) and losses.isfinite().all()
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
    return network


def predicted(task, network, features, examples):
    return predict_features(TorchSession(network), task, features, examples, TOKENIZER.pad_id)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_learns_eight_examples_by_heart(name, tmp_path):
    task = TASKS[name]()
    examples = task.read(str(write_rows(tmp_path / "train.jsonl", rows(name))))
    task.learn(examples)
    task = type(task)(**json.loads(json.dumps(task.settings())))  # as saved and made again
    features = task.encode(TOKENIZER, examples, LENGTH)
    assert {f.example for f in features} == set(range(8)) and max(len(f.ids) for f in features) <= LENGTH
    assert len(features) == (16 if name in ("mrpc", "stsb") else 8)
    for head in task.heads if name in ("classification", "tagging", "qa") else list(task.heads)[:1]:
        predictions = predicted(task, fit(task, features, head, 60), features, examples)
        assert [p["id"] for p in predictions] == [e.id for e in examples] and json.dumps(predictions)
        scores = task.score(predictions, examples)
        full = 100 if name == "qa" else 1
        assert scores[task.main_metric] > 0.95 * full, (head, scores)


def untrained(name, tmp_path):
    """A task, its eight examples, and what a network that has learned nothing answers."""
    task = TASKS[name]()
    examples = task.read(str(write_rows(tmp_path / "train.jsonl", rows(name))))
    task.learn(examples)
    features = task.encode(TOKENIZER, examples, LENGTH)
    torch.manual_seed(1)
    return task, examples, predicted(task, task.build(Encoder(MODEL)), features, examples)


@pytest.mark.parametrize("name", TASKS)
def test_the_score_of_wrong_predictions_is_low(name, tmp_path):
    task, examples, predictions = untrained(name, tmp_path)
    score = task.score(predictions, examples)[task.main_metric]
    assert score < 0.9 * (100 if name == "qa" else 1)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["train.jsonl", "train.jsonl.gz", "train.csv", "train.tsv", "train.parquet"])
def test_formats_give_the_same_examples(file, tmp_path):
    content = [{"sentence": 'say "so", or not', "label": "b"}, {"sentence": "naïve", "label": "a"}]
    path = tmp_path / file
    if file.endswith(".csv"):
        path.write_text('sentence,label\n"say ""so"", or not",b\nnaïve,a\n')
    elif file.endswith(".tsv"):
        path.write_text('sentence\tlabel\nsay "so", or not\tb\nnaïve\ta\n')
    elif file.endswith(".parquet"):
        pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
        pq.write_table(pa.Table.from_pylist(content), path)
    else:
        write_rows(path, content)
    examples = TASKS["classification"]().read(str(tmp_path))  # the folder: its train split
    assert [(e.texts, e.label) for e in examples] == [(('say "so", or not',), "b"), (("naïve",), "a")]


def test_a_data_set_on_disk_has_its_class_names(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    datasets.DatasetDict({"validation": data}).save_to_disk(tmp_path / "set")
    for source in (str(tmp_path / "set"), f"hf:{tmp_path / 'set'}"):
        assert [e.label for e in TASKS["classification"]().read(source, "dev")] == ["yes", "no", None]
    with pytest.raises(ValueError, match=r"no train split; it has validation"):
        TASKS["classification"]().read(str(tmp_path / "set"), "train")


def test_conll_with_comments_and_iob1(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text("-DOCSTART- -X- O\n\nU.N. NNP I-ORG\nchief NN O\n\nParis NNP I-LOC\nLyon NNP B-LOC\n")
    assert [e.label for e in TASKS["tagging"]().read(str(path))] == [("B-ORG", "O"), ("B-LOC", "B-LOC")]
    path = tmp_path / "dev.conllu"
    path.write_text(
        "# text = It's\n1-2\tIt's\t_\t_\t_\t_\t_\t_\t_\t_\n1\tIt\tit\tPRON\t_\t_\t_\t_\t_\t_\n2\t's\tbe\tAUX\n"
    )
    (example,) = TASKS["tagging"]().read(str(path))
    assert example.texts == ("It", "'s") and example.label == ("PRON", "AUX")


# -- bad data ----------------------------------------------------------------------------------------------------------

SQUAD = {"data": [{"paragraphs": [{"context": "a fox eats", "qas": [
    {"id": "q", "question": "who?", "answers": [{"text": "fox", "answer_start": 3}]}]}]}]}  # fmt: skip


@pytest.mark.parametrize(
    "name, file, content, said",
    [
        ("classification", "t.csv", "txet,label\na,b\n", r"no text column.*did you mean 'txet'.*'txet', 'label'"),
        ("classification", "t.csv", "text,lable\na,b\n", r"no label column.*did you mean 'lable'"),
        ("classification", "t.csv", "text,label\n,b\n", r"t\.csv, row 2: the text in column 'text' is empty"),
        ("classification", "t.tsv", "text\tlabel\na\n", r"t\.tsv, row 2 has 1 columns, the header 2"),
        ("classification", "t.jsonl", '{"text": "a"\n', r"t\.jsonl, row 1 is not JSON"),
        ("classification", "t.jsonl", '"a"\n', r"t\.jsonl, row 1 is not an object"),
        ("classification", "t.jsonl", '{"text": "a", "label": ["b"]}', r"row 1: the label is a list.*multi_label"),
        ("classification", "t.jsonl", "", "holds no rows"),
        ("classification", "t.pdf", "x", r"cannot read \.pdf"),
        ("classification", "t.csv", "text,label\na,b\nc,b\n", "every training example .* 'b'"),
        ("classification", "t.csv", "text,label\na,b\nc,\n", r"row 3: no label"),
        ("regression", "t.csv", "text,score\na,high\n", r"row 2: the score 'high' is not a number"),
        ("regression", "t.csv", "text,score\na,nan\n", r"row 2: the score 'nan' is not a number"),
        ("stsb", "t.csv", "sentence1,sentence2,score\na,b,5.5\n", r"row 2: the score 5\.5 is outside 0 to 5"),
        ("mnli", "t.csv", "premise,hypothesis,label\na,b,maybe\n", r"row 2: the label 'maybe' is not one of contra"),
        ("tagging", "t.jsonl", '{"tokens": ["a", "b"], "tags": ["O"]}', r"row 1 has 2 words and 1 tags"),
        ("tagging", "t.conll", "a\n", r"t\.conll, row 1: no tag beside 'a'"),
        ("qa", "t.json", json.dumps(SQUAD), r"question q: the answer 'fox' is not at 3 .*; it is at 2: set"),
        ("qa", "t.json", "[]", "holds no rows"),
        ("qa", "t.json", "{}", "is not SQuAD JSON"),
        ("qa", "t.json", '{"data": ["x"]}', r"article 1 is not SQuAD JSON: it has no list \"paragraphs\""),
        ("qa", "t.json", json.dumps(SQUAD).replace('"who?"', "null"), "question q: the question is empty"),
        ("qa", "t.json", json.dumps(SQUAD).replace('"fox"', '""'), "question q: an answer is empty"),
        ("classification", "t.csv", 'text,label\na,b\n"c,d\ne,b\n', r"t\.csv, row 4: .* a quotation mark is not"),
        ("classification", "t.csv", "text;label\na;b\n", r"only column is 'text;label': separate columns by commas"),
        ("classification", "t.jsonl", '{"text": "a", "tags": 1}', r"no label column.*its columns are 'text', 'tags'"),
        ("multi_label", "t.csv", "text,labels\na,\nb,\n", "no training example .* has any label"),
        ("multi_label", "t.csv", "text,labels\na,x\nb,x\n", "every training example has the label 'x'"),
        ("mnli", "t.csv", "premise,hypothesis\na,b\n", "no label column|has a label"),
        ("qa", "t.json", json.dumps(SQUAD).replace('"fox"', '"dog"'), "nowhere in it"),
    ],
)  # fmt: skip
def test_bad_data_is_named_with_its_fix(name, file, content, said, tmp_path):
    (tmp_path / file).write_text(content)
    with pytest.raises(ValueError, match=said):
        task = TASKS[name]()
        task.learn(task.read(str(tmp_path / file)))


@pytest.mark.parametrize(
    "file, content, task",
    [
        ("t.csv", "text,label\na,b\nc,d\n", "classification"),
        ("t.csv", "text,label,score\na,b,.9\nc,d,.8\n", "classification"),
        ("t.csv", "text,label\na,0.5\nc,1\n", "regression"),
        ("t.csv", "text,rating\na,4\nc,5\n", "regression"),
        ("t.csv", "text,labels\na,x|y\nc,y\n", "multi_label"),
        ("t.jsonl", '{"text": "a", "labels": []}\n{"text": "a", "labels": ["x"]}\n', "multi_label"),
        ("t.jsonl", '{"question": "a", "context": "b", "answers": []}\n', "qa"),
        ("t.jsonl", '{"tokens": ["a"], "tags": ["O"]}\n', "tagging"),
        ("t.json", '[{"text": "a", "label": "b"}, {"text": "c", "label": "d"}]', "classification"),
        ("t.json", '{"data": [{"paragraphs": []}]}', "qa"),
        ("train.json", '{"data": [{"paragraphs": []}]}', "qa"),
        ("t.tsv", "text\tcategory\na\tx\n", "classification"),
    ],
)
def test_the_task_is_seen_from_the_file(file, content, task, tmp_path):
    (tmp_path / file).write_text(content)
    assert recognise(str(tmp_path / file if file != "train.json" else tmp_path), {}) == task


def test_a_named_column_decides_the_task(tmp_path):
    (tmp_path / "t.csv").write_text("body,label,price\na,x,1.5\nb,y,2.5\n")
    assert recognise(str(tmp_path / "t.csv"), {"label": "price"}) == "regression"


@pytest.mark.parametrize("name", TASKS)
def test_drawing_again_scores_as_scoring_does(name, tmp_path):
    task, examples, predictions = untrained(name, tmp_path)
    task.threshold = 0.5  # of errors, which would choose another for every draw
    if name in ("classification", "tagging", "qa"):  # some right, some wrong
        right = {"classification": ("label", examples[0].label), "tagging": ("tags", list(examples[0].label)),
                 "qa": ("answer", examples[0].label[0][0] if name == "qa" else "")}[name]  # fmt: skip
        predictions[0] = {**predictions[0], right[0]: right[1]}
    draws = np.random.default_rng(0).integers(8, size=(20, 8), dtype=np.int32)
    expected = [
        task.score([predictions[n] for n in d], [examples[n] for n in d])[task.main_metric] for d in draws.tolist()
    ]
    assert task.resampled(predictions, examples, draws) == pytest.approx(expected, abs=1e-9)


def test_one_label_that_some_have_is_learned_and_an_empty_cell_is_none(tmp_path):
    (tmp_path / "t.csv").write_text("text,labels\na,x\nb,\n")
    task = TASKS["multi_label"]()
    examples = task.read(str(tmp_path / "t.csv"))
    task.learn(examples)
    assert task.labels == ("x",) and [e.label for e in examples] == [("x",), ()]


def test_words_and_tags_may_be_lists_in_a_cell(tmp_path):
    (tmp_path / "t.csv").write_text('tokens,tags\n"[""a"", ""b""]","[""B-X"", ""O""]"\na b,B-X O\n')
    read = TASKS["tagging"]().read(str(tmp_path / "t.csv"))
    assert [(e.texts, e.label) for e in read] == [(("a", "b"), ("B-X", "O"))] * 2


def test_an_identity_of_zero_is_kept_and_labels_lose_their_blanks(tmp_path):
    (tmp_path / "t.csv").write_text("id,text,label\n5,a,x\n0,b, x\n")
    assert [(e.id, e.label) for e in TASKS["classification"]().read(str(tmp_path / "t.csv"))] == [
        ("5", "x"),
        ("0", "x"),
    ]


def test_a_dev_set_without_labels_is_refused_and_a_test_set_is_not(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\na,\nb,\n")
    with pytest.raises(ValueError, match="no row of the dev split has a label in column 'label'"):
        TASKS["classification"]().read(str(tmp_path / "t.csv"), "dev")
    assert len(TASKS["classification"]().read(str(tmp_path / "t.csv"), "test")) == 2


def test_what_is_missing_is_named(tmp_path):
    write_rows(tmp_path / "train.jsonl", [{"body": "a", "label": "x"}])
    task = TASKS["classification"](columns={"text": "bodi"})
    with pytest.raises(ValueError, match="no column 'bodi'; did you mean 'body'"):
        task.read(str(tmp_path))
    with pytest.raises(ValueError, match=r"no dev split .*it has train\.jsonl"):
        task.read(str(tmp_path), "dev")
    with pytest.raises(ValueError, match=r"did you mean .*train\.jsonl"):
        task.read(str(tmp_path / "trian.jsonl"))
    assert TASKS["classification"](columns={"text": "body"}).read(str(tmp_path))[0].texts == ("a",)


def test_a_label_training_has_not_is_refused():
    task = TASKS["classification"](labels=("a", "b"))
    with pytest.raises(ValueError, match=r"dev\.csv, row 7: the label 'c' is not among those of training \(a, b\)"):
        task.encode(TOKENIZER, [Example("0", ("fox",), "c", "dev.csv, row 7")], LENGTH)


def test_check_reports_what_is_wrong():
    train = [Example(str(n), (t,), "ab"[n > 10], f"row {n}") for n, t in enumerate(sentences(12))]
    train.append(train[0]._replace(label="b"))
    task = TASKS["classification"]()
    task.learn(train)
    splits = {"train": train, "dev": train[3:5]}
    features = {name: task.encode(TOKENIZER, examples, 8) for name, examples in splits.items()}
    report = check(task, splits, features, TOKENIZER, 8)
    longest = max(len(ids) for ids in TOKENIZER.encode_lines([e.texts[0] for e in train]))
    assert longest > 8 and f"longest {longest} tokens; the model is given 8: " in report  # not the length it is cut to
    for part in (
        "train 13, dev 2",
        "b (2)",
        "leak       2 of 2",
        "duplicates train: 1",
        "conflicts  train: 1",
        "truncated",
    ):
        assert part in report, (part, report)


@pytest.mark.parametrize("name", TASKS)
def test_check_runs_for_every_task(name, tmp_path):
    task = TASKS[name]()
    examples = task.read(str(write_rows(tmp_path / "train.jsonl", rows(name))))
    task.learn(examples)
    features = {"train": task.encode(TOKENIZER, examples, LENGTH)}
    assert "examples   train 8" in check(task, {"train": examples}, features, TOKENIZER, LENGTH)


# -- features ----------------------------------------------------------------------------------------------------------


def test_pairs_lose_tokens_from_the_longer_and_at_a_tie_from_the_second():
    """A literal transcription of the released `_truncate_seq_pair`."""
    for m in range(12):
        for n in range(12):
            a, b = list(range(10, 10 + m)), list(range(50, 50 + n))
            ids, types = join(TOKENIZER, a, b, 12)
            while len(a) + len(b) > 9:
                (a if len(a) > len(b) else b).pop()
            assert ids == [TOKENIZER.cls_id, *a, TOKENIZER.sep_id, *b, TOKENIZER.sep_id]
            assert types == [0] * (len(a) + 2) + [1] * (len(b) + 1)


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_words_keep_their_tags_in_every_vocabulary(kind):
    words = ["the", "quick", "fox", "jumps", "over", "the", "lazy", "walker"] * 4 + ["\u200b"]
    tags = tuple("AB"[n % 2] for n in range(len(words)))
    task = TASKS["tagging"](labels=("A", "B"))
    features = task.encode(tiny_tokenizer(kind), [Example("0", tuple(words), tags)], 16)
    assert len(features) > 1 and max(len(f.ids) for f in features) <= 16
    assert [w for f in features for w in f.places if w >= 0] == list(range(len(words)))
    kept = [int(t) for row in task.targets(features) for t in row if t >= 0]
    assert kept == [n % 2 for n in range(len(words))]


def test_long_sentences_are_cut_between_words():
    assert list(word_runs([2, 2, 3, 1], 4)) == [(0, 2), (2, 4)]
    assert list(word_runs([5], 5)) == [(0, 1)] and list(word_runs([1] * 5, 2)) == [(0, 2), (2, 4), (4, 5)]


def test_entities_are_those_of_seqeval():
    pytest.importorskip("seqeval")
    from seqeval.metrics.sequence_labeling import get_entities

    generator = torch.Generator().manual_seed(0)
    choices = ["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y"]
    for _ in range(300):
        tags = [choices[i] for i in torch.randint(len(choices), (7,), generator=generator)]
        ours = [(kind, first, end - 1) for kind, first, end in entities(tags)]
        assert ours == get_entities(tags), tags


def test_iob1_and_bilou():
    assert begun(["I-X", "I-X", "I-Y", "O", "I-Y"]) == ("B-X", "I-X", "B-Y", "O", "B-Y")
    assert begun(["B-X", "L-X", "U-Y"]) == ("B-X", "E-X", "S-Y")
    assert begun(["NOUN", "VERB"]) == ("NOUN", "VERB")


# -- question answering ------------------------------------------------------------------------------------------------


def test_every_token_has_one_window_where_it_has_most_context():
    """The released rule: score = min(left, right context) + .01 * window length; ties to the first."""
    for length, room in [(5, 9), (50, 20), (700, 300), (129, 128)]:
        spans = list(context_windows(length, room))
        assert spans[-1][1] == length and all(end - first <= room for first, end, _ in spans)
        for token in range(length):
            inside = [(f, e, own) for f, e, own in spans if f <= token < e]
            score = [min(token - f, e - 1 - token) + 0.01 * (e - f) for f, e, _ in inside]
            owners = [k for k, (_, _, own) in enumerate(inside) if own[0] <= token < own[1]]
            assert len(owners) == 1 and score[owners[0]] >= max(score) - 1.01


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_a_long_context_gives_windows_that_hold_the_answer(kind):
    tokenizer = tiny_tokenizer(kind)
    context = " ".join(sentences(6)) + " naïve café river"
    start = context.rindex("café")
    example = Example("0", ("the river", context), (("café", start),))
    task = TASKS["qa"]()
    features = task.encode(tokenizer, [example], 40)
    targets = task.targets(features).tolist()
    assert len(features) > 2 and max(len(f.ids) for f in features) == 40
    hits = [(f, t) for f, t in zip(features, targets) if t[0]]
    assert hits and all(t[2] == 0 for t in targets)
    for feature, (first, last, _) in hits:
        assert context[feature.places[first][0] : feature.places[last][1]].strip() == "café"


def test_an_unanswerable_question_is_zero_zero_one_and_is_learned():
    task = TASKS["qa"]()
    examples = [
        Example("0", ("the river", "a quick fox"), (("fox", 8),)), Example("1", ("the river", "a small dog"), ())
    ]  # fmt: skip
    task.learn(examples)
    features = task.encode(TOKENIZER, examples, LENGTH)
    assert task.may_be_unanswerable and task.targets(features)[1].tolist() == [0, 0, 1]
    for head in task.heads:
        predictions = predicted(task, fit(task, features, head, 80), features, examples)
        assert [p["answer"] for p in predictions] == ["fox", ""], head
        assert predictions[1]["best_answer"] and len(predictions[0]["n_best"]) > 1
        scores = task.score(predictions, examples)
        assert scores["exact"] == scores["best_exact"] == scores["no_answer_exact"] == 100


def test_an_answer_is_no_longer_than_allowed_and_never_in_the_question():
    places = [None] * 3 + [(n, n + 1, True) for n in range(60)] + [None]
    start, end = np.zeros(64), np.zeros((1, 64))
    start[1], start[4], end[0, 63], end[0, 60], end[0, 20] = 9.0, 3.0, 9.0, 5.0, 2.0
    spans = best_spans(start, end, None, places)
    assert all(0 < e - s <= MAX_ANSWER for _, s, e in spans) and spans[0][0] == 5.0


def test_squad_metric_as_the_official_script():
    assert normalize("The  Cat's, a-an!") == "cats aan"
    assert exact_match("the Eiffel Tower.", "Eiffel tower") == 1.0
    assert f1("in the 10th century", "10th and 11th centuries") == pytest.approx(
        2 * (1 / 3) * (1 / 4) / (1 / 3 + 1 / 4)
    )
    assert f1("", "") == 1.0 and f1("the", "x") == 0.0 and f1("x", "") == 0.0
    assert best(exact_match, "b", ["a", "b"]) == 1.0 and best(f1, "", []) == 1.0 and best(f1, "x", []) == 0.0
    assert f1("光荣公司", "光荣") == pytest.approx(2 / 3)  # by characters, as CMRC 2018 compares


def test_the_threshold_is_searched_as_in_the_official_script():
    # (null score, gained by answering, has an answer): two without an answer start right
    answers = [(-3.0, 1.0, True), (-2.0, 1.0, True), (0.0, -1.0, False), (1.0, -1.0, False)]
    assert best_threshold(answers) == (100.0, -2.0)
    assert best_threshold([(0.0, -1.0, False), (1.0, 0.5, True)]) == (50.0, 0.0)


# -- GLUE --------------------------------------------------------------------------------------------------------------

OFFICIAL = {
    "cola": (["gj04\t1\t\tHe left.", "gj04\t0\t*\tHim left."], ["index\tsentence", "0\tHe ran."]),
    "sst2": (["sentence\tlabel", "so good\t1", 'so "bad\t0'], ["index\tsentence", "0\tfine"]),
    "mrpc": (["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "1\t1\t2\ta b\tc d", "0\t3\t4\te\tf"],
             ["index\t#1 ID\t#2 ID\t#1 String\t#2 String", "0\t1\t2\ta\tb"]),
    "stsb": (["index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
              "0\tm\tM\t2012\t1\tn\tn\ta b\tc d\t5.000", "1\tm\tM\t2012\t1\tn\tn\te\tf\t0.25"],
             ["index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2",
              "0\tm\tM\t2012\t1\tn\tn\ta\tb"]),
    "qqp": (["id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", "7\t1\t2\ta b\tc d\t1", "torn\t1",
             "8\t1\t2\te\tf\t0"],
            ["id\tquestion1\tquestion2", "0\ta\tb"]),
    "mnli": (["index\tpromptID\tpairID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label",
              "0\t1\t1n\tg\ta b\tc d\tneutral\tneutral", "1\t1\t1n\tg\te\tf\tentailment\tentailment"],
             ["index\tpromptID\tpairID\tgenre\tsentence1\tsentence2", "0\t1\t1n\tg\ta\tb"]),
    "qnli": (["index\tquestion\tsentence\tlabel", "0\ta b\tc d\tentailment", "1\te\tf\tnot_entailment"],
             ["index\tquestion\tsentence", "0\ta\tb"]),
    "rte": (["index\tsentence1\tsentence2\tlabel", "0\ta b\tc d\tentailment", "1\te\tf\tnot_entailment"],
            ["index\tsentence1\tsentence2", "0\ta\tb"]),
    "wnli": (["index\tsentence1\tsentence2\tlabel", "0\ta b\tc d\t1", "1\te\tf\t0"],
             ["index\tsentence1\tsentence2", "0\ta\tb"]),
}  # fmt: skip


def write_official(root, name):
    task = GLUE[name]
    folder = root / task.folder
    folder.mkdir()
    train, test = ("\n".join(lines) + "\n" for lines in OFFICIAL[name])
    (folder / "train.tsv").write_text(train)
    (folder / (task.splits.get("dev", "dev") + ".tsv")).write_text(train)
    (folder / (task.splits.get("test", "test") + ".tsv")).write_text(test)


@pytest.mark.parametrize("name", GLUE)
def test_official_folders(name, tmp_path):
    write_official(tmp_path, name)
    task = GLUE[name]()
    for source in (tmp_path, tmp_path / task.folder):
        for split in ("train", "dev"):
            first, second = task.read(str(source), split)
            if name in PAIRED:
                assert first.texts == ("a b", "c d") and second.texts == ("e", "f")
    expected = {
        "cola": ["1", "0"], "sst2": ["1", "0"], "mrpc": ["1", "0"], "stsb": [5.0, 0.25], "qqp": ["1", "0"],
        "mnli": ["neutral", "entailment"], "wnli": ["1", "0"],
    }.get(name, ["entailment", "not_entailment"])  # fmt: skip
    assert [first.label, second.label] == expected
    (test,) = task.read(str(tmp_path), "test")
    assert test.label is None
    if name == "sst2":
        assert second.texts == ('so "bad',)


@pytest.mark.parametrize("name", GLUE)
def test_submissions(name, tmp_path):
    task = GLUE[name]()
    made = [{"label": task.labels[0]} if task.labels else {"score": 5.2}] * 2
    file = task.write_submission(made, tmp_path)
    value = task.labels[0] if task.labels else "5.000"
    assert file.read_text() == f"index\tprediction\n0\t{value}\n1\t{value}\n"
    assert file.name == ("MNLI-m.tsv" if name == "mnli" else f"{task.folder}.tsv")


def test_mismatched_and_diagnostic_of_mnli(tmp_path):
    write_official(tmp_path, "mnli")
    (tmp_path / "MNLI" / "dev_mismatched.tsv").write_text("index\tsentence1\tsentence2\tgold_label\n0\ta\tb\tneutral\n")
    task = GLUE["mnli"]()
    assert len(task.read(str(tmp_path), "dev_mismatched")) == 1
    assert task.write_submission([], tmp_path, "test_mismatched").name == "MNLI-mm.tsv"
    assert task.write_submission([], tmp_path, "diagnostic").name == "AX.tsv"
    (tmp_path / "diagnostic").mkdir()
    (tmp_path / "diagnostic" / "diagnostic.tsv").write_text("index\tsentence1\tsentence2\n0\ta\tb\n1\ttorn\n")
    with pytest.raises(ValueError, match="row 3 has 2 columns"):  # a line less, and every answer after it is wrong
        task.read(str(tmp_path), "diagnostic")


def test_mnli_of_the_hub_has_all_its_splits(tmp_path):
    row = {"premise": "a", "hypothesis": "b", "label": 1}
    for stem in ("train", "validation_matched", "validation_mismatched", "test_matched"):
        write_rows(tmp_path / f"{stem}.jsonl", [row])
    task = GLUE["mnli"]()
    held = [s for s in (*task.dev_splits, *task.test_splits) if task.holds(str(tmp_path), s)]
    assert held == ["dev", "dev_mismatched", "test"]
    assert not task.holds(str(tmp_path / "train.jsonl"), "test")


def test_the_hub_numbers_its_labels_its_own_way(tmp_path):
    for name, number, label in [
        ("mnli", 2, "contradiction"),
        ("rte", 1, "not_entailment"),
        ("cola", "acceptable", "1"),
    ]:
        texts = {"sentence": "a"} if name == "cola" else {"sentence1": "a", "sentence2": "b"}
        path = write_rows(tmp_path / f"{name}.jsonl", [{**texts, "label": number}, {**texts, "label": -1}])
        assert [e.label for e in GLUE[name]().read(str(path))] == [label, None]


def test_both_orders_are_averaged():
    task = GLUE["mrpc"]()
    examples = [Example("0", ("fox", "dog"), "1")]
    features = task.encode(TOKENIZER, examples, LENGTH)
    assert features[0].ids[1] == features[1].ids[-2]
    (prediction,) = task.decode([np.array([4.0, 0.0]), np.array([0.0, 5.0])], features, examples)
    assert prediction["label"] == "1" and prediction["score"] == pytest.approx(0.6225, abs=1e-4)


# -- real data ---------------------------------------------------------------------------------------------------------

COUNTS = {
    "sst2": ("sst2", {"train": 67349, "dev": 872, "test": 1821}),
    "rte": ("rte", {"train": 2490, "dev": 277}),
    "stsb": ("stsb", {"train": 5749, "dev": 1500, "test": 1379}),
    "banking77": ("classification", {"train": 10003, "test": 3080}),
    "conll2000": ("tagging", {"train": 8936, "test": 2012}),
    "ncbi_disease": ("tagging", {"train": 5424, "dev": 923, "test": 940}),
    "xquad/xquad.en.json.xz": ("qa", {"test": 1190}),
    "squad_v2_dev_half/small_dev.json.xz": ("qa", {"dev": 1529}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_real_data_has_its_published_counts(name):
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not here; set ELECTRA_SHARED to the folder that holds data/tasks")
    kind, counts = COUNTS[name]
    task = TASKS[kind]()
    assert {split: len(task.read(str(SHARED / name), split)) for split in counts} == counts


@pytest.mark.slow
def test_every_real_task_is_read_and_encoded():
    if not SHARED.exists():
        pytest.skip(f"{SHARED} is not here; set ELECTRA_SHARED to the folder that holds data/tasks")
    files = sorted(SHARED.glob("*/*.xz"))
    assert files
    for path in files:
        with lzma.open(path, "rt") as file:
            columns = {} if ".json.xz" in path.name else json.loads(file.readline())
        kind = "qa" if not columns else "tagging" if "tags" in columns else "regression" if path.parent.name == "stsb" \
            else "classification"  # fmt: skip
        task = TASKS[kind]()
        examples = task.read(str(path))
        task.learn(examples)
        assert task.encode(TOKENIZER, examples[:50], 128)


def test_a_tag_that_only_the_test_set_has_counts_as_missed(tmp_path, capsys):
    """CoNLL-2000's has I-LST, which its training data lacks."""
    for name, last in (("train", "B-NP"), ("dev", "B-LST")):
        (tmp_path / f"{name}.conll").write_text(f"a O\nb B-NP\nc {last}\n")
    task = TASKS["tagging"]()
    task.learn(task.read(str(tmp_path / "train.conll")))
    examples = task.read(str(tmp_path / "dev.conll"), "dev")
    features = task.encode(tiny_tokenizer(), examples, 16)
    assert "no B-LST; words tagged so count as missed" in " ".join(capsys.readouterr().err.split())
    assert features[0].target == [task.labels.index("O"), task.labels.index("B-NP"), -100]
    right = {"id": "0", "tags": ["O", "B-NP", "O"], "entities": []}
    assert 0 < task.score([right], examples)["f1"] < 1
    with pytest.raises(ValueError, match="'B-X' is not among those of training"):
        task.encode(tiny_tokenizer(), [examples[0]._replace(label=("O", "B-X", "O"))], 16)
