"""The figures of README.md and docs/results.md are those of the newest files in results/."""

import json
import re
from pathlib import Path
from statistics import mean

import pytest

from electra.config import continued, find_preset

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
README, PAGE = (ROOT / name for name in ("README.md", "docs/results.md"))
TINY, PLAIN = "modernbert, memory", "electra"


def result(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def lines(name):
    return [json.loads(line) for line in (RESULTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def row(page, label, after=""):
    """The numbers of the row of a table, of the first one behind `after`."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf"^\| {re.escape(label)}[^|]*\|(.*)\|$", text[text.index(after) :], re.M)
    assert found, f"{page.name} has no row {label!r}"
    return re.findall(r"(?<![\w.])\d+(?:[,.]\d+)*", found[1])


def seeds(rows, contestant, kind):
    """The means of a contestant's scores over its seeds."""
    each = [row[kind] for row in rows.values() if "contestant" in row and row["contestant"] == contestant]
    assert len(each) == 3
    return {name: mean(row[name] for row in each) for name in each[0]}


def prose(page):
    return re.sub(r"\s+", " ", re.sub(r"\*\*", "", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", sorted([*RESULTS.rglob("*.json"), *RESULTS.rglob("*.jsonl")]), ids=lambda f: f.name)
def test_every_result_is_json(file):
    text = file.read_text(encoding="utf-8")
    assert [json.loads(part) for part in (text.splitlines() if file.suffix == ".jsonl" else [text])]


@pytest.mark.parametrize("kind", ["random", "misspelling", "confusable"])
def test_six_minutes_of_tiny(kind):
    clock, spelling = result("backbones_clock_python_docs"), result("detection_python_docs")
    looks = [seeds(clock, TINY, kind), seeds(clock, PLAIN, kind), clock["bigram counts, 4096"][kind]]
    checker, words = spelling["python-docs"][kind]["spell_checker"], {"random": "random words"}.get(kind, f"{kind}s")
    words = "confusable words" if kind == "confusable" else words
    ap = [f"{look['ap']:.3f}" for look in looks]
    assert row(README, f"{words}, average precision") == [*ap, f"{checker['ap']:.3f}", "0.07"]
    assert row(PAGE, f"average precision, {words}") == [*ap, "0.07"]
    if kind != "confusable":
        alarms = [f"{look['false_alarms']:.1f}" for look in looks]
        assert row(README, f"{words}, false alarms") == [*alarms, f"{checker['false_alarms']:.1f}", "50"]
        assert row(PAGE, f"false alarms in 100 words, {words}") == [*alarms, "50"]
        auc = [f"{look['auc']:.3f}" for look in (*looks, checker)]
        assert row(README, f"{words}, AUC") == [*auc, "0.5"]


@pytest.mark.parametrize("kind, words", [("random", "random words"), ("misspelling", "misspellings")])
def test_the_encyclopedia(kind, words):
    clock, spelling = result("backbones_clock_encyclopedia"), result("detection_encyclopedia")["encyclopedia"]
    looks = [seeds(clock, TINY, kind)["ap"], seeds(clock, PLAIN, kind)["ap"], clock["bigram counts, 4096"][kind]["ap"]]
    shown = [*(f"{ap:.3f}" for ap in looks), f"{spelling[kind]['spell_checker']['ap']:.2f}", "0.07"]
    assert row(README, words, after="On an encyclopedia") == shown


def test_the_box():
    hours, found = result("box")["hours"], result("wrong_words")
    number = {8: "eight", 9: "nine", 10: "ten"}[round(sum(hours.values()))]
    model, checker = found["fce"]["model"], found["fce"]["spell_checker"]
    said = prose(README)
    assert f"on two CPU cores in {number} hours" in said
    assert (
        f"it finds {100 * model['recall']:.0f} errors in 100, and {100 * model['precision']:.0f} in 100 of its marks"
        in said
    )
    for label, text in (("learners' essays", "fce"), ("students' essays", "realec")):
        model, checker = found[text]["model"], found[text]["spell_checker"]
        shown = [
            f"{model['f0.5']:.3f}",
            f"{model['precision']:.2f}",
            f"{model['recall']:.2f}",
            f"{checker['f0.5']:.3f}",
        ]
        assert row(PAGE, label) == shown


def test_objectives_as_a_start_for_errors():
    found = result("errors_by_objective")
    planted, essays = ([found[o][text]["ap"]["mean"] for o in ("electra", "mlm")] for text in ("planted", "fce"))
    said = "average precision {:.3f} against {:.3f} on planted errors and {:.3f} against {:.3f} on learners' essays"
    assert said.format(*planted, *essays) in prose(PAGE)


def test_electra_beside_bert():
    looks = result("race_efficiency")["standings"]["ap_random"]
    means = [looks[name]["mean"] for name in ("electra", "mlm:mask_token_prob=0.8,random_token_prob=0.1")]
    assert "average precision {:.3f}, BERT {:.3f}".format(*means) in prose(README)


def test_speed_beside_others():
    amx = next(each for each in lines("pretrain_speed_amx") if "hf-bf16" in each["ratio"])
    plain = next(each for each in lines("pretrain_speed_without_bf16") if each["case"] == "full128")
    speeds = {
        "the loop of `transformers`, bf16": amx["ratio"]["hf-bf16"],
        "the loop of `transformers`, fp32": plain["ratio"]["hf"],
        "the loop of `transformers` in fp32": amx["ratio"]["hf"],
        "google-research's TensorFlow code": amx["ratio"]["google"],
    }
    assert {label: row(README, label)[0] for label in speeds} == {label: f"{x:.1f}" for label, x in speeds.items()}
    assert row(PAGE, "Hugging Face loop") == [f"{amx['ratio']['hf-bf16']:.1f}"]
    assert row(PAGE, "TensorFlow code") == [f"{amx['ratio']['google']:.1f}"]
    memory = amx["memory_ratio"]["hf-bf16"], amx["memory_ratio"]["hf"], plain["memory_ratio"]["hf"]
    said = "{:.0%} of the memory of that loop in bf16, {:.0%} of it in fp32, {:.0%} without bf16"
    assert said.format(*memory).replace("%", " %") in prose(README)


def test_speed_of_fine_tuning():
    tuned, tuned_plain = result("finetune_speed")["ratio"], result("finetune_speed_without_bf16")["ratio"]
    assert row(README, "fine-tuning") == [f"{each['finetune trainer']:.1f}" for each in (tuned_plain, tuned)]
    ways = ("predict pipeline, batches of 32", "predict pipeline")
    assert row(README, "prediction") == [f"{each[way]:.1f}" for each in (tuned_plain, tuned) for way in ways]


def test_what_it_costs():
    small, plain = (result(name)["full_schedule_hours"] / 24 for name in ("bench_small", "bench_small_without_bf16"))
    slowest = max(each["full_schedule_hours"] for each in result("bench_amx") if each["preset"] == "small") / 24
    gpu = result("gpu/speed")["small,128,128"]
    hours = 1_000_000 * 128 * 128 / gpu["tokens_per_second"] / 3600
    shown = [f"{small:.0f}", f"{slowest:.0f}", f"{plain:.0f}", f"{hours:.1f}", f"{gpu['peak_memory_mb'] / 1000:.1f}"]
    assert row(README, "`small`")[-5:] == shown
    run = result("own_step")["tiny, compile off"]["run"]
    assert row(README, "`tiny`")[3] == f"{run['memory_mb'] / 1000:.1f}"
    box = result("box")
    tokens = float(re.search(r"pre-trained on ([\d.]+) M tokens", box["what"])[1])
    assert row(README, "`mini`")[-2:] == [f"{tokens:.0f}", f"{box['hours']['pretraining']}"]
    for page in (README, PAGE):
        assert f"{gpu['tokens_per_second'] / 1e6:.2f} million tokens/s" in prose(page)
    assert f"the paper's million steps in {hours:.1f} hours" in prose(PAGE)


def test_a_continued_run_trains_a_tenth():
    steps = [continued(find_preset(name)).train_steps for name in ("tiny", "small")]
    said = prose(ROOT / "docs" / "howto" / "continue.md")
    assert "{:,} steps for `tiny`, {:,} for `small`, at 0.4 of".format(*steps) in said


@pytest.mark.parametrize("text", ["Chinese", "Thai", "Hindi", "Danish", "Vietnamese", "Turkish", "DNA", "protein"])
def test_languages(text):
    model = result("languages")[f"{text.lower()}, model"]
    gain = model["unigram_loss"] - model["gen_loss"]
    shown = [str(model["step"]), f"{gain:.2f}", f"{100 * model['disc_recall']:.0f}"]
    assert row(ROOT / "docs/reference/text.md", text) == shown


@pytest.mark.parametrize("way", ["pip install .", "make demo", "make test"])
def test_installations(way):
    looks = [result("install")[f"{way}, {tool}"] for tool in ("uv", "pip")]
    shown = [figure for look in looks for figure in (f"{look['megabytes']:,}", f"{look['seconds']:.0f}")]
    assert row(README, f"`{way}`") == shown


def test_speed_on_short_texts():
    ratios = [each["ratio"]["hf"] for each in lines("pretrain_speed_amx") if each["case"] in ("doc128", "line128")]
    assert f"{min(ratios):.0f} to {max(ratios):.0f} times as fast as the loop in fp32" in prose(README)


def test_sizes_of_the_image():
    found, said = result("served_size"), prose(ROOT / "docs/howto/deploy.md")
    parts = [found[f"{part}_megabytes"] for part in ("base", "libraries", "model")]
    assert sum(parts) == found["image_megabytes"] <= 350
    assert (
        "takes {} MB with a model of {} MB".format(found["image_megabytes"], parts[2]) in said
        and f"{parts[1]} MB of it" in said
    )
