"""A memory of word pairs: what is looked up, that it learns by rows, and that every verb carries it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import transformers
from test_modernbert import SHAPE
from tiny import MODEL, hook_step, stop_after, tiny_config, tiny_tokenizer, write_data

import electra
from electra.checkpoints.huggingface import load_network, save_network
from electra.config import FinetuneConfig, PretrainConfig
from electra.core.errors import Interrupted
from electra.core.storage import read_json
from electra.cost.operations import memory_bytes, parameter_counts
from electra.exporting.write import quantise_onnx, quantise_openvino, write_onnx, write_openvino
from electra.finetuning.run import finetune
from electra.models.graph import Graph
from electra.models.heads import Discriminator
from electra.models.memory import PairMemory, codes, neighbours
from electra.models.registry import backbone_of
from electra.objectives import find_objective
from electra.objectives.generators import TwoTower
from electra.pretraining.run import pretrain
from electra.training.optimizer import build_optimizer, clip
from electra.training.row_adagrad import RowAdagrad

TOKENIZER = tiny_tokenizer()
BOTH = [replace(MODEL, memory=50, memory_size=8), replace(SHAPE, memory=50, memory_size=8, max_position_embeddings=32)]
BACKBONES = pytest.mark.parametrize("shape", BOTH, ids=["electra", "modernbert"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"), tokenizer=TOKENIZER)


@pytest.fixture(scope="module", params=BOTH, ids=["electra", "modernbert"])
def run(request, data, tmp_path_factory):
    config = tiny_config(data, tmp_path_factory.mktemp("run") / "run", **settings(request.param), train_steps=8)
    pretrain(config)
    return config


def settings(shape, **changes):
    return dict(model=shape, generator_width=1.0, generator_depth=0.5, eval_steps=0) | changes


def discriminator(shape, std=0.2):
    torch.manual_seed(0)
    network = Discriminator(backbone_of(shape).encoder(replace(shape, vocab_size=TOKENIZER.vocab_size)))
    for p in network.parameters():
        torch.nn.init.normal_(p, std=std)
    return network.eval()


# -- what is looked up -------------------------------------------------------------------------------------------------


def test_the_hash_never_changes_and_fits_into_32_bits():
    """Saved tables mean nothing under another hash. A runtime may multiply in 32 bits, so nothing is multiplied."""
    assert codes(3).tolist() == [[948447758, 28383046, 114188890], [463349658, 1042476586, 351463363]]
    large = codes(250_000)
    assert large.min() >= 0 and large.max() < 2**30
    buckets = (large[0][:500, None] + large[1][None, :500]) % 1000
    counts = np.bincount(buckets.ravel(), minlength=1000)
    assert counts.min() > 150 and counts.max() < 350  # 250 each on average


def test_neighbours_are_those_of_the_same_example():
    ids, examples = torch.tensor([[5, 6, 7, 8, 9, 0]]), torch.tensor([[1, 1, 1, 2, 2, 0]])
    left, right = neighbours(ids, examples)
    assert left.tolist() == [[-1, 5, 6, -1, 8, -1]] and right.tolist() == [[6, 7, -1, 9, -1, -1]]
    left, right = neighbours(ids, examples, direction=1)
    assert left.tolist() == [[-1, 5, 6, -1, 8, -1]] and set(right[0].tolist()) == {-1}


@BACKBONES
def test_examples_in_one_row_do_not_share_pairs(shape):
    network, ids = discriminator(shape), torch.randint(5, 100, (1, 12))
    examples = torch.tensor([[1] * 5 + [2] * 7])
    positions = torch.tensor([[*range(5), *range(7)]])
    packed = network(ids, examples, None, positions)[0]
    alone = torch.cat([network(part)[0] for part in (ids[:, :5], ids[:, 5:])])
    assert torch.allclose(packed, alone, atol=1e-5)


@BACKBONES
def test_a_pair_matters(shape):
    """With attention and position apart, a token's vector changes with its neighbour: the memory alone does that."""
    network = discriminator(shape)
    memory = network.encoder.embeddings.memory
    ids = torch.tensor([[5, 6, 7, 8]])
    left, right = neighbours(ids, torch.ones_like(ids))
    before = memory(left, ids, right, torch.float32)
    ids[0, 1] = 60
    left, right = neighbours(ids, torch.ones_like(ids))
    moved = (memory(left, ids, right, torch.float32) - before).abs().amax(-1)[0] > 0
    assert moved.tolist() == [True, True, True, False]


