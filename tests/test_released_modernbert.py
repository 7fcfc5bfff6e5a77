"""Continue from a directory as ModernBERT was released: its tokeniser, its masked language model."""

import json
from collections import Counter

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from tiny import sentences, tiny_config
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from electra.checkpoints.huggingface import load_network, save_network
from electra.config import ElectraConfig, ModernBertConfig, PrepareConfig
from electra.core.storage import read_json
from electra.data.prepare import prepare
from electra.data.shards import open_examples
from electra.models.heads import Discriminator, MaskedLM
from electra.objectives import find_objective
from electra.pretraining.run import pretrain
from electra.pretraining.start import fit_to_start, load_start, take_over
from electra.text.tokenizer import load_tokenizer

LAYERS = 8
SPECIAL = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]",
           "mask_token": "[MASK]"}  # fmt: skip
ZERO_RATE = dict(learning_rate=1e-30, weight_decay=0.0)


def write_tokenizer(folder):
    """Byte-level BPE with the special tokens behind the vocabulary, then unused ones, as released."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(sentences(200), trainer)
    mask = tokenizers.AddedToken("[MASK]", lstrip=True, normalized=False, special=True)
    backend.add_special_tokens([*list(SPECIAL.values())[:-1], mask])
    backend.add_tokens([f"[unused{n}]" for n in range(3)])
    backend.save(str(folder / "tokenizer.json"))
    content = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 8192, **SPECIAL}
    (folder / "tokenizer_config.json").write_text(json.dumps(content))
    return backend


def write_model(folder, kind=transformers.ModernBertForMaskedLM):
    """A random network with more embeddings than its tokeniser has entries, as released."""
    torch.manual_seed(0)
    backend = write_tokenizer(folder)
    config = transformers.ModernBertConfig(
        vocab_size=320, hidden_size=32, intermediate_size=40, num_hidden_layers=LAYERS, num_attention_heads=4,
        max_position_embeddings=64, global_attn_every_n_layers=3, local_attention=6, global_rope_theta=900.0,
        local_rope_theta=300.0, attention_bias=False, classifier_pooling="mean",
        pad_token_id=backend.token_to_id("[PAD]"), bos_token_id=None, eos_token_id=None, cls_token_id=None,
        sep_token_id=None,
    )  # fmt: skip
    network = kind(config)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.2)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="module")
def data(released, tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    lines = sentences(200, seed=2)
    (folder / "text.txt").write_text("\n\n".join(lines))
    prepare(
        PrepareConfig(
            (str(folder / "text.txt"),), str(folder / "data"), tokenizer=str(released), seq_length=24, heldout=0.1,
            num_workers=1,
        )
    )  # fmt: skip
    return folder / "data"


def modern_config(data, out, start, **changes):
    """A tiny run whose sizes are all other than the start's."""
    full = changes.get("share") == "all" or changes.get("objective") == "two_stage"
    depth = 1.0 if full else 0.625
    shape = ModernBertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, local_attention=20)
    return tiny_config(
        data, out, init=str(start), **(dict(model=shape, generator_width=1.0, generator_depth=depth) | changes)
    )


def require_same_weights(mine, theirs):
    """Fail unless every tensor of `mine` is that of the same name in `theirs`."""
    state = theirs.state_dict()
    assert mine.state_dict()
    for name, tensor in mine.state_dict().items():
        assert torch.allclose(tensor, state[name], atol=1e-6), name


def test_text_is_prepared_with_a_byte_level_tokeniser(released, data):
    ours = load_tokenizer(data)
    theirs = transformers.AutoTokenizer.from_pretrained(released)
    assert (ours.cls_id, ours.sep_id, ours.mask_id) == (
        theirs.cls_token_id, theirs.sep_token_id, theirs.mask_token_id
    )  # fmt: skip
    assert ours.pad_id == theirs.pad_token_id > 0
    splits = [open_examples(data, split) for split in ("train", "heldout")]
    found = Counter(int(i) for examples in splits for n in range(len(examples)) for i in np.asarray(examples[n]))
    expected = Counter(i for line in sentences(200, seed=2) for i in theirs.encode(line, add_special_tokens=False))
    assert {i: count for i, count in found.items() if i not in ours.special_ids} == expected


