"""The last lines of a verb: commands that can be given as they stand, for the kind of model that was made."""

import json
import shlex

import pytest

from electra.cli.flags import parse
from electra.cli.next_step import after_demo, after_export, after_prepare, after_training, tell_next
from electra.cli.verbs import VERBS
from electra.config import ExportConfig, PrepareConfig

USES = {  # architecture in config.json: what uses the model
    "ElectraForPreTraining": "detect",
    "ElectraForMaskedLM": "finetune",
    "ElectraForSequenceClassification": "predict",
    "ElectraForTokenClassification": "predict",
    "ElectraForQuestionAnswering": "predict",
}


def verbs_of(commands):
    """The verbs of commands, all of which parse."""
    found = []
    for command in commands:
        program, verb, *words = shlex.split(command)
        assert program == "electra" and parse(VERBS[verb].config, words, verb)
        found.append(verb)
    return found


def write_model(folder, architecture):
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    (folder / "config.json").write_text(json.dumps({"model_type": "electra", "architectures": [architecture]}))


@pytest.mark.parametrize("architecture, verb", USES.items())
def test_a_trained_model_is_used_as_its_kind_allows(architecture, verb, tmp_path):
    write_model(tmp_path / "my run" / "model", architecture)
    assert verbs_of(after_training(str(tmp_path / "my run"))) == [verb]
    write_model(tmp_path / "my task", architecture)
    exports = ["export"] if architecture != "ElectraForMaskedLM" else []
    assert verbs_of(after_training(str(tmp_path / "my task"))) == [verb, *exports]


@pytest.mark.parametrize("vocab_size, preset", {1000: "tiny", 4096: "tiny", 8000: "mini", 30522: "small"}.items())
def test_prepared_text_is_for_the_preset_of_its_vocabulary(vocab_size, preset):
    (command,) = after_prepare(PrepareConfig(("a.txt",), out="data/my text"), {"vocab_size": vocab_size})
    assert f"--preset {preset} " in command and verbs_of([command]) == ["pretrain"]


def test_text_with_the_vocabulary_of_a_model_continues_it(tmp_path):
    write_model(tmp_path / "base" / "model", "ElectraForPreTraining")
    config = PrepareConfig(("a.txt",), out="data/more", tokenizer=str(tmp_path / "base"), extend=100)
    (command,) = after_prepare(config, {"vocab_size": 4196})
    assert f"--init {tmp_path / 'base'} " in command and verbs_of([command]) == ["pretrain"]


def test_after_the_demo_comes_a_text_of_ones_own():
    assert verbs_of(after_demo("runs/my demo")) == ["detect", "prepare"]


def test_an_exported_model_is_served(caplog):
    caplog.set_level("INFO", "electra")
    commands = list(after_export(ExportConfig("runs/a", out="exported/a")))
    tell_next(iter([*commands, *commands]))
    assert verbs_of(commands) == ["serve"]
    assert caplog.messages == [f"next     {commands[0]}", f"         {commands[0]}"]