@BACKBONES
def test_a_tower_does_not_see_what_it_predicts(shape):
    towers, ids = TwoTower(replace(shape, vocab_size=100)).eval(), torch.randint(5, 100, (1, 10))
    for p in towers.parameters():
        torch.nn.init.normal_(p, std=0.3)
    before = towers(ids).view(10, -1)
    ids[0, 4] = (ids[0, 4] + 1) % 100
    after = towers(ids).view(10, -1)
    assert torch.equal(before[4], after[4]) and not torch.allclose(before[3], after[3])


# -- learning by rows --------------------------------------------------------------------------------------------------


def test_sparse_and_dense_gradients_move_a_table_alike():
    torch.manual_seed(0)
    tables = [torch.nn.Parameter(torch.ones(20, 4)) for _ in range(2)]
    optimizers = [RowAdagrad({"table": p}, PretrainConfig(), lambda name: 1.0) for p in tables]
    for _ in range(3):
        ids, weight = torch.randint(0, 20, (7,)), torch.randn(7, 4)
        for p, optimizer, sparse in zip(tables, optimizers, (True, False), strict=True):
            (torch.nn.functional.embedding(ids, p, sparse=sparse) * weight).sum().backward()
            norm = clip([p], 0.1)
            optimizer.step()
            p.grad = None
            assert norm > 0.1
    assert torch.allclose(*tables, atol=1e-6) and not torch.equal(tables[0], torch.ones(20, 4))


def test_a_row_moves_by_its_rate_then_by_less():
    table = torch.nn.Parameter(torch.zeros(5, 2))
    optimizer = RowAdagrad({"table": table}, PretrainConfig(learning_rate=0.01), lambda name: 1.0)
    rate, seen = optimizer.param_groups[0]["lr"], []
    for _ in range(2):
        before = table.detach().clone()
        table.grad = torch.zeros(5, 2)
        table.grad[3] = 7.0
        optimizer.step()
        seen.append((before - table.detach())[3, 0].item())
    assert seen == pytest.approx([rate, rate / 2**0.5]) and not table[:3].any() and not table[4].any()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@BACKBONES
def test_only_the_rows_that_were_read_are_updated(shape, optimizer, data, tmp_path):
    rows = []

    def watch(trainer):
        memory = trainer.module.discriminator.encoder.embeddings.memory
        gradient = memory.table.weight.grad
        assert gradient.is_sparse and 0 < gradient._nnz() < len(memory.table.weight)
        rows.append(memory.table.weight.detach().clone())

    large = replace(shape, memory=2000)
    pretrain(tiny_config(data, tmp_path / "run", **settings(large, optimizer=optimizer), train_steps=2), watch)
    moved = (rows[1] - rows[0]).abs().amax(1) > 0
    assert 0 < moved.sum() < len(moved)