@pytest.mark.parametrize("share", ["none", "embeddings", "gdes", "all"])
def test_both_networks_start_from_a_masked_language_model(released, data, tmp_path, share):
    pretrain(modern_config(data, tmp_path, released, share=share, train_steps=1, **ZERO_RATE))
    theirs = load_network(released)
    discriminator, generator = (load_network(tmp_path / name) for name in ("model", "model/generator"))
    shape = discriminator.encoder.config
    assert (shape.vocab_size, shape.num_hidden_layers, shape.hidden_size) == (320, LAYERS, 32)
    assert (shape.local_attention, shape.global_rope_theta, shape.local_rope_theta) == (6, 900.0, 300.0)
    assert not shape.attention_bias and shape.pad_token_id == load_tokenizer(released).pad_id
    require_same_weights(discriminator.encoder, theirs.encoder)
    assert generator.encoder.config.num_hidden_layers == (LAYERS if share == "all" else 5)
    require_same_weights(generator.encoder, theirs.encoder)
    require_same_weights(generator.head, theirs.head)


def test_a_layer_of_the_generator_sees_as_far_as_the_layer_it_came_from(released, data, tmp_path):
    pretrain(modern_config(data, tmp_path, released, train_steps=1, **ZERO_RATE))
    contents = [read_json(folder / "config.json") for folder in (released, tmp_path / "model" / "generator")]
    whole, part = (content["layer_types"] for content in contents)
    assert part == whole[:5] and part.count("full_attention") == 2
    theirs = transformers.ModernBertForMaskedLM.from_pretrained(released).eval()
    theirs.model.layers = theirs.model.layers[:5]
    ids = torch.randint(0, 300, (2, 24))
    ours = transformers.ModernBertForMaskedLM.from_pretrained(tmp_path / "model" / "generator").eval()
    with torch.no_grad():
        assert (ours(ids).logits - theirs(ids).logits).abs().max() < 1e-5


def test_two_steps_train_both_networks(released, data, tmp_path, capsys):
    pretrain(modern_config(data, tmp_path, released, train_steps=2, warmup_steps=0))
    said = capsys.readouterr().err
    assert "has no discriminator: its encoder is kept, the head starts at random" in said
    assert "it starts from the first 5 layers and their head" in said
    theirs = load_network(released).state_dict()
    for name in ("model", "model/generator"):
        ours = load_network(tmp_path / name).state_dict()
        table = "encoder.embeddings.word.weight"
        assert 0 < (ours[table] - theirs[table]).abs().max() < 0.1


def test_a_run_from_a_model_with_spare_embeddings_goes_on(released, data, tmp_path):
    config = modern_config(data, tmp_path, released, train_steps=1)
    assert pretrain(config) == pretrain(config)


def test_an_encoder_alone_lends_its_layers_and_no_head(data, tmp_path, capsys):
    (tmp_path / "bare").mkdir()
    bare = write_model(tmp_path / "bare", transformers.ModernBertModel)
    pretrain(modern_config(data, tmp_path / "out", bare, train_steps=1, **ZERO_RATE))
    assert "the first 5 layers and a random head" in capsys.readouterr().err
    require_same_weights(load_network(tmp_path / "out" / "model" / "generator").encoder, load_network(bare).encoder)


@pytest.mark.parametrize(
    "objective, names",
    [("mlm", ["model"]), ("replace_mlm", ["model", "model/generator"]), ("two_stage", ["model"])],
)
def test_other_objectives_take_over_the_head_as_well(released, data, tmp_path, objective, names):
    share = "none" if objective == "two_stage" else "embeddings"
    pretrain(modern_config(data, tmp_path, released, objective=objective, share=share, train_steps=1, **ZERO_RATE))
    for name in names:
        ours, theirs = load_network(tmp_path / name), load_network(released)
        assert isinstance(ours, MaskedLM)
        require_same_weights(ours.encoder, theirs.encoder)
        require_same_weights(ours.head, theirs.head)


