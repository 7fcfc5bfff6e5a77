"""The race: equal compute, the same start and masks, runs made once, statistics as by hand, clear refusals."""

import io
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from tiny import WORDS, write_data

from electra.cli import main, verbs
from electra.cli.tables import standings
from electra.comparison.agenda import Agenda, warn_if_short
from electra.comparison.budget import budgeted, examined_steps, steps_of
from electra.comparison.compare import compare, fitted
from electra.comparison.contestants import read_contestants
from electra.comparison.examination import ClozeSession, set_examination
from electra.comparison.identity import key_of
from electra.comparison.pilot import budget_in_flops, rows_of_run
from electra.comparison.plots import against_flops
from electra.comparison.race import Race, run_of
from electra.comparison.results import Result, figures, in_words, title_of
from electra.comparison.statistics import paired_p, standing
from electra.config import CompareConfig, ElectraConfig, PrepareConfig
from electra.config.compare import read_budget
from electra.config.objectives import OBJECTIVES
from electra.core.html import svg_of
from electra.core.log import duration
from electra.core.storage import read_json
from electra.cost.measurement import Measured
from electra.cost.operations import flops_per_token
from electra.data.prepare import prepare
from electra.data.shards import open_examples
from electra.inference.detector import Detector
from electra.objectives.base import Objective
from electra.pretraining.first_weights import build_objective
from electra.pretraining.run import pretrain
from electra.text.tokenizer import load_tokenizer
from electra.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
SETTINGS = ("hidden_size=32", "num_attention_heads=4", "intermediate_size=64", "num_hidden_layers=2",
            "embedding_size=16", "init=random", "generator_width=0.5", "generator_depth=1", "train_batch_size=8",
            "warmup_steps=50", "optimizer=muon", "learning_rate=0.002", "device=cpu", "compile=off", "precision=fp32",
            "threads=1")  # fmt: skip
