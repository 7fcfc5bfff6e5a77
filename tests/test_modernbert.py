"""ModernBERT's architecture: equal to that of transformers, and at home in every verb."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
import transformers
from tiny import hook_step, stop_after, tiny_config, tiny_tokenizer, write_data

import electra
from electra.checkpoints.convert import convert
from electra.checkpoints.huggingface import load_encoder, load_network, save_network
from electra.config import (
    PRESETS,
    CompareConfig,
    ConvertConfig,
    FinetuneConfig,
    FlopsConfig,
    ModernBertConfig,
    PretrainConfig,
    find_preset,
    pretrain_config_from_dict,
    to_dict,
)
from electra.config.objectives import OBJECTIVES
from electra.core.errors import Interrupted
from electra.core.storage import read_json
from electra.cost.flops import flops
from electra.cost.operations import flops_per_token, parameter_counts
from electra.finetuning.layerwise_decay import layerwise
from electra.finetuning.run import finetune
from electra.models.encoder import compute_in
from electra.models.heads import Discriminator, Headless, MaskedLM
from electra.models.initialisation import NEIGHBOURS
from electra.models.kinds import Kind
from electra.models.layers import rows_at
from electra.models.modernbert.encoder import Encoder
from electra.models.modernbert.initialisation import initialise_from_corpus, initialise_randomly
from electra.models.networks import NETWORKS
from electra.models.registry import architecture_of
from electra.objectives import find_objective
from electra.pretraining.run import pretrain

TOKENIZER = tiny_tokenizer()
SHAPE = ModernBertConfig(
    vocab_size=TOKENIZER.vocab_size, hidden_size=32, intermediate_size=40, num_hidden_layers=4, num_attention_heads=4,
    max_position_embeddings=64, local_attention=8,
)  # fmt: skip
EVERY_BIAS = dict.fromkeys(("attention_bias", "mlp_bias", "norm_bias", "classifier_bias"), True)
OTHER = replace(
    SHAPE, **EVERY_BIAS, decoder_bias=False, classifier_pooling="mean", global_attn_every_n_layers=2,
    global_rope_theta=500.0, local_rope_theta=200.0, local_attention=5, norm_eps=1e-3,
)  # fmt: skip
THEIRS = {
    Kind.HEADLESS: "ModernBertModel",
    Kind.MASKED_LM: "ModernBertForMaskedLM",
    Kind.TAGGER: "ModernBertForTokenClassification",
    Kind.DISCRIMINATOR: "ModernBertForTokenClassification",
    Kind.CLASSIFIER: "ModernBertForSequenceClassification",
    Kind.ANSWERER: "ModernBertForQuestionAnswering",
}


def fill(network, std=0.2):
    torch.manual_seed(0)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=std)
    return network.eval()


def padded_input():
    torch.manual_seed(1)
    ids = torch.randint(5, TOKENIZER.vocab_size, (3, 24))
    mask = torch.ones_like(ids)
    mask[1, 15:] = 0
    return ids, mask


@torch.no_grad()
def differences(ours, theirs):
    """Of the outputs at tokens, for padded rows."""
    ids, mask = padded_input()
    found = theirs(input_ids=ids, attention_mask=mask)
    theirs_outputs = [value for key, value in found.items() if key != "loss"]
    rows = ids, mask, torch.ones_like(ids)
    if ours.kind is Kind.MASKED_LM:
        mine = [ours(torch.arange(24).expand(3, -1), *rows).view(3, 24, -1)]
    else:
        mine = ours.named_outputs(*rows)[: len(theirs_outputs)]
    for a, b in zip(mine, theirs_outputs, strict=True):
        b = b.squeeze(-1) if ours.kind is Kind.DISCRIMINATOR else b
        where = 1 if ours.kind is Kind.CLASSIFIER else mask.view(3, 24, *[1] * (a.ndim - 2))
        assert a.shape == b.shape
        yield float(((a - b) * where).abs().max())


# -- transformers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [SHAPE, OTHER], ids=["default", "other"])
@pytest.mark.parametrize("kind", THEIRS)
def test_what_is_saved_here_is_theirs(tmp_path, kind, shape):
    ours = fill(NETWORKS[kind](Encoder(shape), 3))
    labels = {"id2label": {str(n): str(n) for n in range(3)}} if kind in (Kind.CLASSIFIER, Kind.TAGGER) else {}
    save_network(tmp_path, ours, TOKENIZER, 24, **labels)
    assert read_json(tmp_path / "config.json")["architectures"] == [THEIRS[kind]]
    for attention in ("eager", "sdpa"):
        theirs = getattr(transformers, THEIRS[kind]).from_pretrained(tmp_path, attn_implementation=attention).eval()
        assert max(differences(ours, theirs)) < 1e-5
    again = load_network(tmp_path)
    assert again.kind is kind and again.encoder.config == shape
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), again.parameters(), strict=True))
    encoder = load_encoder(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(ours.encoder.parameters(), encoder.parameters(), strict=True))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", THEIRS)
def test_what_they_save_is_read_here(tmp_path, kind, attention):
    labels = {Kind.DISCRIMINATOR: 1, Kind.ANSWERER: 2}.get(kind, 3)
    config = transformers.ModernBertConfig(
        vocab_size=TOKENIZER.vocab_size, hidden_size=32, intermediate_size=40, num_hidden_layers=5,
        num_attention_heads=4, max_position_embeddings=64, local_attention=6, global_rope_theta=900.0,
        global_attn_every_n_layers=2, attention_bias=True, pad_token_id=0, num_labels=labels,
    )  # fmt: skip
    config._attn_implementation = attention
    if kind is Kind.DISCRIMINATOR:
        config.id2label = {0: "replaced"}
    theirs = fill(getattr(transformers, THEIRS[kind])(config))
    theirs.save_pretrained(tmp_path)
    ours = load_network(tmp_path)
    assert ours.kind is kind and ours.encoder.config.global_rope_theta == 900.0
    assert max(differences(ours, theirs)) < 1e-5


@pytest.mark.parametrize("by", ["us", "them"])
def test_a_tagger_of_one_label_is_no_discriminator(tmp_path, by):
    save_network(tmp_path, fill(NETWORKS[Kind.TAGGER](Encoder(SHAPE), 1)), TOKENIZER, 24, id2label={"0": "O"})
    theirs = transformers.ModernBertForTokenClassification.from_pretrained(tmp_path)
    if by == "them":
        theirs.save_pretrained(tmp_path)
    ours = load_network(tmp_path)
    assert ours.kind is Kind.TAGGER and max(differences(ours, theirs.eval())) < 1e-5
    assert electra.load(tmp_path).predict([["the", "fox"]])[0]["tags"] == ["O", "O"]


def test_the_older_spelling_is_read(tmp_path):
    save_network(tmp_path, fill(Headless(Encoder(OTHER))), TOKENIZER, 24)
    content = read_json(tmp_path / "config.json")
    for name in ("layer_types", "rope_parameters"):
        del content[name]
    (tmp_path / "config.json").write_text(json.dumps(content))
    assert load_network(tmp_path).encoder.config == OTHER
    theirs = transformers.AutoModel.from_pretrained(tmp_path).eval()
    assert max(differences(load_network(tmp_path), theirs)) < 1e-5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_activation": "relu"}, "only 'gelu' is supported"),
        ({"tie_word_embeddings": False}, "only True is supported"),
        ({"layer_types": ["sliding_attention"] * 4}, "layer_types"),
        ({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "rope_type 'default'"),
        ({"rope_parameters": [1]}, "must be an object"),
        ({"attention_bias": 1}, "attention_bias in config.json must be true or false"),
        ({"classifier_pooling": 3}, "classifier_pooling in config.json must be text"),
        ({"classifier_pooling": "max"}, "cls or mean, not 'max'"),
        ({"num_hidden_layers": 4.5}, "must be a whole number"),
        ({"local_attention": 0}, "at least 1"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path, changes, said):
    save_network(tmp_path, Headless(Encoder(SHAPE)), TOKENIZER, 24)
    content = read_json(tmp_path / "config.json") | changes
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=said):
        load_network(tmp_path)


def test_random_weights_are_theirs():
    config = replace(SHAPE, hidden_size=256, num_attention_heads=4, intermediate_size=384, initializer_range=0.05)
    theirs = transformers.ModernBertForTokenClassification(
        transformers.ModernBertConfig(
            vocab_size=config.vocab_size, hidden_size=256, intermediate_size=384, num_hidden_layers=4,
            num_attention_heads=4, initializer_range=0.05, pad_token_id=0,
        )
    )  # fmt: skip
    ours = Discriminator(Encoder(config))
    initialise_randomly(ours, config.initializer_range)
    state = architecture_of(config).backbone().to_huggingface(ours.state_dict(), Kind.DISCRIMINATOR)
    for name, tensor in theirs.state_dict().items():
        if name != "classifier.weight" and "bias" not in name:
            assert float(state[name].std()) == pytest.approx(float(tensor.std()), rel=0.03), name


# -- the encoder -------------------------------------------------------------------------------------------------------


def test_examples_in_one_row_do_not_see_each_other():
    network = fill(Discriminator(Encoder(SHAPE)))
    ids = torch.randint(5, SHAPE.vocab_size, (1, 30))
    numbers, positions = torch.tensor([[1] * 12 + [2] * 18]), torch.cat([torch.arange(12), torch.arange(18)])[None]
    with torch.no_grad():
        together = network(ids, numbers, torch.zeros_like(ids), positions)
        apart = torch.cat([network(ids[:, :12]), network(ids[:, 12:])], 1)
    assert (together - apart).abs().max() < 1e-5


def test_a_local_layer_sees_half_a_window_to_each_side():
    encoder = fill(Encoder(replace(SHAPE, num_hidden_layers=2)))  # the first layer sees the whole text
    torch.nn.init.zeros_(encoder.layers[0].attention.out.weight)
    ids = torch.randint(5, SHAPE.vocab_size, (1, 24))
    other = ids.clone()
    other[0, 12] = 5 + (ids[0, 12] - 4) % 100
    with torch.no_grad():
        changed = (encoder(ids) - encoder(other)).abs().sum(-1)[0] > 1e-6
    assert changed.nonzero().flatten().tolist() == list(range(8, 17))


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_the_last_layer_may_be_computed_at_some_positions_only(layers):
    encoder = fill(Encoder(replace(OTHER, num_hidden_layers=layers))).train()
    ids, numbers, at = torch.randint(0, 50, (4, 16)), torch.randint(0, 3, (4, 16)), torch.randint(0, 16, (4, 5))
    found, gradients = [], []
    for hidden in (encoder(ids, numbers, at=at), rows_at(encoder(ids, numbers), at)):
        encoder.zero_grad()
        hidden.pow(3).sum().backward()
        found.append(hidden.detach())
        gradients.append([p.grad.clone() for p in encoder.parameters()])
    assert found[0].shape == (4, 5, 32)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-3)


def test_dropout_is_drawn_in_training_and_keeps_the_mean():
    encoder = fill(Encoder(SHAPE.with_dropout(0.1)), 0.1)
    ids, at = torch.randint(0, 50, (4, 16)), torch.tensor([[0, 3, 3, 9]] * 4)
    with torch.no_grad():
        expected = encoder(ids, at=at)
        hidden = encoder.train()(ids, at=at)
        assert not torch.equal(hidden[:, 1], hidden[:, 2])  # two draws at one position
        mean = torch.stack([encoder(ids, at=at) for _ in range(300)]).mean(0)
    assert torch.corrcoef(torch.stack([mean.flatten(), expected.flatten()]))[0, 1] > 0.98


def test_matrices_multiply_in_bf16():
    encoder = fill(Encoder(SHAPE), 0.1)
    ids, mask = padded_input()
    with torch.no_grad():
        exact = encoder(ids, mask)
        compute_in(encoder, torch.bfloat16)
        rough = encoder(ids, mask)
    assert rough.dtype == torch.bfloat16 and 0 < (rough - exact).abs().max() < 0.1


@pytest.mark.parametrize("theta", [160_000.0, 1000.0])
def test_corpus_initialisation_looks_at_the_neighbours(theta):
    torch.manual_seed(0)
    config = replace(
        SHAPE, hidden_size=128, attention_bias=True, global_rope_theta=theta, local_rope_theta=theta, local_attention=16
    )
    network = Discriminator(Encoder(config))
    initialise_from_corpus(network, torch.randn(config.vocab_size, 90), torch.full((config.vocab_size,), 0.01))
    encoder, seen = network.encoder, {}
    ids = torch.randint(0, config.vocab_size, (32, 32))

    def scores(module, inputs):
        x, sight, *_ = inputs
        from electra.models.modernbert.rotary import rotate

        q, k, _ = module.qkv(x).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        seen[module] = rotate(q, sight.waves) @ rotate(k, sight.waves).transpose(-1, -2) + sight.bias

    for layer in encoder.layers:
        layer.attention.register_forward_pre_hook(scores)
    with torch.no_grad():
        encoder(ids)
    middle = torch.arange(4, 28)
    for number, layer in enumerate(encoder.layers):
        best = seen[layer.attention].mean(0).argmax(-1)  # [H, L]
        for head, offset in enumerate(NEIGHBOURS if number == 0 else NEIGHBOURS[:2]):
            assert (best[head, middle] == middle + offset).float().mean() > 0.9


# -- configuration -----------------------------------------------------------------------------------------------------


def test_a_run_says_its_architecture_and_an_old_one_is_an_electra():
    modern = find_preset("tiny", "modernbert")
    content = json.loads(json.dumps(to_dict(modern)))
    assert content["model"]["model_type"] == "modernbert" and pretrain_config_from_dict(content) == modern
    electra = replace(PRESETS["small"], seed=3)
    old = json.loads(json.dumps(to_dict(electra)))
    for name in ("memory", "memory_size"):  # newer than the architecture
        del old["model"][name]
    assert old["model"].pop("model_type") == "electra" and pretrain_config_from_dict(old) == electra
    with pytest.raises(ValueError, match="model_type 'gpt' is unknown; there are electra, modernbert"):
        pretrain_config_from_dict({"model": {"model_type": "gpt"}})
    with pytest.raises(ValueError, match="unknown key 'local_atention'; did you mean 'local_attention'"):
        pretrain_config_from_dict({"model": {"model_type": "modernbert", "local_atention": 3}})


def test_the_generator_is_as_wide_and_has_fewer_layers():
    assert SHAPE.generator(1.0, 0.5) == replace(SHAPE, num_hidden_layers=2)
    with pytest.raises(ValueError, match="set generator_width to 1, not 0.25"):
        PretrainConfig(model=SHAPE)


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_sizes_have_about_as_many_parameters_as_electra_s(size):
    ours, theirs = (parameter_counts(find_preset(size, name)) for name in ("modernbert", "electra"))
    assert ours["encoder"] == pytest.approx(theirs["encoder"], rel=0.05)


def test_presets_are_found_or_named():
    assert all(find_preset(name) == preset for name, preset in PRESETS.items())
    for name in ("tiny", "mini"):
        own = find_preset(name)
        assert own == find_preset(name, "modernbert", "fast") and own.model.model_type == "modernbert"
        assert own.model.attention_bias and own.model.memory and own.init == "corpus"
        assert find_preset(name, "electra").model.model_type == "electra"
    assert find_preset("small") == find_preset("small", "electra", "paper") and not find_preset("small").model.memory
    assert find_preset("tiny", "modernbert", "paper").init == "random"
    for wrong, said in (
        (("large", "modernbert"), "'large' of modernbert; there are tiny, mini, small, base"),
        (("tiny", "gpt"), "unknown architecture 'gpt'"),
        (("tiny", "electra", "slow"), "unknown recipe 'slow'"),
    ):
        with pytest.raises(ValueError, match=said):
            find_preset(*wrong)


def test_flags_are_those_of_the_architecture(tmp_path):
    from electra.cli.flags import parse

    words = "--preset tiny --architecture modernbert --local-attention 16 --no-attention-bias --classifier-pooling mean"
    parsed = parse(PretrainConfig, words.split(), "electra pretrain")
    start = find_preset("tiny", "modernbert")
    assert parsed == replace(
        start, model=replace(start.model, local_attention=16, attention_bias=False, classifier_pooling="mean")
    )
    with pytest.raises(SystemExit):
        parse(PretrainConfig, ["--architecture", "modernbert", "--embedding-size", "3"], "electra pretrain")
    (tmp_path / "config.json").write_text(json.dumps(to_dict(parsed)))
    again = ["--config", str(tmp_path / "config.json")]
    assert parse(PretrainConfig, again, "electra pretrain") == parsed
    with pytest.raises(ValueError, match="a network of modernbert, not electra"):
        parse(PretrainConfig, [*again, "--architecture", "electra"], "electra pretrain")


def test_contestants_have_an_architecture_each():
    from electra.comparison.contestants import read_contestants

    names = ("electra:architecture=electra", "electra:architecture=modernbert,local_attention=16,width=0.5")
    race = CompareConfig(preset="tiny", contestants=names, settings=("learning_rate=0.003",))
    one, other = (c.config for c in read_contestants(race))
    assert one.model == find_preset("tiny", "electra").model and one.learning_rate == other.learning_rate == 0.003
    assert isinstance(other.model, ModernBertConfig) and other.generator_width == 1
    assert (other.model.local_attention, other.model.hidden_size) == (16, 64)


# -- costs -------------------------------------------------------------------------------------------------------------


def modern_config(data, out, shape=SHAPE, **changes):
    """A tiny run of this architecture."""
    settings = dict(model=shape.with_dropout(0.1), generator_width=1.0, generator_depth=0.5) | changes
    if settings.get("share") == "all" or settings.get("objective") == "two_stage":
        settings["generator_depth"] = 1.0
    return tiny_config(data, out, **settings)


@pytest.mark.parametrize("shape", [SHAPE, OTHER], ids=["default", "other"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"share": "none"}, {"share": "all"}, {"share": "gdes"}, {"objective": "mlm"}, {"objective": "all_tokens_mlm"},
     {"objective": "electric"}, {"objective": "adversarial"}],
    ids=str,
)  # fmt: skip
def test_every_parameter_is_counted(shape, changes):
    config = modern_config("unused", "unused", shape, **changes)
    objective = find_objective(config.objective)(config, 4)
    assert parameter_counts(config)["total"] == sum(p.numel() for p in objective.parameters())


@pytest.mark.parametrize("layers", [3, 4], ids=["local last", "global last"])
@pytest.mark.parametrize("length", [8, 24, 28, 1032])
@pytest.mark.parametrize("objective", ["electra", "mlm"])
def test_operations_are_torch_s_count(length, objective, layers):
    from torch.utils.flop_counter import FlopCounterMode

    shape = replace(SHAPE, num_hidden_layers=layers)
    config = modern_config("unused", "unused", shape, objective=objective, mask_prob=0.25)
    network = MaskedLM(Encoder(shape)) if objective == "mlm" else Discriminator(Encoder(shape))
    ids, at = torch.randint(5, 100, (2, length)), torch.arange(length // 4).expand(2, -1)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(at, ids) if objective == "mlm" else network(ids)
    counted = flops_per_token(config, length)
    ours = sum(counted[name] for name in ("encoder", "rtd_head" if objective == "electra" else "mlm_head"))
    assert ours / 3 == pytest.approx(counter.get_total_flops() / ids.numel())


def test_the_cost_of_a_preset_is_shown():
    found = flops(FlopsConfig("tiny", architecture="modernbert", measure=False))
    assert found.preset == "tiny (modernbert)"
    assert f"{parameter_counts(find_preset('tiny', 'modernbert'))['total']:,}" in dict(found.rows).values()


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("modernbert") / "data")


@pytest.fixture(scope="module")
def run(data):
    pretrain(modern_config(data, data.parent / "run", replace(SHAPE, num_hidden_layers=2), train_steps=3))
    return data.parent / "run"


@pytest.mark.parametrize(
    "changes",
    [{"share": "none"}, {"share": "all"}, {"share": "gdes", "optimizer": "muon"}]
    + [{"objective": name} for name in OBJECTIVES if name not in ("electra", "two_stage")]
    + [{"objective": "two_stage", "share": "none"}, {"init": "corpus", "optimizer": "muon", "short_stage": 0.5},
       {"precision": "bf16"}],
    ids=str,
)  # fmt: skip
def test_every_objective_and_sharing_trains(data, tmp_path, changes):
    shape = replace(SHAPE, num_hidden_layers=2, attention_bias="init" in changes)
    last = pretrain(modern_config(data, tmp_path / "run", shape, train_steps=3, **({"short_length": 8} | changes)))
    assert last and load_network(tmp_path / "run" / "model").encoder.config.local_attention == 8


def test_a_run_continues_bit_for_bit(data, tmp_path, monkeypatch):
    whole = modern_config(data, tmp_path / "whole", share="gdes", train_steps=8)
    pretrain(whole)
    halves = replace(whole, out=str(tmp_path / "halves"))
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        hook_step(patch, after=stop_after(4))
        pretrain(halves)
    pretrain(halves)
    one, two = (load_network(tmp_path / name / "model").state_dict() for name in ("whole", "halves"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    with pytest.raises(ValueError, match="architecture: run has 'modernbert', command has 'electra'"):
        pretrain(tiny_config(data, tmp_path / "whole"))


def test_a_run_goes_on_from_its_own_weights(data, run, tmp_path):
    start = modern_config(data, tmp_path / "on", init=str(run), train_steps=1, learning_rate=1e-30, weight_decay=0)
    pretrain(start)
    for name in ("model", "model/generator"):
        one, two = (load_network(folder / name).state_dict() for folder in (run, tmp_path / "on"))
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_run_detects_is_converted_and_carries_a_card(run, tmp_path):
    content = read_json(run / "model" / "config.json")
    assert content["id2label"] == {"0": "replaced"}
    assert electra.load(run).detect("the quick brown fox")[0].text == "the"
    convert(ConvertConfig(str(run), str(tmp_path / "out")))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "A ModernBERT (Warner et al., 2024)." in card and "the probability is its sigmoid" in card
    one, two = (load_network(folder).state_dict() for folder in (run / "model", tmp_path / "out"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def finetune_config(run, folder, lines, **changes):
    """Two steps on rows."""
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = dict(train_steps=2, device="cpu") | changes
    return FinetuneConfig(model=str(run), train=str(folder / "train.jsonl"), out=str(folder / "out"), **settings)


ANIMALS = [{"text": f"the {animal} jumps", "label": animal} for animal in ("fox", "dog") * 8]
NUMBERS = [{"text": f"the {animal} jumps", "label": number} for animal, number in (("fox", 10.0), ("dog", 15.5)) * 8]


@pytest.mark.parametrize("task, lines", [("classification", ANIMALS), ("regression", NUMBERS)])
def test_a_text_is_classified_by_a_head_of_transformers(run, tmp_path, task, lines):
    finetune(finetune_config(run, tmp_path, lines, task=task))
    assert read_json(tmp_path / "out" / "config.json")["architectures"] == ["ModernBertForSequenceClassification"]
    mine = electra.load(tmp_path / "out").predict(["the fox eats"])[0]
    plain = dict(function_to_apply="none") if task == "regression" else {}
    (theirs,) = transformers.pipeline("text-classification", str(tmp_path / "out"), device="cpu", **plain)(
        "the fox eats"
    )
    assert theirs["score"] == pytest.approx(mine["score"], rel=1e-4)
    assert task == "regression" or theirs["label"] == mine["label"]


def test_a_single_matrix_is_not_offered(run, tmp_path):
    with pytest.raises(ValueError, match="has the heads dense on a ModernBERT, not 'linear'; leave --head out"):
        finetune(finetune_config(run, tmp_path, ANIMALS, task="classification", head="linear"))
    assert not (tmp_path / "out").exists()


def test_the_mean_is_that_of_a_packed_example():
    from electra.interface import Packed

    network = fill(NETWORKS[Kind.CLASSIFIER](Encoder(OTHER), 3))
    ids = torch.randint(5, OTHER.vocab_size, (1, 12))
    numbers, positions = torch.tensor([[1] * 5 + [2] * 7]), torch.cat([torch.arange(5), torch.arange(7)])[None]
    tokens = torch.tensor([[0, 1, 2, 3, 4, -1, -1], [5, 6, 7, 8, 9, 10, 11]])
    with torch.no_grad():
        together = network(Packed(ids, numbers, torch.zeros_like(ids), positions, tokens))
        apart = [network.named_outputs(part, torch.ones_like(part), part)[0] for part in ids.split([5, 7], 1)]
    assert (together - torch.cat(apart)).abs().max() < 1e-5


def test_rates_fall_with_depth():
    scale = layerwise(0.5, SHAPE, False)
    rates = {name: scale(name) for name, _ in Discriminator(Encoder(SHAPE)).named_parameters()}
    assert rates["head.dense.weight"] == 1
    assert rates["encoder.final_norm.weight"] == rates["encoder.layers.3.output.weight"] == 0.5
    assert rates["encoder.embeddings.word.weight"] == 0.5**5
    matrices = architecture_of(SHAPE).matrices_in
    assert [matrices(f"encoder.layers.0.{name}.weight") for name in ("attention.qkv", "intermediate", "output")] == [
        3, 2, 1,
    ]  # fmt: skip


def test_a_run_is_exported(run, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from electra.config import ExportConfig
    from electra.exporting.export import export

    shutil.copytree(run / "model", tmp_path / "model", ignore=shutil.ignore_patterns("generator"))  # to save time
    report = export(ExportConfig(str(tmp_path / "model"), str(tmp_path / "out"), to=("onnx",), int8=False))
    assert [f["kept"] for f in report["formats"]] == [True]
    text = "the quick brown fox jumps over the lazy dog"
    ours, exported = (electra.load(folder).detect(text) for folder in (run, tmp_path / "out"))
    assert [w.replaced for w in ours] == pytest.approx([w.replaced for w in exported], abs=1e-4)
