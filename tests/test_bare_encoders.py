"""Encoders without a head, as `AutoModel.save_pretrained` and SentenceTransformer write them: they embed."""

import json
import logging

import numpy as np
import pytest
import torch
import transformers
from tiny import tiny_tokenizer

import electra
from electra.inference.embedder import Embedder
from electra.server.engine import ModelEngine

TOKENIZER = tiny_tokenizer()
SIZES = dict(vocab_size=TOKENIZER.vocab_size, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
             intermediate_size=64, max_position_embeddings=64, pad_token_id=0)  # fmt: skip
KINDS = {
    "electra": (transformers.ElectraModel, {"embedding_size": 16}),
    "bert": (transformers.BertModel, {}),
    "modernbert": (transformers.ModernBertModel, {"global_attn_every_n_layers": 1}),
}


def saved(folder, name):
    """A bare encoder with its tokeniser, and the network."""
    build, more = KINDS[name]
    torch.manual_seed(0)
    network = build(build.config_class(**SIZES, **more)).eval()
    network.save_pretrained(folder)
    TOKENIZER.save(folder, 64)
    return network


def without(path, key):
    content = json.loads(path.read_text())
    content.pop(key)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("names_its_class", [True, False])
@pytest.mark.parametrize("name", KINDS)
def test_a_bare_encoder_embeds_as_in_transformers(tmp_path, name, names_its_class):
    network = saved(tmp_path, name)
    if not names_its_class:
        without(tmp_path / "config.json", "architectures")
    model = electra.load(tmp_path)
    assert type(model) is Embedder and ModelEngine(model, "x").kinds == ("embed", "tokenize")
    with torch.no_grad():
        ids = torch.tensor([model.row(TOKENIZER.encode("the quick dog").ids)])
        theirs = network(ids).last_hidden_state[0].mean(0).numpy()
    np.testing.assert_allclose(model.encode(["the quick dog"])[0], theirs, atol=1e-5)


def test_the_folders_of_sentence_transformers_load_and_another_pooling_is_said(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "electra")
    saved(tmp_path / "0_Transformer", "electra")
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "1_Pooling").mkdir()
    for settings, is_said in (({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, True),
                              ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, False),
                              ({"pooling_mode": "cls"}, True), ({"pooling_mode": "mean"}, False)):  # fmt: skip
        caplog.clear()
        (tmp_path / "1_Pooling/config.json").write_text(json.dumps(settings))
        assert type(electra.load(tmp_path)) is Embedder
        assert ("vectors here are the mean" in caplog.text) == is_said, settings


def test_a_model_without_its_tokeniser_is_told_what_is_missing(tmp_path):
    saved(tmp_path, "electra")
    for name in ("tokenizer.json", "vocab.txt"):
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=r"no tokenizer: .*copy it there from the model .*save_pretrained writes none"):
        electra.load(tmp_path)
