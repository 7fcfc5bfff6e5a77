"""Our networks are Hugging Face's ELECTRA, number for number."""

import pytest
import torch
import torch.nn.functional as F
import transformers

from electra.checkpoints.huggingface import load_network, save_network
from electra.config import PRESETS, ElectraConfig, PretrainConfig
from electra.models.dropout import draw_noise, drop
from electra.models.electra.encoder import Encoder
from electra.models.electra.initialisation import initialise_from_corpus, initialise_randomly
from electra.models.heads import Discriminator, MaskedLM
from electra.models.initialisation import NEIGHBOURS
from electra.models.layers import rows_at
from electra.objectives import find_objective
from electra.text.vocabulary import train_tokenizer

LINES = ["the quick brown fox jumps over the lazy dog", "pack my box with five dozen liquor jugs"] * 20


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer("wordpiece", LINES, 120, lowercase=True)


def small_config(**changes):
    return ElectraConfig(
        **dict(
            vocab_size=150,
            embedding_size=16,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=40,
        )
        | changes
    )


def build(kind, **changes):
    torch.manual_seed(0)
    network = kind(Encoder(small_config(**changes)))
    initialise_randomly(network, 0.2)
    return network.eval()


def padded_input():
    ids = torch.randint(5, 150, (3, 24))
    mask = torch.ones_like(ids)
    mask[1, 15:] = 0
    types = torch.zeros_like(ids)
    types[:, 10:] = 1
    return ids, mask, types


@pytest.mark.parametrize("embedding_size", [16, 32])
def test_discriminator_equals_hugging_face(tmp_path, tokenizer, embedding_size):
    ours = build(Discriminator, embedding_size=embedding_size)
    save_network(tmp_path, ours, tokenizer, 40)
    theirs = transformers.ElectraForPreTraining.from_pretrained(tmp_path).eval()
    ids, mask, types = padded_input()
    with torch.no_grad():
        difference = ours(ids, mask, types) - theirs(ids, attention_mask=mask, token_type_ids=types).logits
    assert (difference * mask).abs().max() < 1e-5


def test_generator_equals_hugging_face(tmp_path, tokenizer):
    ours = build(MaskedLM)
    ours.head.bias.data.normal_()
    save_network(tmp_path, ours, tokenizer, 40)
    theirs = transformers.ElectraForMaskedLM.from_pretrained(tmp_path).eval()
    ids, mask, types = padded_input()
    positions = torch.tensor([[1, 5, 9]] * 3)
    with torch.no_grad():
        logits = ours(positions, ids, mask, types).view(3, 3, -1)
        expected = theirs(ids, attention_mask=mask, token_type_ids=types).logits[:, [1, 5, 9]]
    assert (logits - expected).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["ElectraForPreTraining", "ElectraForMaskedLM"])
def test_hugging_face_weights_load_here(tmp_path, name):
    torch.manual_seed(1)
    config = transformers.ElectraConfig(
        vocab_size=150, embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=40, initializer_range=0.2,
    )  # fmt: skip
    theirs = getattr(transformers, name)(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = load_network(tmp_path)
    ids, mask, types = padded_input()
    with torch.no_grad():
        expected = theirs(ids, attention_mask=mask, token_type_ids=types).logits
        if name == "ElectraForPreTraining":
            assert ((ours(ids, mask, types) - expected) * mask).abs().max() < 1e-5
        else:
            every = torch.arange(24).expand(3, -1)
            got = ours(every, ids, mask, types).view(3, 24, -1)
            assert ((got - expected) * mask[..., None]).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("preset", "encoder", "trained"),
    [("small", 13_483_008, 14_196_219), ("small++", 13_483_008, 23_122_875), ("base", 108_891_648, 119_386_427),
     ("large", 334_092_288, 354_655_291)],
)  # fmt: skip
def test_parameter_counts(preset, encoder, trained):
    with torch.device("meta"):
        objective = find_objective("electra")(PRESETS[preset], 103)
    assert sum(p.numel() for p in objective.encoder.parameters()) == encoder
    assert sum(p.numel() for p in objective.parameters()) == trained


def test_examples_in_one_row_do_not_see_each_other():
    network = build(Discriminator)
    ids = torch.randint(5, 150, (1, 20))
    mask = torch.tensor([[1] * 8 + [2] * 12])
    positions = torch.cat([torch.arange(8), torch.arange(12)])[None]
    with torch.no_grad():
        together = network(ids, mask, torch.zeros_like(ids), positions)
        apart = torch.cat([network(ids[:, :8]), network(ids[:, 8:])], 1)
    assert (together - apart).abs().max() < 1e-5


@pytest.mark.parametrize("share", ["none", "embeddings", "all"])
def test_sharing_is_by_construction(share):
    width = 1.0 if share == "all" else 0.5
    config = PretrainConfig(model=small_config(), share=share, generator_width=width)
    objective = find_objective("electra")(config, 4)
    encoders = objective.discriminator.encoder, objective.generator.encoder
    assert (encoders[0] is encoders[1]) == (share == "all")
    assert (encoders[0].embeddings is encoders[1].embeddings) == (share != "none")


CPU = torch.device("cpu")


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_keeps_the_mean_and_the_share(p):
    torch.manual_seed(0)
    x = torch.ones(40, 100, 1000)
    dropped = drop(x, draw_noise(p, *x.shape, device=CPU), p, True)
    assert dropped.mean() == pytest.approx(1.0, abs=0.002)
    assert (dropped == 0).float().mean() == pytest.approx(p, abs=0.001)
    assert torch.equal(drop(x, None, p, False), x)


