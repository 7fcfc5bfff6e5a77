"""Uploading a model: by its own command alone, the model's files alone, private unless asked otherwise."""

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalTokenNotFoundError
from huggingface_hub.utils import filter_repo_objects
from test_finetune import config, folder  # noqa: F401

from electra.cli import main
from electra.finetuning.run import finetune


class Hub:
    """The Hub as far as `push` calls it: what it was asked to create and which files it was sent."""

    asked, sent = {}, set()

    def create_repo(self, name, **how):
        Hub.asked = {"name": name, **how}

    def upload_folder(self, *, repo_id, folder_path, commit_message, ignore_patterns):
        files = [str(p.relative_to(folder_path)) for p in folder_path.rglob("*") if p.is_file()]
        Hub.sent = set(filter_repo_objects(files, ignore_patterns=ignore_patterns))
        return f"https://hub.example/{repo_id}"


def test_a_models_files_are_sent_and_no_seeds_or_paths_of_this_machine(folder, tmp_path, monkeypatch, capsys):  # noqa: F811
    finetune(config(folder, tmp_path / "out", epochs=0.5))
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    main(["push", str(tmp_path / "out"), "--to", "me/topic"])
    assert Hub.asked == {"name": "me/topic", "private": True, "exist_ok": True}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= Hub.sent
    assert not [name for name in Hub.sent if name.startswith(("runs", ".")) or name == "finetune.json"]
    assert "uploaded" in capsys.readouterr().err
    main(["push", str(tmp_path / "out"), "--to", "me/topic", "--public"])
    assert Hub.asked["private"] is False


def test_a_refusal_says_how_to_log_in(folder, monkeypatch, capsys):  # noqa: F811
    def refuse(self, name, **how):
        raise LocalTokenNotFoundError("no token")

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(Hub, "create_repo", refuse)
    with pytest.raises(SystemExit) as ended:
        main(["push", str(folder / "model"), "--to", "me/topic"])
    assert ended.value.code == 2 and "hf auth login" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "said"), [(["m"], "--to OWNER/NAME"), (["m", "--to", "x"], "got 'x'")])
def test_where_to_must_be_said(words, said, capsys):
    with pytest.raises(SystemExit):
        main(["push", *words])
    assert said in capsys.readouterr().err