CONTESTANTS = ("electra", "mlm", "electra:share=none,width=2")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Prepared text with held-out examples of more than thirty words."""
    folder = tmp_path_factory.mktemp("race")
    rng = random.Random(0)
    documents = [" ".join(rng.choices(WORDS.split(), k=90)) for _ in range(200)]
    (folder / "text.txt").write_text("\n\n".join(documents))
    prepare(PrepareConfig(sources=(str(folder / "text.txt"),), out=str(folder / "data"), vocab_size=120,
                          seq_length=64, heldout=0.2, num_workers=1))  # fmt: skip
    return folder / "data"


def config_for(data, out, **changes):
    given = dict(data=str(data), out=str(out), preset="small", settings=SETTINGS, contestants=CONTESTANTS,
                 budget="6ktok", points=2)  # fmt: skip
    return CompareConfig(**given | changes)


@pytest.fixture(scope="module")
def raced(data, tmp_path_factory):
    """A race with two seeds, and its summary."""
    config = config_for(data, tmp_path_factory.mktemp("out"), seeds=2)
    return config, compare(config)


# -- fairness ----------------------------------------------------------------------------------------------------------


def test_everyone_spends_the_same_within_a_step(raced, data):
    config, summary = raced
    for result in summary["results"]:
        if result["point"] == config.points:
            per_step = result["flops"] / result["step"]
            assert abs(result["flops"] - summary["flops"]) < 1.5 * per_step
    ends = [r["step"] for r in summary["results"] if r["point"] == 2]
    assert len(set(ends)) > 1  # what costs more takes fewer steps


def test_times_buys_that_much_more(data):
    config = config_for(data, "x", contestants=("mlm", "mlm:times=3"))
    one, three = read_contestants(config)
    loader, flops = rows_of_run(one.config), 4e9
    a, b = (budgeted(c, loader, flops, 1).train_steps for c in (one, three))
    assert abs(b - 3 * a) <= 2


@pytest.mark.parametrize("tokens", [1, 500, 5_000, 60_000])
def test_steps_are_those_that_have_read_the_tokens(data, tokens):
    (c,) = read_contestants(config_for(data, "x", contestants=("mlm",)))
    loader = rows_of_run(c.config)
    steps = steps_of(loader, tokens)
    read = [sum(int((b.example_ids > 0).sum()) for b in loader.micro_batches(s, 8)) for s in range(steps)]
    assert sum(read) >= tokens > sum(read[:-1]) - loader.seq_length


EVERY_OBJECTIVE = [
    name + (":share=none,generator_width=1" if name == "two_stage" else "") for name in OBJECTIVES if name != "mlm"
]


@pytest.mark.parametrize("contestant", [*EVERY_OBJECTIVE, "electra:share=none", "electra:generator_width=1,share=all"])
@pytest.mark.parametrize("init", ["random", "corpus"])
def test_the_same_first_weights(data, contestant, init):
    """The kept encoder starts byte for byte alike, with a projection and without."""
    for size in (16, 64):
        settings = (*SETTINGS, f"init={init}", f"embedding_size={size}")
        if init == "corpus" and size < 33:
            continue
        config = config_for(data, "x", settings=settings, contestants=("mlm", contestant))
        train, tokenizer = open_examples(data), load_tokenizer(data)
        first, other = (
            build_objective(replace(c.config, model=replace(c.config.model, vocab_size=120)), train, tokenizer).encoder
            for c in read_contestants(config)
        )
        mine, theirs = first.state_dict(), other.state_dict()
        assert mine.keys() == theirs.keys()
        assert all(mine[name].numpy().tobytes() == theirs[name].numpy().tobytes() for name in mine)


def test_gdes_starts_alike_but_for_its_tables(data):
    config = config_for(data, "x", contestants=("electra:share=none", "electra:share=gdes"))
    train, tokenizer = open_examples(data), load_tokenizer(data)
    mine, theirs = (
        build_objective(
            replace(c.config, model=replace(c.config.model, vocab_size=120)), train, tokenizer
        ).encoder.state_dict()
        for c in read_contestants(config)
    )
    differing = {name for name in mine if not torch.equal(mine[name], theirs[name])}
    assert differing == {"embeddings.word.weight", "embeddings.position.weight"}


def test_the_same_masks(data, tmp_path, monkeypatch):
    """With dropout: what a network draws must not come before the masks."""
    seen, mask = {}, Objective.mask

    def noted(self, batch):
        masked = mask(self, batch)
        if self.training:
            seen.setdefault((type(self).__name__, self.config.share), []).append(masked.input_ids.numpy().tobytes())
        return masked

    monkeypatch.setattr(Objective, "mask", noted)
    monkeypatch.setattr("electra.comparison.race.seconds_of", lambda *asked: 1.0)
    unexamined(monkeypatch)
    compare(
        config_for(
            data,
            tmp_path,
            budget="3ktok",
            points=1,
            contestants=("mlm", "electra:share=none", *EVERY_OBJECTIVE),
            settings=(*SETTINGS, "hidden_dropout_prob=0.1"),
        )
    )
    shortest = min(map(len, seen.values()))
    assert shortest > 1 and len(seen) == len(OBJECTIVES) + 1
    first, *others = (masks[:shortest] for masks in seen.values())
    assert all(masks == first for masks in others)
    assert len(set(first)) == shortest


def unexamined(monkeypatch):
    """A race whose contestants all get the same marks: its examinations are not what is tested."""
    monkeypatch.setattr("electra.comparison.race.examine_point", lambda *asked: {"auc_random": 0.5})


# -- running -----------------------------------------------------------------------------------------------------------


def test_a_race_writes_what_it_promises(raced):
    config, summary = raced
    out = Path(config.out)
    assert read_json(out / "summary.json") == json.loads(json.dumps(summary))
    assert summary["seeds"] == 2 and len(summary["results"]) == 3 * 2 * 3  # contestants, seeds, points
    for name in ("auc_random", "ap_random", "auc_misspelling", "ap_misspelling", "auc_replaced", "mlm_loss"):
        assert set(summary["standings"][name]) == set(CONTESTANTS)
        assert (out / f"{name}_against_flops.svg").read_text().startswith("<svg")
    assert set(summary["standings"]["disc_loss"]) == {"electra", CONTESTANTS[2]}
    assert (out / "auc_random_against_hidden_size.svg").exists()
    report = (out / "report.html").read_text()
    assert report.count("<svg") == len(list(out.glob("*.svg"))) and "electra:share=none,width=2" in report


def test_people_read_names_of_scores_in_words(raced):
    config, summary = raced
    report = (Path(config.out) / "report.html").read_text()
    labels = ["average precision, random wrong words ↑", "AUC, replaced tokens ↑", "loss of the discriminator ↓"]
    assert all(f"<td>{label}</td>" in report for label in labels)
    assert not [name for name in summary["standings"] if name in re.sub(r"<svg.*?</svg>", "", report, flags=re.S)]
    made = figures([Result(**result) for result in summary["results"]], read_contestants(config))
    assert made["ap_random_against_flops"].axes[0].get_title() == "average precision, random wrong words"
    assert in_words("topics accuracy") == "topics accuracy"


def test_the_figures_of_a_race_are_drawn(raced, drawn):
    config, summary = raced
    made = figures([Result(**result) for result in summary["results"]], read_contestants(config))
    for name, lines in {"flops": CONTESTANTS, "hidden_size": ("electra", "mlm", "electra:share=none")}.items():
        figure = made[f"auc_random_against_{name}"]
        assert sorted(line.get_label() for line in figure.axes[0].lines) == sorted(lines)
        assert svg_of(figure).count("stroke: #1f77b4") > 1  # the first line's colour


def test_runs_are_made_once_and_reused_by_another_set(raced, monkeypatch):
    config, summary = raced
    made = []
    monkeypatch.setattr("electra.comparison.race.pretrain", lambda run, *more: (made.append(run), pretrain(run, *more)))
    again = compare(config)
    assert made == [] and again == json.loads(json.dumps(summary))
    fewer = compare(replace(config, contestants=("electra", "mlm"), seeds=1))
    assert made == [] and set(fewer["contestants"]) == {"electra", "mlm"}
    compare(replace(config, contestants=("electra", "electra:mask_prob=0.3"), seeds=1))
    assert [run.mask_prob for run in made] == [0.3]


def test_parts_train_the_runs_of_a_race_and_without_them_it_is_collected(raced, data, tmp_path, monkeypatch, capsys):
    config = config_for(data, tmp_path, contestants=("electra", "mlm", "electra:mask_prob=0.3"))
    for part, count in (("1/2", 1), ("0/2", 2)):
        assert compare(replace(config, part=part)) == {} and not (tmp_path / "summary.json").exists()
        said = capsys.readouterr().err
        assert f"part {part} takes {count} of 3 runs" in said and "fewer than 500 steps" in said
        assert re.search(rf"^{count} runs?, {count} of them to train: about \d+s and the examinations$", said, re.M)
    monkeypatch.setattr("electra.comparison.race.pretrain", lambda *given: pytest.fail("trained again"))
    together, alone = compare(config), raced[1]
    for contestant in ("electra", "mlm"):
        mine, theirs = (
            [r for r in s["results"] if (r["contestant"], r["seed"]) == (contestant, 0)] for s in (together, alone)
        )
        assert mine == theirs and len(mine) == 3


def test_another_configuration_is_another_run(data):
    (c,) = read_contestants(config_for(data, "x", contestants=("mlm",)))
    key = key_of(c.config, 2)
    assert key_of(replace(c.config, log_steps=3, out="elsewhere"), 2) == key
    assert len({key, key_of(c.config, 3), key_of(replace(c.config, seed=1), 2)}) == 3


def test_killed_and_continued_is_the_race_never_killed(raced, data, tmp_path):
    config = replace(raced[0], out=str(tmp_path / "killed"), seeds=1)
    code = (
        "import os, sys; sys.path.insert(0, 'tests'); from tiny import quiet; quiet()\n"
        "from electra.comparison import race; from electra.comparison.compare import compare\n"
        "from electra.config import CompareConfig\n"
        "real, done = race.pretrain, []\n"
        "def pretrain(run, hook, world):\n"
        "    def count(trainer):\n"
        "        hook(trainer)\n"
        "        if done and trainer.step == 5: os._exit(9)\n"
        "    real(run, count, world); done.append(run)\n"
        "race.pretrain = pretrain\n"
        f"compare({config!r})"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120)
    assert process.returncode == 9 and not (tmp_path / "killed" / "summary.json").exists()
    finished = list((tmp_path / "killed" / "runs").glob("*/report.html"))
    assert len(finished) == 1  # the first run, not the second
    when = finished[0].stat().st_mtime_ns
    summary = compare(config)
    assert finished[0].stat().st_mtime_ns == when
    assert summary["results"] == [r._asdict() if hasattr(r, "_asdict") else r for r in raced[1]["results"][:9]]


def test_a_time_becomes_operations_once(data, tmp_path, monkeypatch):
    unexamined(monkeypatch)
    config = config_for(data, tmp_path, contestants=("mlm",), budget="0.3s", points=1)
    assert compare(config)["flops"] == compare(config)["flops"] > 0


def test_a_time_is_measured_anew_where_the_measurement_was_killed_at_its_end(data, tmp_path):
    config = config_for(data, tmp_path, contestants=("mlm",), budget="1s", points=1)
    compare(config)
    (speed,) = tmp_path.glob("runs/pilots/*/speed.json")
    speed.unlink()
    assert compare(config)["flops"] > 0 and speed.exists()


def test_a_run_written_otherwise_but_the_same_is_made_once(raced, monkeypatch):
    config, _ = raced
    monkeypatch.setattr("electra.comparison.race.pretrain", lambda run, *more: pytest.fail("trained again"))
    summary = compare(replace(config, contestants=("electra:share=embeddings", "mlm:share=embeddings")))
    assert len(summary["results"]) == 2 * 2 * 3


def test_a_kill_between_a_checkpoint_and_its_examination_loses_no_point(data, tmp_path, monkeypatch):
    config = config_for(data, tmp_path, contestants=("mlm",), settings=(*SETTINGS, "save_steps=1"))
    save = Trainer.save

    def killed(trainer):
        save(trainer)
        raise KeyboardInterrupt

    for _ in range(20):
        monkeypatch.setattr(Trainer, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            compare(config)
        if list(tmp_path.glob("runs/*/points/*/point.json")):
            break
    monkeypatch.setattr(Trainer, "save", save)
    assert [r["point"] for r in compare(config)["results"]] == [0, 1, 2]


# -- measuring ---------------------------------------------------------------------------------------------------------


def test_everyone_is_examined_on_the_same_text(data):
    (c,) = read_contestants(config_for(data, "x", contestants=("mlm",)))
    one, two = (set_examination(replace(c.config, seed=seed), "") for seed in (0, 1))
    assert one.rows == two.rows and one.is_replaced == two.is_replaced and one.planted == two.planted
    replaced = np.mean([yes for row in one.is_replaced for yes in row])
    assert 0.05 < replaced < 0.16 and {len(texts) > 10 for texts in one.planted.values()} == {True}


def test_another_examination_is_asked_anew(raced):
    """The first contestant says how much is masked; scores of one examination do not stand beside another's."""
    config, before = raced
    config = replace(config, seeds=1, budget=f"{before['flops']:.0f}")
    loss = {}
    for first in ("electra:mask_prob=0.3", "electra"):
        loss[first] = compare(replace(config, contestants=(first, "mlm")))["standings"]["mlm_loss"]["mlm"]["mean"]
    assert loss["electra"] == next(
        r["scores"]["mlm_loss"] for r in before["results"] if (r["contestant"], r["point"]) == ("mlm", 2)
    )
    assert loss["electra"] != loss["electra:mask_prob=0.3"]