def test_dropout_of_two_rows_or_columns_is_independent():
    """Of all pairs: correlations as small, and as seldom large, as those of torch's own dropout."""
    torch.manual_seed(0)
    x = torch.ones(2048, 512)
    for ours, torchs in zip(correlations(drop(x, draw_noise(0.1, *x.shape, device=CPU), 0.1, True)),
                            correlations(F.dropout(x, 0.1)), strict=True):  # fmt: skip
        assert ours.std() == pytest.approx(float(torchs.std()), rel=0.01) and abs(ours.mean()) < 1e-3
        assert ours.abs().max() < 1.2 * torchs.abs().max()


def correlations(dropped):
    """Of each two rows, and of each two columns."""
    found = (torch.corrcoef(kept) for kept in ((dropped > 0).double(), (dropped > 0).double().T))
    return [c[~torch.eye(len(c), dtype=torch.bool)] for c in found]


def test_a_dropped_element_s_neighbours_and_its_place_in_another_tensor_are_independent():
    torch.manual_seed(0)
    first, second = (drop(torch.ones(1000, 1000), draw_noise(0.5, 1000, 1000, device=CPU), 0.5, True) > 0 for _ in "ab")
    for one, other in ((first, second), (first[:, 1:], first[:, :-1]), (first[1:], first[:-1]), (first, first.T)):
        assert (one == other).float().mean() == pytest.approx(0.5, abs=0.003)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_last_layer_may_be_computed_at_some_positions_only(layers):
    torch.manual_seed(0)
    config = ElectraConfig(vocab_size=50, embedding_size=32, hidden_size=64, num_hidden_layers=layers,
                           num_attention_heads=4, intermediate_size=96, hidden_dropout_prob=0.0,
                           attention_probs_dropout_prob=0.0)  # fmt: skip
    encoder = Encoder(config)
    ids, numbers, at = torch.randint(0, 50, (4, 16)), torch.randint(0, 3, (4, 16)), torch.randint(0, 16, (4, 5))
    found, gradients = [], []
    for hidden in (encoder(ids, numbers, at=at), rows_at(encoder(ids, numbers), at)):
        encoder.zero_grad()
        hidden.pow(3).sum().backward()
        found.append(hidden.detach())
        gradients.append([p.grad.clone() for p in encoder.parameters()])
    assert found[0].shape == (4, 5, 64)
    torch.testing.assert_close(*found)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-3)


def test_dropout_at_some_positions_is_dropout():
    torch.manual_seed(0)
    config = ElectraConfig(vocab_size=50, embedding_size=32, hidden_size=64, num_hidden_layers=1,
                           num_attention_heads=4, intermediate_size=96)  # fmt: skip
    encoder = Encoder(config)
    ids = torch.randint(0, 50, (4, 16))
    at = torch.tensor([0, 3, 3, 9]).expand(4, -1)
    with torch.no_grad():
        hidden = encoder(ids, at=at)
        assert not torch.equal(hidden[:, 1], hidden[:, 2])  # two draws at one position
        draws = torch.stack([encoder(ids, at=at) for _ in range(400)])
        whole = torch.stack([rows_at(encoder(ids), at) for _ in range(400)])
        noise = float((whole[::2].mean(0) - whole[1::2].mean(0)).abs().mean())
        assert float((draws.mean(0) - whole.mean(0)).abs().mean()) < 1.5 * noise
        assert float(draws.std(0).mean()) == pytest.approx(float(whole.std(0).mean()), rel=0.03)


@pytest.mark.parametrize("embedding_size", [64, 128])
def test_corpus_initialisation_looks_at_the_neighbours(embedding_size):
    torch.manual_seed(0)
    config = ElectraConfig(vocab_size=300, embedding_size=embedding_size, hidden_size=128, num_hidden_layers=2,
                           num_attention_heads=4, intermediate_size=256)  # fmt: skip
    network = Discriminator(Encoder(config))
    vectors = torch.randn(300, embedding_size - 32)
    initialise_from_corpus(network, vectors, torch.full((300,), 1 / 300))
    ids = torch.randint(0, 300, (8, 32))
    encoder = network.encoder
    positions = torch.arange(32).expand(8, -1)
    x = encoder.project(encoder.embeddings(ids, torch.zeros_like(ids), positions))
    attention = encoder.layers[0].attention
    q, k, _ = attention.qkv(x).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
    best = (q @ k.transpose(-1, -2)).mean(0).argmax(-1)  # [heads, L]
    for head, offset in enumerate(NEIGHBOURS):
        middle = torch.arange(4, 28)
        assert (best[head, middle] == middle + offset).float().mean() > 0.9


def test_missing_tensor_is_named(tmp_path, tokenizer):
    from safetensors.torch import load_file, save_file

    save_network(tmp_path, build(Discriminator), tokenizer, 40)
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("discriminator_predictions.dense.bias")
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="head.dense.bias"):
        load_network(tmp_path)


def test_a_pickle_is_not_loaded(tmp_path, tokenizer):
    save_network(tmp_path, build(Discriminator), tokenizer, 40)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="convert pytorch_model.bin to safetensors"):
        load_network(tmp_path)
