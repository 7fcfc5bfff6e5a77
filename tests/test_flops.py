"""Counts of operations and parameters against the paper's released table and the specification's."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tiny import tiny_config, write_data

from electra.cli import main, tables
from electra.config import PRESETS, BenchConfig, FlopsConfig
from electra.cost import measurement
from electra.cost.bench import matrices
from electra.cost.flops import describe, flops
from electra.cost.measurement import measure, stages
from electra.cost.operations import flops_per_token, memory_bytes, parameter_counts, scheduled_tokens
from electra.cost.run import asked_run
from electra.data.shards import open_examples
from electra.pretraining.loader import loader_of
from electra.text.tokenizer import load_tokenizer
from electra.training.device import choose_dtype
from electra.training.trainer import Trainer

# Embeddings, encoder with them, RTD head, generator without them, MLM head, total.
PARAMETERS = {
    "small": (3_972_864, 13_483_008, 66_049, 608_064, 39_098, 14_196_219),
    "small++": (3_972_864, 13_483_008, 66_049, 9_510_144, 63_674, 23_122_875),
    "base": (23_837_184, 108_891_648, 591_361, 9_673_984, 229_434, 119_386_427),
    "large": (31_782_912, 334_092_288, 1_050_625, 19_216_640, 295_738, 354_655_291),
}
SMALL_MLM = replace(PRESETS["small"], objective="mlm")


@pytest.mark.parametrize("preset", PARAMETERS)
def test_parameters_of_each_part(preset):
    names = ("embeddings", "encoder", "rtd_head", "generator", "mlm_head", "total")
    assert parameter_counts(PRESETS[preset]) == dict(zip(names, PARAMETERS[preset], strict=True))


def test_parameters_under_other_sharing_and_objectives():
    small, embeddings = parameter_counts(PRESETS["small"]), PARAMETERS["small"][0]
    assert parameter_counts(replace(PRESETS["small"], share="none"))["total"] == small["total"] + embeddings
    shared = parameter_counts(replace(PRESETS["small++"], share="all"))
    assert shared["generator"] == 0 and shared["mlm_head"] == PARAMETERS["small++"][4]
    bert = parameter_counts(SMALL_MLM)
    assert bert["rtd_head"] == bert["generator"] == 0
    assert bert["total"] == bert["encoder"] + PARAMETERS["small++"][4]


# MFLOP a token: encoder's layers, generator's layers, MLM head, total.
@pytest.mark.parametrize(
    ("config", "length", "encoder", "generator", "mlm_head", "total"),
    [
        (PRESETS["small"], 128, 61.3, 4.4, 3.5, 70.0),
        (replace(PRESETS["small"], generator_width=1.0, generator_depth=1 / 6), 128, 61.3, 6.9, 3.5, 72.6),
        (PRESETS["small"], 512, 75.5, 7.7, 3.5, 87.4),
        (PRESETS["base"], 128, 524, 58, 21, 608),
        (PRESETS["base"], 512, 566, 71, 21, 663),
    ],
)
def test_operations_per_token(config, length, encoder, generator, mlm_head, total):
    parts = flops_per_token(config, length)
    found = [parts[name] / 1e6 for name in ("encoder", "generator", "mlm_head", "total")]
    tolerance = 0.05001 if total < 100 else 0.51
    assert found == pytest.approx([encoder, generator, mlm_head, total], abs=tolerance)
    assert parts["total"] == sum(value for name, value in parts.items() if name != "total")


def test_masked_language_modelling_has_one_network_and_its_head():
    electra, bert = flops_per_token(PRESETS["small"], 128), flops_per_token(SMALL_MLM, 128)
    last_layer = 6 * (256 * 256 + 2 * 256 * 1024) + 12 * 256 * 128  # but for queries, keys and values
    assert bert["encoder"] == pytest.approx(electra["encoder"] - 0.85 * last_layer)
    assert bert["generator"] == bert["rtd_head"] == 0
    assert bert["mlm_head"] == pytest.approx(6 * 0.15 * 128 * (256 + 30522))


@pytest.mark.parametrize("objective", ["electra", "mlm"])
def test_the_matrices_that_are_timed_are_those_that_are_counted(objective):
    config = replace(PRESETS["tiny"], objective=objective, mask_prob=0.125, short_stage=0.0)
    timed = sum(6 * m * d_in * d_out * times for (m, d_in, d_out), times in matrices(config, 32 * 128, 128).items())
    attention = 12 * 128 * 128 * (3 + 0.125 if objective == "mlm" else 4 + 0.125)
    scores = 6 * 128 if objective == "electra" else 0  # the matrix with one column is not timed
    assert timed / (32 * 128) + attention + scores == pytest.approx(flops_per_token(config, 128)["total"])


def test_short_rows_cost_less_attention_while_they_are_short():
    short = replace(PRESETS["small"], short_stage=0.6, short_length=32)
    per_token = [flops_per_token(PRESETS["small"], length)["total"] for length in (32, 128)]
    assert flops_per_token(short, 128, done=0.3)["total"] == per_token[0]
    assert flops_per_token(short, 128)["total"] == pytest.approx(0.6 * per_token[0] + 0.4 * per_token[1])
    assert flops_per_token(short, 32)["total"] == per_token[0]


def test_memory_is_sixteen_bytes_a_parameter_and_grows_with_the_micro_batch():
    few, many = (memory_bytes(PRESETS["small"], 128, rows) for rows in (32, 64))
    assert few["weights"] + few["gradients"] + few["adam_moments"] == 16 * PARAMETERS["small"][5]
    assert many["activations_estimate"] == pytest.approx(2 * few["activations_estimate"])
    assert few["total"] == sum(value for name, value in few.items() if name != "total")


def test_the_last_layer_below_a_language_model_keeps_less():
    small = PRESETS["small"]
    bert = replace(small, objective="mlm")

    def layers_keep(layers: int) -> int:
        run = replace(bert, model=replace(bert.model, num_hidden_layers=layers))
        logits = bert.mask_prob * bert.model.vocab_size * 12
        return memory_bytes(run, 128, 1)["activations_estimate"] / 128 - logits

    whole = 2 * (9 * 256 + 2 * 1024)  # bytes of bf16 that a layer of small keeps of a token
    assert layers_keep(2) - layers_keep(1) == pytest.approx(whole, abs=1)
    assert layers_keep(1) == pytest.approx(whole - 2 * (1 - bert.mask_prob) * (5 * 256 + 2 * 1024), abs=1)


def test_tokens_of_the_schedule():
    assert scheduled_tokens(PRESETS["small"], 128) == 1_000_000 * 128 * 128
    assert scheduled_tokens(replace(PRESETS["small"], max_tokens=5), 128) == 5


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_a_report(preset, capsys):
    main(["flops", "--preset", preset, "--no-measure"])
    printed = capsys.readouterr().out
    assert "electra_1.75M" in printed and f"{parameter_counts(PRESETS[preset])['total']:,}" in printed


def test_the_cost_states_the_time_at_a_given_speed():
    found = dict(describe(PRESETS["small"], 128, tokens_per_second=16_384_000_000 / (3 * 86_400)))
    assert "72h00m (3.0 days)" in found.values()
    short = dict(describe(replace(PRESETS["small"], max_minutes=30), 128, tokens_per_second=100.0))
    assert short["tokens in the budget of 30m00s"] == "180,000"


def test_the_time_is_that_of_steps_measured_here(capsys):
    pytest.importorskip("torch")
    main(["flops", "--preset", "tiny", "--compile", "off"])
    printed = capsys.readouterr().out
    assert "a guess" in printed and "time for the full schedule" in printed


def test_the_bench_knows_the_whole_schedule_however_a_batch_is_cut(capsys):
    pytest.importorskip("torch")
    from electra.cost.bench import bench

    figures = bench(BenchConfig("tiny", seq_length=32, micro_batch_size=4, rounds=1, compile="off", price=2.0))
    assert figures["full_schedule_tokens"] == scheduled_tokens(PRESETS["tiny"], 32)
    hours = figures["full_schedule_tokens"] / figures["training_tokens_per_second"] / 3600
    assert figures["full_schedule_hours"] == pytest.approx(hours, abs=0.06)
    assert figures["full_schedule_price"] == pytest.approx(2 * hours, rel=0.02, abs=0.01)
    Console().print(tables.benchmark(figures))
    assert "full schedule takes" in capsys.readouterr().out


def test_without_torch_nothing_is_measured(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "electra.cost.measurement", None)
    main(["flops"])
    printed = capsys.readouterr().out
    assert "69.95 M" in printed and "tokens per second" not in printed


@pytest.mark.parametrize(("arguments", "message"), [(dict(preset="smal"), "small"), (dict(seq_length=1000), "512")])
def test_wrong_arguments_are_refused_with_the_right_ones(arguments, message):
    with pytest.raises(ValueError, match=message):
        flops(FlopsConfig(**arguments))


def test_the_memory_of_the_process_is_measured_beside_that_of_the_tensors():
    """It was told six times too small: torch itself takes more than a tiny model."""
    rows = dict(flops(FlopsConfig(preset="tiny", seq_length=16, threads=1, compile="off")).rows)
    measured = float(rows["memory of the whole process in those steps"].split()[0].replace(",", ""))
    assert measured > float(rows["memory, weights"].split()[0])
    assert "memory of the whole process in those steps" not in dict(flops(FlopsConfig("tiny", measure=False)).rows)


def test_memory_is_that_of_the_rows_a_run_has_on_this_machine():
    rows = dict(flops(FlopsConfig("tiny", measure=False, device="cpu")).rows)
    assert rows["  in micro-batches of"] == "32 x 128 tokens"
    assert rows["memory, total"] == f"{memory_bytes(PRESETS['tiny'], 128, 32)['total'] / 2**20:,.0f} MiB"


def test_a_speed_on_random_words_is_called_a_guess():
    found = dict(flops(FlopsConfig("tiny", device="cpu", threads=1, compile="off")).rows)
    assert found["  from"] == "3 steps of 1 x 32 rows of 128 tokens, muon, 1 thread, bfloat16, not compiled".replace(
        "bfloat16", str(choose_dtype(PRESETS["tiny"])).removeprefix("torch.")
    )
    assert found["  a guess, timed on"] == "random words, without padding"


# -- the step that is timed --------------------------------------------------------------------------------------------

UPDATE = 1000.0  # seconds by the clock of these tests, on which every slot of a row takes one


@pytest.fixture
def clock(monkeypatch):
    """A clock that only a gradient and an update of the weights move; returns what they have done."""
    seen = {"now": 0.0, "batches": [], "updates": []}
    gradient, update = Trainer.add_gradient, Trainer.move_weights

    def add_gradient(self, batch, counts):
        seen["now"] += batch.input_ids.numel()
        seen["batches"].append(tuple(batch.input_ids.shape))
        return gradient(self, batch, counts)

    def move_weights(self):
        seen["now"] += UPDATE
        seen["updates"].append(type(self.optimizer).__name__)
        update(self)

    monkeypatch.setattr(Trainer, "add_gradient", add_gradient)
    monkeypatch.setattr(Trainer, "move_weights", move_weights)
    monkeypatch.setattr(measurement.time, "perf_counter", lambda: seen["now"])
    return seen


def short_run(**changes):
    return replace(tiny_config(Path(), Path(), **changes), data="")


def test_the_step_that_is_timed_is_the_runs_own(clock):
    found = measure(short_run(optimizer="muon"), 32, rounds=2, steps=1, most_flops=1e15)
    assert clock["batches"] == [(4, 32)] * 2 * (2 + 2)  # micro-batches of first step, warm-up, and rounds
    assert clock["updates"] == ["Several"] * 4  # Muon beside AdamW, once a step and not once a micro-batch
    assert found.speed == pytest.approx(8 * 32 / (8 * 32 + UPDATE))
    assert found.first == 8 * 32 + UPDATE
    assert found.differences == ("random words, without padding",) and "2 x 4 rows of 32 tokens, muon" in found.steps


@pytest.mark.parametrize(("affordable", "shape"), [(4, (4, 32)), (3, (3, 32)), (0, (1, 32))])
def test_a_long_step_is_timed_in_part_and_its_update_counts_once(clock, affordable, shape):
    config = short_run()
    most = flops_per_token(config, 32)["total"] * 32 * affordable
    found = measure(config, 32, rounds=1, steps=2, most_flops=most * 1.001)
    assert set(clock["batches"]) == {shape}
    assert found.speed == pytest.approx(8 * 32 / (8 * 32 + UPDATE))
    assert found.differences[1] == f"{shape[0]} of the 8 rows of a step"


def test_each_stage_is_timed_and_weighs_what_it_lasts(clock):
    config = short_run(short_stage=0.75, short_length=24)  # two pieces of 24, of 32 tokens
    found = measure(config, 32, rounds=1, steps=1, most_flops=1e15)
    assert clock["batches"] == [(8, 24)] * 6 + [(4, 32)] * 6
    seconds = 0.75 * 8 * 48 + 0.25 * 8 * 32 + UPDATE
    assert found.speed == pytest.approx(8 * 32 / seconds)
    assert stages(short_run(objective="two_stage", share="none", generator_width=1.0)) == [(0.25, 0.5), (0.75, 0.5)]


def test_on_the_text_of_a_run_its_own_rows_are_timed(clock, tmp_path):
    config = tiny_config(write_data(tmp_path / "data"), tmp_path / "run")
    found = measure(config, 24, rounds=4, steps=1, most_flops=1e15)
    train, tokenizer = open_examples(config.data, "train"), load_tokenizer(config.data)
    rows = loader_of(config, train, tokenizer)
    tokens = [sum(int((b.example_ids > 0).sum()) for b in rows.micro_batches(n, 4)) for n in range(2, 6)]
    assert found.speed == pytest.approx(sum(tokens) / 4 / (8 * 24 + UPDATE)) and found.differences == ()


def test_the_run_that_is_asked_for_has_its_settings_and_the_sizes_of_its_text(tmp_path):
    write_data(tmp_path)
    settings = ("optimizer=adamw", "train_batch_size=16", "hidden_size=64")
    run, length = asked_run(FlopsConfig("tiny", data=str(tmp_path), recipe="paper", settings=settings, threads=1))
    assert (run.optimizer, run.train_batch_size, run.threads, run.short_stage) == ("adamw", 16, 1, 0.0)
    assert (run.model.hidden_size, run.model.vocab_size, length) == (64, open_examples(tmp_path).vocab_size, 24)
    with pytest.raises(ValueError, match="did you mean 'optimizer'"):
        asked_run(FlopsConfig("tiny", settings=("optimiser=adamw",)))
    with pytest.raises(ValueError, match="FIELD=VALUE"):
        FlopsConfig(settings=("adamw",))
    with pytest.raises(ValueError, match="leave --seq-length out"):
        BenchConfig(data="d", seq_length=64)


def test_a_step_of_a_vocabulary_smaller_than_the_id_of_berts_mask():
    run = tiny_config("", "", train_batch_size=1, micro_batch_size=1)
    run = replace(run, model=replace(run.model, vocab_size=50))
    found = measure(run, 8, 1, 1, 1e12)
    assert found.speed > 0 and found.steps.startswith("1 step of 1 x 1 row of 8 tokens, ")
