"""Continued pre-training: from a run, from a pair of Hugging Face directories, with half of one."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from tiny import MODEL, hook_step, stop_after, tiny_config, tiny_tokenizer, write_data

from electra.checkpoints.huggingface import load_network, save_network
from electra.core.errors import Interrupted
from electra.models.electra.encoder import Encoder
from electra.models.heads import Discriminator, MaskedLM
from electra.pretraining.run import pretrain


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("start") / "data")


@pytest.fixture(scope="module")
def run(data):
    pretrain(tiny_config(data, data.parent / "run", train_steps=3))
    return data.parent / "run"


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def continued(data, out, init, **changes):
    """The networks after a step at a learning rate of nothing."""
    pretrain(tiny_config(data, out, init=init, train_steps=1, learning_rate=1e-30, weight_decay=0, **changes))
    return load_network(out / "model"), load_network(out / "model" / "generator")


def test_a_run_goes_on_from_its_own_weights_whatever_sizes_are_asked_for(data, run, tmp_path):
    networks = continued(data, tmp_path, str(run), model=replace(MODEL, num_hidden_layers=1), generator_width=0.25)
    assert same(networks[0], load_network(run / "model"))
    assert same(networks[1], load_network(run / "model" / "generator"))


def test_two_folders(data, run, tmp_path):
    shutil.copytree(run / "model", tmp_path / "d")
    shutil.move(tmp_path / "d" / "generator", tmp_path / "g")
    networks = continued(data, tmp_path / "out", f"{tmp_path / 'd'},{tmp_path / 'g'}")
    assert same(networks[1], load_network(run / "model" / "generator"))


def test_a_missing_generator_is_said_and_starts_at_random(data, run, tmp_path, capsys):
    shutil.copytree(run / "model", tmp_path / "d")
    shutil.rmtree(tmp_path / "d" / "generator")
    networks = continued(data, tmp_path / "out", str(tmp_path / "d"))
    assert "no generator" in capsys.readouterr().err
    assert same(networks[0], load_network(run / "model"))
    embeddings = networks[1].encoder.embeddings, networks[0].encoder.embeddings
    assert same(*embeddings)  # shared: the discriminator's


def test_another_vocabulary_is_refused(data, tmp_path):
    tokenizer = tiny_tokenizer("bpe")
    save_network(tmp_path / "m", Discriminator(Encoder(replace(MODEL, vocab_size=tokenizer.vocab_size))), tokenizer, 24)
    with pytest.raises(ValueError, match="prepare it again with --tokenizer"):
        pretrain(tiny_config(data, tmp_path / "out", init=str(tmp_path / "m")))
    assert not (tmp_path / "out").exists()


def test_a_generator_of_another_shape_is_refused(data, run, tmp_path):
    shutil.copytree(run / "model", tmp_path / "d")
    shutil.rmtree(tmp_path / "d" / "generator")
    tokenizer = tiny_tokenizer()
    config = replace(MODEL, vocab_size=tokenizer.vocab_size, hidden_size=16, num_attention_heads=4)
    save_network(tmp_path / "d" / "generator", MaskedLM(Encoder(config)), tokenizer, 24)
    with pytest.raises(ValueError, match="not its discriminator made narrower"):
        pretrain(tiny_config(data, tmp_path / "out", init=str(tmp_path / "d")))


@pytest.mark.parametrize("objective", ["mlm", "replace_mlm", "all_tokens_mlm"])
def test_one_network_goes_on_from_the_body_of_a_discriminator(data, run, tmp_path, objective, capsys):
    pretrain(tiny_config(data, tmp_path, init=str(run), train_steps=1, objective=objective))
    assert "its encoder is kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes, said",
    [
        (dict(objective="two_stage", share="none"), "has no generator: its encoder is kept"),
        (dict(share="all"), "no generator of the configured size"),
    ],
)
def test_a_smaller_generator_is_left_out_where_a_full_one_is_wanted(data, run, tmp_path, changes, said, capsys):
    full = dict(generator_width=1.0, generator_depth=1.0)
    pretrain(tiny_config(data, tmp_path, init=str(run), train_steps=1, **full, **changes))
    assert said in capsys.readouterr().err


def test_a_generator_of_another_vocabulary_is_refused(data, run, tmp_path):
    shutil.copytree(run / "model" / "generator", tmp_path / "g")
    file = tmp_path / "g" / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["fox"], vocabulary["dog"] = vocabulary["dog"], vocabulary["fox"]
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="another vocabulary than that of .*g .2 tokens differ"):
        pretrain(tiny_config(data, tmp_path / "out", init=f"{run},{tmp_path / 'g'}"))


def test_what_a_run_started_from_may_be_gone_when_it_goes_on(data, run, tmp_path):
    shutil.copytree(run / "model", tmp_path / "start")
    require_it_goes_on_alone(tiny_config(data, tmp_path / "out", init=str(tmp_path / "start")))


def require_it_goes_on_alone(config):
    """A run that was stopped reaches its end after the model it started from was removed."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        hook_step(patch, after=stop_after(6))
        pretrain(config)
    shutil.rmtree(config.init)
    assert pretrain(config)["step"] == 24


def test_no_such_folder(data, tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        pretrain(tiny_config(data, tmp_path / "out", init="nowhere"))
