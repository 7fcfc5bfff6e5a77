"""Long rows of ModernBERT: every form of attention gives the numbers of the masked one, in linear memory."""

import itertools
import random
from dataclasses import replace

import pytest
import torch
from test_modernbert import OTHER, SHAPE, fill, modern_config
from tiny import write_data

from electra.config import FlopsConfig, ModernBertConfig
from electra.config.cost import run_and_length
from electra.cost.flops import flops
from electra.cost.operations import flops_per_token
from electra.data.packing import Packer
from electra.models.attention import Reach, attention_bias
from electra.models.dropout import draw_noise
from electra.models.heads import Discriminator
from electra.models.layers import rows_at
from electra.models.modernbert import attention
from electra.models.modernbert.attention import Blocks, Chunks, Masked, SelfAttention
from electra.models.modernbert.encoder import Encoder
from electra.models.modernbert.rotary import waves
from electra.pretraining.run import pretrain

B, H, D = 2, 2, 16


@pytest.fixture
def few_scores(monkeypatch):
    """Have rows of any length read in chunks of a few queries."""
    monkeypatch.setattr(attention, "CHUNKED_FROM", 1)
    monkeypatch.setattr(attention, "SCORES_AT_ONCE", 500)
    monkeypatch.setattr(attention, "FEWEST_QUERIES", 1)


