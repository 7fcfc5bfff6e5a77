"""Configurations: what they share, what they refuse, and the registry of objectives."""

from dataclasses import fields

import pytest

from electra.cli.verbs import VERBS
from electra.config import (
    ConvertConfig,
    DetectConfig,
    EvaluateConfig,
    ExportConfig,
    FinetuneConfig,
    PrepareConfig,
    PretrainConfig,
    ServeConfig,
    TrainConfig,
    to_dict,
)
from electra.config.base import ordered_fields
from electra.config.objectives import OBJECTIVES, Traits, traits_of
from electra.objectives import find_objective
from electra.objectives.base import Objective
from electra.objectives.electric import Electric

TRAINED = [PretrainConfig, FinetuneConfig, EvaluateConfig]


@pytest.mark.parametrize("kind", TRAINED)
def test_the_loop_finds_all_its_settings(kind):
    config = kind()
    assert isinstance(config, TrainConfig)
    assert {f.name for f in fields(TrainConfig)} <= set(to_dict(config))
    assert all(f.metadata["help"] for f in fields(kind) if f.name != "model" or kind is not PretrainConfig)


def test_only_pre_training_has_a_cooldown_and_compiles():
    assert (FinetuneConfig().cooldown, FinetuneConfig().compile) == (1.0, "off")
    assert not {"cooldown", "compile"} & set(to_dict(FinetuneConfig()))
    assert (PretrainConfig(cooldown=0.5).cooldown, PretrainConfig(compile="on").compile) == (0.5, "on")


@pytest.mark.parametrize("kind", TRAINED)
def test_fields_are_read_from_the_verbs_own_to_the_shared_ones(kind):
    names = [f.name for f in ordered_fields(kind)]
    assert sorted(names) == sorted(f.name for f in fields(kind)) and names == list(to_dict(kind()))
    assert names.index("out") < names.index("adam_beta1")


@pytest.mark.parametrize("kind", TRAINED)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(weight_decay=-1.0), "weight_decay must not be negative, got -1.0"),
        (dict(adam_beta2=1.0), "adam_beta1 and adam_beta2 must be in"),
        (dict(train_batch_size=8, micro_batch_size=3), "micro_batch_size 3 must divide train_batch_size 8"),
        (dict(log_steps=0), "log_steps must be above 0, got 0"),
        (dict(seed=-1), "seed must not be negative, got -1"),
    ],
)
def test_shared_checks(kind, changes, said):
    with pytest.raises(ValueError, match=said):
        kind(**changes)


@pytest.mark.parametrize("kind", [DetectConfig, ServeConfig])
def test_a_threshold_is_a_probability_or_left_to_the_model(kind):
    assert kind().threshold is None and kind(threshold=0.0).threshold == 0.0
    for wrong in (-1.0, 1.5):
        with pytest.raises(ValueError, match=f"threshold is a probability, got {wrong}"):
            kind(threshold=wrong)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_registered_class_has_the_traits_of_the_registry(name):
    assert find_objective(name).traits is OBJECTIVES[name] is traits_of(name)
    assert PretrainConfig().traits is OBJECTIVES["electra"]


def test_a_class_elsewhere_inherits_traits_or_states_its_own():
    class Mine(Electric):
        pass

    class Other(Electric):
        traits = Traits(generator="none")

    class New(Objective):
        pass

    assert Mine.traits is OBJECTIVES["electric"] and not Mine.traits.outputs_probability
    assert Other.traits.generator == "none" and New.traits == Traits() == traits_of("somewhere:New")


@pytest.mark.parametrize("verb", [verb for verb in VERBS.values() if "out" in verb.config.__dataclass_fields__])
def test_only_prepared_data_is_written_to_a_url(verb):
    """`--out s3://bucket/run` made a folder s3: here."""
    if verb.config is PrepareConfig:
        assert PrepareConfig(("a.txt",), "s3://bucket/data").out
        return
    needed = {ExportConfig: ("runs/mine",), ConvertConfig: ("theirs",)}.get(verb.config, ())
    with pytest.raises(ValueError, match="out is local, not s3://bucket/run: only electra prepare writes to a URL"):
        verb.config(*needed, out="s3://bucket/run")