def test_a_generator_may_be_named_beside_it(released, data, tmp_path):
    pretrain(modern_config(data, tmp_path / "first", released, train_steps=2, warmup_steps=0))
    generator = tmp_path / "first" / "model" / "generator"
    pretrain(modern_config(data, tmp_path / "out", f"{released},{generator}", share="none", train_steps=1, **ZERO_RATE))
    require_same_weights(load_network(tmp_path / "out" / "model" / "generator"), load_network(generator))


def test_a_generator_of_other_rotary_bases_is_refused(released, data, tmp_path):
    other = load_network(released)
    save_network(tmp_path / "other", other, load_tokenizer(released), 24)
    content = read_json(tmp_path / "other" / "config.json")
    content["rope_parameters"]["sliding_attention"]["rope_theta"] = 700.0
    (tmp_path / "other" / "config.json").write_text(json.dumps(content))
    config = modern_config(data, "unused", f"{released},{tmp_path / 'other'}")
    with pytest.raises(ValueError, match="not its discriminator made narrower"):
        fit_to_start(config, load_start(config.init), load_tokenizer(released))


def test_a_frozen_generator_stays_as_it_is(released, data, tmp_path):
    (tmp_path / "frozen").mkdir()
    frozen = write_model(tmp_path / "frozen")
    changed = load_network(frozen)
    torch.nn.init.normal_(changed.head.dense.weight)
    save_network(frozen, changed, load_tokenizer(released), 24)
    pretrain(modern_config(data, tmp_path / "out", released, generator_kind=str(frozen), share="none", train_steps=1))
    require_same_weights(load_network(tmp_path / "out" / "model" / "generator"), changed)


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_a_bert_lends_its_first_layers_to_a_generator_of_its_width(data, released, tmp_path, width):
    tokenizer = load_tokenizer(released)
    shape = transformers.BertConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=32,
    )  # fmt: skip
    transformers.BertForMaskedLM(shape).save_pretrained(tmp_path)
    tokenizer.save(tmp_path)
    start = load_start(str(tmp_path))
    config = tiny_config(data, "unused", init=str(tmp_path), share="none", generator_width=width, generator_depth=0.5)
    config = fit_to_start(config, start, tokenizer)
    assert isinstance(config.model, ElectraConfig) and config.model.num_hidden_layers == 2
    networks = find_objective("electra")(config, tokenizer.mask_id).networks()
    take_over(networks, start)
    theirs, generator = load_network(tmp_path), networks["generator"]
    assert isinstance(networks["discriminator"], Discriminator)
    require_same_weights(networks["discriminator"].encoder, theirs.encoder)
    table, word = "encoder.embeddings.word.weight", theirs.encoder.embeddings.word.weight
    assert torch.equal(generator.state_dict()[table], word) == (width == 1)
    if width == 1:
        require_same_weights(generator, theirs)


def test_the_generator_of_an_electra_is_no_discriminator(data, released, tmp_path):
    tokenizer = load_tokenizer(released)
    pretrain(tiny_config(data, tmp_path, train_steps=1))
    with pytest.raises(ValueError, match="name the discriminator first"):
        load_start(f"{tmp_path / 'model' / 'generator'},{tmp_path / 'model'}")
    start = load_start(str(tmp_path / "model" / "generator"))
    config = fit_to_start(tiny_config(data, "unused", generator_width=1.0, share="none"), start, tokenizer)
    generator = find_objective("electra")(config, tokenizer.mask_id).networks()["generator"]
    before = generator.encoder.layers[0].output.weight.clone()
    take_over({"discriminator": Discriminator(start.main.encoder), "generator": generator}, start)
    assert torch.equal(generator.encoder.layers[0].output.weight, before)