def numbers(length):
    """Packed rows: examples of several lengths, then padding."""
    ids = torch.tensor([[1] * 5 + [2] * 9 + [3] * length, [1] * length + [2] * 14])[:, :length].clone()
    ids[:, length - length // 5 :] = 0
    return ids


def sights(length, reach, block):
    """The masked form, and the other."""
    given = numbers(length), waves(torch.arange(length).expand(B, -1), 100.0, D // H), reach
    whole = attention.sight(*given, block, torch.float32)
    slots = torch.arange(length)
    bias = attention_bias(given[0], given[0], slots, slots, reach, torch.float32)
    return Masked(given[1], bias), whole


def outputs_and_gradients(layer, sight, x, noise, weights):
    layer.zero_grad()
    x = x.clone().requires_grad_()
    out = layer(x, sight, noise)
    (out * weights).sum().backward()
    return [out.detach(), x.grad, *(p.grad.clone() for p in layer.parameters())]


@pytest.mark.parametrize("at", [None, torch.tensor([[0, 3, 3, 7], [6, 0, 2, 5]])], ids=["everywhere", "at"])
@pytest.mark.parametrize("reach", [Reach(4, 4), Reach(4, 0), Reach(0, 3), None], ids=str)
@pytest.mark.parametrize("length", [*range(8, 26), 63, 64, 65])
def test_numbers_are_those_of_the_mask(few_scores, length, reach, at):
    torch.manual_seed(length)
    config = ModernBertConfig(hidden_size=D, num_attention_heads=H, attention_dropout=0.3, attention_bias=True)
    layer, x = SelfAttention(config).train(), torch.randn(B, length, D)
    forms = sights(length, reach, 4 if reach else 0)
    assert isinstance(forms[1], Blocks if reach else Chunks)
    noise = draw_noise(0.3, B, H, length, length, device=x.device)
    if at is not None:  # a row of the noise belongs to a query, whichever its position
        noise = None
        layer.dropout = 0.0
        forms = [form.asked(at) for form in forms]
    weights = torch.randn(B, length if at is None else 4, D)
    one, other = (outputs_and_gradients(layer, form, x, noise, weights) for form in forms)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("direction", [0, 1, -1], ids=["both", "forwards", "backwards"])
@pytest.mark.parametrize("shape", [SHAPE, replace(OTHER, num_hidden_layers=3)], ids=["global last", "local last"])
def test_an_encoder_gives_the_same_in_every_form(few_scores, monkeypatch, shape, direction):
    encoder = fill(Encoder(shape), 0.1)
    encoder.direction = direction
    ids, at = torch.randint(5, 100, (B, 41)), torch.tensor([[0, 3, 40, 7], [6, 0, 2, 5]])
    found = []
    for exporting in (False, True):  # as then everything has the mask
        monkeypatch.setattr(torch.compiler, "is_exporting", lambda exporting=exporting: exporting)
        encoder.zero_grad()
        hidden = encoder(ids, numbers(41)), encoder(ids, numbers(41), at=at)
        (hidden[0].pow(2).sum() + hidden[1].sum()).backward()
        torch.testing.assert_close(rows_at(hidden[0], at), hidden[1], rtol=1e-4, atol=1e-5)
        found.append([*(h.detach() for h in hidden), *(p.grad.clone() for p in encoder.parameters())])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_rows_say_how_they_are_read():
    config = ModernBertConfig()
    assert [config.block(n) for n in (128, 319, 320, 8192)] == [0, 0, 64, 64]
    assert replace(config, local_attention=1).block(512) == 1
    encoder = Encoder(replace(SHAPE, local_attention=128))
    forms = {n: [type(s) for s in encoder.sights(torch.ones(1, n), torch.zeros(1, n))] for n in (128, 512, 1024, 2048)}
    assert forms == {128: [Masked, Masked], 512: [Blocks, Masked], 1024: [Blocks, Masked], 2048: [Blocks, Chunks]}


def kept_bytes(length):
    """Bytes that the backward pass of a discriminator keeps."""
    shape = ModernBertConfig(
        vocab_size=50, hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2,
        local_attention=64,
    )  # fmt: skip
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = Discriminator(Encoder(shape).train())(torch.ones(1, length, dtype=torch.long))
    assert out.requires_grad
    return sum(kept.values())


def test_memory_is_linear_in_the_length_of_a_row():
    short, long = (kept_bytes(n) for n in (2048, 4096))
    assert long < 2.1 * short


def test_a_run_reads_long_packed_rows(tmp_path):
    data = write_data(tmp_path / "data", count=400, seq_length=1100)
    shape = replace(SHAPE, max_position_embeddings=1100, num_hidden_layers=2)
    changes = dict(train_steps=2, train_batch_size=2, micro_batch_size=1, eval_steps=0, save_steps=0)
    assert pretrain(modern_config(data, tmp_path / "run", shape, **changes))["disc_loss"] > 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "at most 512 tokens" in page.replace("\n", " ")
    with pytest.raises(ValueError, match="prepare with --seq-length 1000 or raise it"):
        pretrain(modern_config(data, tmp_path / "short", replace(shape, max_position_embeddings=1000), **changes))


@pytest.mark.parametrize("carry", [True, False])
def test_what_does_not_fit_a_row_goes_to_the_next(carry):
    lines = [list(range(5, 20_005)), list(range(5, 305)), list(range(5, 9_005))]
    examples = Packer(8192, 1, 2, random.Random(0), carry).pack(lines)
    kept = [i for example in examples for i in example if i > 4]
    assert max(map(len, examples)) <= 8192
    assert (kept == [i for line in lines for i in line]) is carry


def test_the_cost_of_long_rows_is_shown():
    with pytest.raises(ValueError, match="--max-position-embeddings 8192 makes a model"):
        flops(FlopsConfig("small", "modernbert", seq_length=8192, measure=False))
    costs = [
        flops_per_token(*run_and_length(FlopsConfig("small", "modernbert", n, 8192)))["encoder"]
        for n in (2048, 4096, 8192)
    ]
    whole = 4 * 12 * 224  # operations per token and key in the four global layers of twelve
    assert [b - a for a, b in itertools.pairwise(costs)] == [whole * 2048, whole * 4096]


@pytest.mark.slow
def test_a_compiled_layer_reads_long_rows():
    from electra.models.encoder import compile_parts

    encoder = Encoder(replace(SHAPE, max_position_embeddings=2048, num_hidden_layers=2)).train()
    ids = torch.randint(5, 100, (1, 1100))
    plain = encoder(ids)
    compile_parts(encoder, torch.device("cpu"))
    torch.testing.assert_close(encoder(ids), plain, rtol=1e-4, atol=1e-5)
    encoder(ids).sum().backward()