def test_a_masked_model_is_asked_with_the_token_masked(data):
    """Every token is asked for once, where it is hidden; rows of any length get an answer for each."""

    class Constant(torch.nn.Module):
        """Gives p = 0.25 to the token whose id is 7, wherever it is asked."""

        def __init__(self):
            super().__init__()
            self.head = torch.nn.Module()
            self.head.dense = torch.nn.Linear(1, 1)
            self.seen = []

        def forward(self, positions, ids, mask):
            self.seen.append(ids.gather(1, positions))
            logits = torch.full((positions.numel(), 20), math.log(0.75 / 19))
            logits[:, 7] = math.log(0.25)
            return logits

    tokenizer, network = load_tokenizer(data), Constant()
    model = Detector(ClozeSession(network, tokenizer.mask_id), tokenizer, 64)
    rows = [[2, 7, 8, 9, 7, 3], [2, *[8] * 30, 3]]
    short, long = model.replaced(rows)
    assert len(short) == 6 and len(long) == 32
    np.testing.assert_allclose(short[1:5], [0.75, 1 - 0.75 / 19, 1 - 0.75 / 19, 0.75], rtol=1e-5)
    assert (long[1:] > 0.9).all()
    assert all((ids == tokenizer.mask_id).all() for ids in network.seen)


