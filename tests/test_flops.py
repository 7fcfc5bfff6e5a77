"""Counts of operations and parameters against the paper's released table and the specification's."""

import sys
from dataclasses import replace

import pytest
from rich.console import Console

from electra.cli import main, tables
from electra.config import PRESETS, BenchConfig, FlopsConfig
from electra.cost.bench import matrices
from electra.cost.flops import describe, flops
from electra.cost.operations import flops_per_token, memory_bytes, parameter_counts, scheduled_tokens

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


def test_the_time_is_that_of_steps_measured_here(capsys):
    pytest.importorskip("torch")
    main(["flops", "--preset", "tiny"])
    printed = capsys.readouterr().out
    assert "a guess from" in printed and "time for the full schedule" in printed


def test_the_bench_knows_the_whole_schedule_however_a_batch_is_cut(capsys):
    pytest.importorskip("torch")
    from electra.cost.bench import bench

    figures = bench(BenchConfig("tiny", seq_length=32, micro_batch_size=4, rounds=1, steps=1, compile="off", price=2.0))
    assert figures["full_schedule_tokens"] == scheduled_tokens(PRESETS["tiny"], 32)
    hours = figures["full_schedule_tokens"] / figures["training_tokens_per_second"] / 3600
    assert figures["full_schedule_hours"] == pytest.approx(hours, abs=0.06)
    assert figures["full_schedule_price"] == pytest.approx(2 * hours, rel=0.02, abs=0.01)
    Console().print(tables.benchmark(figures))
    assert "full schedule takes" in capsys.readouterr().out


def test_without_torch_nothing_is_measured(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "electra.cost.bench", None)
    main(["flops"])
    printed = capsys.readouterr().out
    assert "69.95 M" in printed and "tokens per second" not in printed


@pytest.mark.parametrize(("arguments", "message"), [(dict(preset="smal"), "small"), (dict(seq_length=1000), "512")])
def test_wrong_arguments_are_refused_with_the_right_ones(arguments, message):
    with pytest.raises(ValueError, match=message):
        flops(FlopsConfig(**arguments))


def test_the_memory_of_the_process_is_measured_beside_that_of_the_tensors():
    """It was told six times too small: torch itself takes more than a tiny model."""
    rows = dict(flops(FlopsConfig(preset="tiny", seq_length=16, threads=1)).rows)
    measured = float(rows["memory of the whole process in those steps"].split()[0].replace(",", ""))
    assert measured > float(rows["memory, weights"].split()[0])
    assert "memory of the whole process in those steps" not in dict(flops(FlopsConfig("tiny", measure=False)).rows)


def test_memory_is_that_of_the_rows_a_run_has_on_this_machine():
    rows = dict(flops(FlopsConfig("tiny", measure=False, device="cpu")).rows)
    assert rows["  in micro-batches of"] == "32 x 128 tokens"
    assert rows["memory, total"] == f"{memory_bytes(PRESETS['tiny'], 128, 32)['total'] / 2**20:,.0f} MiB"


def test_a_speed_from_three_steps_is_called_a_guess():
    found = flops(FlopsConfig("tiny", device="cpu", threads=1)).rows
    (label,) = [name for name, _ in found if name.startswith("tokens per second")]
    assert "a guess from three steps of 32 x 128 on cpu, 1 threads, not compiled" in label and "electra bench" in label