@pytest.mark.parametrize(
    "changes",
    [
        {"share": "none"}, {"share": "gdes"}, {"share": "all", "generator_depth": 1.0}, {"objective": "mlm"},
        {"objective": "electric"}, {"objective": "two_stage", "generator_depth": 1.0, "share": "none"}, 
        {"objective": "replace_mlm"},
        {"objective": "all_tokens_mlm"}, {"objective": "electra_15"}, {"objective": "adversarial"},
        {"short_stage": 0.5, "short_length": 12}, {"compile": "on"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)  # fmt: skip
@BACKBONES
def test_every_objective_and_sharing_trains(shape, changes, data, tmp_path):
    pretrain(tiny_config(data, tmp_path / "run", **settings(shape, **changes), train_steps=2))
    memory = load_network(tmp_path / "run" / "model").encoder.embeddings.memory
    assert isinstance(memory, PairMemory) and memory.table.weight.isfinite().all()


@BACKBONES
def test_a_run_continues_bit_for_bit(shape, data, tmp_path, monkeypatch):
    straight, cut = (tiny_config(data, tmp_path / name, **settings(shape, share="gdes")) for name in ("a", "b"))
    pretrain(straight)
    with monkeypatch.context() as patch:
        hook_step(patch, after=stop_after(7))
        with pytest.raises(Interrupted):
            pretrain(cut)
    pretrain(cut)
    for name in ("model.safetensors", "generator/model.safetensors"):
        assert (tmp_path / "a/model" / name).read_bytes() == (tmp_path / "b/model" / name).read_bytes()


@pytest.mark.parametrize("share", ["embeddings", "none", "gdes"])
@BACKBONES
def test_every_parameter_is_counted(shape, share):
    config = PretrainConfig(**settings(replace(shape, vocab_size=100), share=share))
    objective = find_objective("electra")(config, 4)
    assert parameter_counts(config)["total"] == sum(p.numel() for p in objective.parameters())
    optimizer = build_optimizer(objective, config)
    moments = sum(4 * t.numel() for state in optimizer.state.values() for name, t in state.items() if name != "step")
    assert memory_bytes(config, 16, 4)["adam_moments"] == moments


# -- files and verbs ---------------------------------------------------------------------------------------------------


@BACKBONES
def test_it_is_saved_and_read_and_not_taken_for_a_network_without(shape, tmp_path):
    network, ids = discriminator(shape), torch.randint(5, 100, (2, 9))
    save_network(tmp_path, network, TOKENIZER, 24)
    assert torch.equal(load_network(tmp_path)(ids), network(ids))
    with pytest.raises((ValueError, KeyError)):
        transformers.AutoModel.from_pretrained(tmp_path)
    plain = discriminator(replace(shape, memory=0))
    save_network(tmp_path / "plain", plain, TOKENIZER, 24)
    assert not [name for name in read_json(tmp_path / "plain/config.json") if "memory" in name]
    transformers.AutoModel.from_pretrained(tmp_path / "plain")


def test_a_run_detects_and_its_card_says_who_can_read_it(run):
    model = electra.load(run.out)
    assert model.detect("the quick fox cook over a dog")
    assert read_json(Path(run.out) / "model/config.json")["memory"] == 50


def test_a_run_is_fine_tuned_with_its_memory(run, tmp_path):
    lines = [{"text": f"the {word} fox", "label": word} for word in ("quick", "lazy") * 8]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = FinetuneConfig(
        model=run.out, train=str(tmp_path / "train.jsonl"), dev=str(tmp_path / "train.jsonl"),
        out=str(tmp_path / "out"), epochs=1, device="cpu",
    )  # fmt: skip
    finetune(config)
    before = load_network(Path(run.out) / "model").encoder.embeddings.memory.table.weight
    after = load_network(tmp_path / "out").encoder.embeddings.memory.table.weight
    assert not torch.equal(before, after)


@BACKBONES
def test_exported_files_hash_as_torch_does(shape, tmp_path):
    network = discriminator(replace(shape, memory=20_000))
    write_onnx(Graph(network), tmp_path / "model.onnx")
    quantise_onnx(tmp_path / "model.onnx", tmp_path / "model.int8.onnx")
    ids = torch.randint(5, 100, (3, 17))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    rows = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    expected = network(ids, mask).detach()[mask > 0]
    files = [tmp_path / "model.onnx", tmp_path / "model.int8.onnx"]
    for file, tolerance in zip(files, (1e-4, 0.3), strict=True):
        session = onnxruntime.InferenceSession(file)
        (logits,) = session.run(["logits"], {name: tensor.numpy() for name, tensor in rows.items()})
        assert np.abs(logits[mask.numpy() > 0] - expected.numpy()).max() < tolerance * expected.abs().max()
    assert files[1].stat().st_size < 0.45 * files[0].stat().st_size  # the tables are quantised


def test_the_optimizer_has_one_row_state_a_bucket():
    network = discriminator(BOTH[0])
    optimizer = build_optimizer(network, PretrainConfig())
    table = network.encoder.embeddings.memory.table.weight
    assert optimizer.state[table]["sum"].shape == (150,)


@pytest.mark.slow
@BACKBONES
def test_openvino_hashes_as_torch_does(shape, tmp_path):
    """It computes whole numbers in 32 bits, where products of the hash would overflow."""
    openvino = pytest.importorskip("openvino")
    network = discriminator(replace(shape, memory=20_000))
    write_openvino(Graph(network), tmp_path / "model.xml")
    ids = torch.randint(5, 100, (3, 17))
    rows = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    batches = [{name: tensor.numpy() for name, tensor in rows.items()}]
    quantise_openvino(tmp_path / "model.xml", tmp_path / "model.int8.xml", batches)
    expected = network(ids).detach().numpy()
    for name, tolerance in (("model", 1e-4), ("model.int8", 0.3)):
        compiled = openvino.Core().compile_model(
            tmp_path / f"{name}.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
        )
        logits = compiled(batches[0])["logits"]
        assert np.abs(logits - expected).max() < tolerance * np.abs(expected).max()
    sizes = [(tmp_path / f"{name}.bin").stat().st_size for name in ("model", "model.int8")]
    assert sizes[1] < 0.45 * sizes[0]