OWN = """
from electra.objectives.electra import Electra as Base


class Mine(Base):
    pass
"""


def test_an_objective_of_your_own_races(data, tmp_path, monkeypatch):
    (tmp_path / "own_objective.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    names = ("electra", "own_objective:Mine", "own_objective:Mine:mask_prob=0.3")
    summary = compare(config_for(data, tmp_path, contestants=names, seeds=1, points=1, budget="3ktok"))
    scores = {result["contestant"]: result["scores"] for result in summary["results"]}
    assert scores[names[0]] == scores[names[1]] != scores[names[2]]
    assert [summary["contestants"][name]["mask_prob"] for name in names] == [0.15, 0.15, 0.3]


def test_another_code_of_the_same_name_is_another_run(data, tmp_path, monkeypatch):
    (tmp_path / "edited_objective.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (c,) = read_contestants(config_for(data, tmp_path, contestants=("edited_objective:Mine",)))
    before = key_of(c.config, 1)
    assert before == key_of(c.config, 1)
    (tmp_path / "edited_objective.py").write_text(OWN + "    # edited\n", encoding="utf-8")
    assert before != key_of(c.config, 1)


def test_a_contestant_that_goes_on_pays_for_the_model_it_has(raced, data, tmp_path):
    """From a run twice as wide: as many operations, so fewer tokens; another start of the same name is another run."""
    wide = tmp_path / "wide"
    shutil.copytree(next((Path(raced[0].out) / "runs").glob("electra-share-none-width-2-0-*")) / "model", wide)
    config = config_for(data, tmp_path / "out", contestants=("electra", f"electra:share=none,init={wide}"), points=1)
    contestants = fitted(read_contestants(config), config)
    assert [c.config.model.hidden_size for c in contestants] == [32, 64]
    plain, goes_on = (run_of(c, 0, 1e9, 1).config for c in contestants)
    spent = [r.train_steps * flops_per_token(r, 64)["total"] for r in (plain, goes_on)]
    step = flops_per_token(goes_on, 64)["total"]
    assert goes_on.train_steps < plain.train_steps and abs(spent[0] - spent[1]) <= 2 * step
    before = key_of(goes_on, 1)
    weights = load_file(wide / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, wide / "model.safetensors", {"format": "pt"})
    assert key_of(goes_on, 1) != before


def test_one_that_diverges_does_not_end_the_race(data, tmp_path, capsys):
    mad = "mlm:learning_rate=1e30"
    config = config_for(data, tmp_path / "out", contestants=("electra", mad), points=1, budget="3ktok")
    summary = compare(config)
    assert summary["diverged"] == [f"{mad}, seed 0"] and {r["contestant"] for r in summary["results"]} == {"electra"}
    verbs.compare(config)
    assert "diverged: mlm:learning_rate=1e30, seed 0" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(FloatingPointError, match="every run diverged"):
        compare(replace(config, contestants=(mad,)))


def test_statistics_by_hand():
    scores, first = [0.9, 0.8, 0.85, 0.95], [0.7, 0.75, 0.7, 0.8]
    d = np.subtract(scores, first)
    found = standing(dict(enumerate(scores)), dict(enumerate(first)))
    assert found.mean == pytest.approx(0.875) and found.spread == pytest.approx(np.std(scores, ddof=1))
    assert found.difference == pytest.approx(d.mean())
    t = d.mean() / (d.std(ddof=1) / math.sqrt(4))
    from scipy.stats import t as student

    assert found.p == pytest.approx(2 * student.sf(abs(t), 3))
    assert standing({0: 0.5}, {0: 0.4}) == (0.5, None, pytest.approx(0.1), None)
    assert standing({0: 0.5, 1: 0.7}, {1: 0.6}) == (0.6, pytest.approx(0.1414, abs=1e-4), pytest.approx(0.1), None)
    assert standing({0: 0.5}, {1: 0.4}) == (0.5, None, None, None)
    assert paired_p([1.0, 2.0], [1.0, 2.0]) is None
    for right in range(100, 800, 7):  # a lead of nine of 872 with both seeds: equal but for rounding
        assert paired_p([(right + 9) / 872, (right + 12) / 872], [right / 872, (right + 3) / 872]) is None
    assert roc_auc_score([0, 1], [0.1, 0.2]) == 1


def test_twelve_curves_can_be_told_apart():
    figure = against_flops("score", {str(n): ([1.0, 2.0], [[float(n)], [float(n)]]) for n in range(12)})
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    figure.draw_without_rendering()
    assert len(looks) == 12 and figure.axes[0].get_window_extent().height > 0.4 * figure.bbox.height


def test_a_title_says_what_the_table_cannot_show(data):
    one, four = read_contestants(config_for(data, "x", contestants=("mlm", "mlm:times=4")))
    assert title_of([one], 3e9, 1, []) == "3e+09 FLOPs each; one seed: no spread, no test"
    assert "5 seeds, p of paired tests against the first with that score" in title_of([one], 3e9, 5, [])
    assert "multiplied where times= is set" in title_of([one, four], 3e9, 2, [])


# -- what is written on the command line -------------------------------------------------------------------------------


def test_contestants_say_what_is_theirs(data):
    names = ("electra:share=none,generator_width=0.5", "electra:width=0.5,times=4")
    settings = ("learning_rate=1e-3", "packed=false")
    config = config_for(data, "x", settings=settings, preset="small", objectives=("mlm",), contestants=names)
    mlm, other, half = read_contestants(config)
    assert (mlm.name, mlm.config.objective, mlm.config.learning_rate, mlm.times) == ("mlm", "mlm", 1e-3, 1)
    assert (other.config.share, other.config.generator_width, other.config.packed) == ("none", 0.5, False)
    assert (half.config.model.hidden_size, half.config.model.num_attention_heads, half.times) == (128, 2, 4)
    assert half.config.model.embedding_size == 128 and half.config.model.num_hidden_layers == 12


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("3e15", 3e15, "FLOPs"),
        ("20Mtok", 2e7, "tokens"),
        ("1.5ktok", 1500, "tokens"),
        ("20m", 20, "minutes"),
        ("2h", 120, "minutes"),
        ("30s", 0.5, "minutes"),
    ],
)
def test_budgets(text, amount, unit):
    assert read_budget(text) == (pytest.approx(amount), unit)


REFUSED = {
    "": "no contestants: name some",
    "--contestants bert": "unknown objective 'bert'; there are electra",
    "--contestants nowhere:Mine": "no module 'nowhere'",
    "--contestants electra:electra_15": "electra has no class 'electra_15'",
    "--contestants mlm mlm": "mlm is given twice",
    "--contestants electra:sharing=none": "electra:sharing=none: unknown key 'sharing'",
    "--contestants electra:generator_widht=1": "did you mean 'generator_width'?",
    "--contestants electra:share=some": "share is 'some'; there are none, embeddings, all",
    "--contestants electra:mask_prob=much": "mask_prob is a number, not 'much'",
    "--contestants electra:seed=3": "unknown key 'seed'",
    "--contestants electra:times=0": "must be above 0",
    "--preset small --contestants electra:generator_width=0.78": "generator_width 0.78",
    "--objectives ,": "no contestants: name some",
    "--contestants electra:share": "electra:share: share needs a value, as in electra:share=",
    "--contestants electra:mask_prob=0.1,mask_prob=0.3": "mask_prob is given twice",
    "--contestants electra:vocab_size=77": "unknown key 'vocab_size'",
    "--contestants electra:times=inf": "times is a number, not 'inf'",
    "--contestants electra:packed=false": "packed applies to all contestants; set it with --settings",
    "--contestants electra:init=A,B --data DATA": "A: no such",
    "--objectives mlm --budget 1e999": "invalid budget '1e999'",
    "--objectives mlm --budget lots": "invalid budget 'lots': write FLOPs as 3e15",
    "--objectives mlm --budget 0m": "budget '0m'",
    "--objectives mlm --budget 1ktok --points 50 --data DATA": "too few for 50 points; raise --budget",
    "--objectives mlm --seeds 0": "seeds must be at least 1",
    "--objectives mlm --preset huge": "unknown preset 'huge'",
    "--objectives mlm --budget 1m --part 0/2": "budget 1m with --part: the speed of a machine",
    "--objectives mlm --budget 1ktok --part 2/2": "invalid part '2/2': write i/n with i from 0 to n - 1",
    "--objectives mlm --budget 6ktok --part 1/2 --points 2 --data DATA": "part 1/2 has nothing to train: there are 1",
    "--objectives mlm --data nowhere": "nowhere holds no prepared data; run `electra prepare",
    "--objectives mlm --data BARE": "no held-out text",
    "--objectives mlm --data DATA --generator nowhere": "nowhere holds no model",
    "--objectives mlm --data DATA --task nowhere": "nowhere must hold one file train",
    "--objectives mlm --data DATA --task rhyme=nowhere": "unknown task 'rhyme'",
    "--objectives mlm --data DATA --task mnli=nowhere": "nowhere",
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Prepared text of which nothing is held out."""
    return write_data(tmp_path_factory.mktemp("bare") / "data", heldout=0)


@pytest.mark.parametrize("line", REFUSED)
def test_refusals(line, data, bare, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [{"DATA": str(data), "BARE": str(bare)}.get(word, word) for word in line.split()]
    with pytest.raises(SystemExit) as end:
        main(["compare", *words])
    assert end.value.code == 2
    assert REFUSED[line] in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/*/runs/*"))  # nothing was trained


@pytest.mark.parametrize("recipe", sorted(path.name for path in ROOT.glob("recipes/paper_*.sh")))
def test_the_papers_recipes_name_contestants_that_every_preset_can_have(recipe):
    said = subprocess.run(["bash", f"recipes/{recipe}"], cwd=ROOT, env={**os.environ, "ELECTRA": "echo"}, text=True,
                          capture_output=True, check=True).stdout  # fmt: skip
    settings, contestants = (tuple(part.split()) for part in said.split("--settings ")[1].split("--contestants "))
    for preset in ("tiny", "mini", "small", "base", "large"):
        race = CompareConfig(preset=preset, settings=settings, contestants=contestants)
        found = read_contestants(race)
        assert len(found) == len(contestants) > 3
        assert all(isinstance(each.config.model, ElectraConfig) and not each.config.model.memory for each in found)


def test_points_lie_evenly_and_end_at_the_end():
    assert examined_steps(10, 4) == [0, 3, 5, 8, 10] and examined_steps(4, 4) == [0, 1, 2, 3, 4]


def test_the_curves_begin_before_training(raced):
    """Where nothing is spent yet."""
    _, summary = raced
    first = [r for r in summary["results"] if r["point"] == 0]
    assert len(first) == len(CONTESTANTS) * 2
    assert all((r["step"], r["tokens"], r["flops"]) == (0, 0, 0.0) for r in first)


def test_flops_are_the_package_s_own(raced):
    config, summary = raced
    (c, *_) = read_contestants(config)
    model = replace(c.config.model, vocab_size=open_examples(config.data).vocab_size)
    per_token = flops_per_token(replace(c.config, model=model), 64)["total"]
    assert summary["flops"] == pytest.approx(6000 * per_token)


def test_fine_tuning_is_a_score_of_every_point_or_of_the_last(raced, tmp_path):
    """On the runs already made: adding a task trains nothing anew but the task."""
    config, _ = raced
    rng = random.Random(5)
    for split, count in (("train", 48), ("dev", 16)):
        rows = [
            {"text": " ".join(rng.choices(WORDS.split(), k=6)), "label": rng.choice(["a", "b"])} for _ in range(count)
        ]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with_task = replace(config, task=(str(tmp_path),), seeds=1, contestants=("electra", "mlm"))
    summary = compare(replace(with_task, task_points=1))
    (score,) = [name for name in summary["standings"] if name.startswith(tmp_path.name)]
    assert [score in r["scores"] for r in summary["results"]] == [False, False, True] * 2
    summary = compare(with_task)
    trained = [r for r in summary["results"] if r["point"]]
    assert all(0 <= r["scores"][score] <= 1 for r in trained) and len(trained) == 4
    dev = [{"text": row["text"], "label": "a"} for row in rows]
    (tmp_path / "dev.jsonl").write_text("\n".join(map(json.dumps, dev)))
    again = compare(with_task)  # another dev file, other scores
    assert [r["scores"][score] for r in again["results"] if r["point"]] != [r["scores"][score] for r in trained]
    (tmp_path / "dev.jsonl").write_text('{"txt": "the fox"}\n')
    with pytest.raises(ValueError, match="dev.jsonl.*text"):  # before anything is trained
        compare(replace(with_task, contestants=("electra:mask_prob=0.2",)))
    (tmp_path / "dev.jsonl").write_text("\n".join(map(json.dumps, dev)))
    with pytest.raises(ValueError, match="two tasks are called"):
        compare(replace(with_task, task=(str(tmp_path), f"{tmp_path}/../{tmp_path.name}")))
    (tmp_path / "dev.jsonl").unlink()
    with pytest.raises(ValueError, match=r"must hold one file dev\.\*"):
        compare(with_task)


def test_a_race_says_how_long_it_takes_and_where_it_stands(capsys, monkeypatch):
    clock = iter([0.0, 100.0, 200.0, 500.0])
    monkeypatch.setattr("electra.comparison.agenda.time.monotonic", lambda: next(clock))
    agenda = Agenda({"a, seed 0": 60.0, "b, seed 0": 180.0, "c, seed 0": 120.0}, total=4)
    agenda.begin("a, seed 0")
    agenda.end("a, seed 0")
    agenda.begin("b, seed 0")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "4 runs, 3 of them to train: about 6m00s and the examinations",
        "run 2 of 4, a, seed 0: about 6m00s left",
        "run 3 of 4, b, seed 0: about 8m20s left",
    ]
    Agenda({}, total=4)
    assert capsys.readouterr().err == "4 runs, 0 of them to train\n"


def test_in_a_narrow_terminal_a_title_and_a_p_stand_whole():
    console = Console(width=80, file=io.StringIO())
    row = [
        "loss of the masked language model ↓",
        "5.6385 ± 0.0018",
        "5.2719 ± 0.0114 (p 0.016)",
        "5.4704 ± 0.0058 (p 0.011)",
    ]
    console.print(standings([row], ["electra", "mlm", "electra:share=none"], title := "1.9e+12 FLOPs each; one seed"))
    shown = console.file.getvalue()
    assert shown.startswith(f"\n{title}\n") and "(p 0.016)" in shown and "(p 0.011)" in shown


def test_the_points_that_are_examined_are_told(data, tmp_path, capsys):
    logged = config_for(data, tmp_path / "race", contestants=("electra",), budget="2ktok")
    compare(logged)
    lines = capsys.readouterr().err.splitlines()
    told = [re.findall(r"^examining step (\d+) of \d+  on held-out text$", line) for line in lines]
    assert len(found := [*filter(None, told)]) == 3 and found[0] == ["0"]
    quiet = [line for line in lines if not line.startswith(("warning: ", "wrote "))]
    assert max(map(len, quiet)) <= 80 and not [line for line in quiet if str(tmp_path) in line]
    compare(logged)
    assert "examining" not in capsys.readouterr().err


def test_runs_that_are_too_short_are_warned_of(capsys):
    warn_if_short({"electra": 100, "mlm": 2_000})
    assert "1 of 2 contestants train for fewer than 500 steps (the shortest for 100)" in capsys.readouterr().err
    warn_if_short({"electra": 500})
    assert not capsys.readouterr().err


def test_threads_are_those_of_every_contestant(data):
    assert {c.config.threads for c in read_contestants(config_for(data, "x", settings=(), threads=2))} == {2}


@pytest.mark.parametrize("budget", ["6ktok", "6e9"])
def test_a_race_by_tokens_or_operations_times_steps_of_each_and_says_how_long_it_takes(
    data, tmp_path, monkeypatch, capsys, budget
):
    config = config_for(data, tmp_path, contestants=("electra", "mlm"), seeds=2, budget=budget)
    timed = {"electra": 100.0, "mlm": 50.0}  # seconds a step

    def measure(run, length, rounds, steps, most_flops):
        return Measured(1.0, timed[run.objective], 5.0, 0.0, "a step", ())

    monkeypatch.setattr("electra.comparison.pilot.measure", measure)
    contestants = fitted(read_contestants(config), config)
    flops = budget_in_flops(config, contestants[0])
    runs = [run_of(c, seed, flops, config.points) for seed in range(config.seeds) for c in contestants]
    expected = sum(5 + timed[run.contestant.name] * run.config.train_steps for run in runs)
    examination = set_examination(contestants[0].config, "")
    Race(config, runs, (), examination)
    assert f"4 runs, 4 of them to train: about {duration(expected)} and the examinations" in capsys.readouterr().err
    monkeypatch.setattr("electra.comparison.pilot.measure", lambda *asked: pytest.fail("timed again"))
    Race(config, runs, (), examination)
