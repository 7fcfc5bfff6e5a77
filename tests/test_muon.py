"""Muon: orthogonal updates, at AdamW's size, for the matrices of the layers only."""

import json

import pytest
import torch
from test_training import assert_same_run
from tiny import tiny_config, write_data

from electra.config import PretrainConfig
from electra.models.registry import architecture_of
from electra.pretraining.optimizer import build_optimizer
from electra.pretraining.run import pretrain
from electra.training.muon import MOMENTUM, Muon, orthogonal, unfused
from electra.training.schedule import same_scale, set_rate
from electra.training.trainer import Trainer


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 16, 64), (2, 64, 16), (1, 5, 3)])
def test_an_update_is_nearly_the_nearest_orthogonal_matrix(shape, dtype):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    found = orthogonal(matrices, dtype)
    assert torch.linalg.svdvals(found).max() < 1.3
    assert torch.cosine_similarity(found.flatten(1), (u @ vh).flatten(1)).min() > 0.95
    assert torch.equal(orthogonal(torch.zeros(shape), dtype), torch.zeros(shape))


def test_queries_keys_and_values_are_three_matrices():
    stacked = torch.randn(2, 12, 4)
    assert torch.equal(unfused(stacked, 3)[1], stacked[0, 4:8])


def test_only_queries_keys_and_values_are_cut_whatever_the_shape():
    named = {n: torch.nn.Parameter(torch.zeros(12, 4)) for n in ("layers.0.qkv.weight", "layers.0.intermediate.weight")}
    config = PretrainConfig(optimizer="muon", precision="fp32")
    optimizer = Muon(named, config, architecture_of(config.model).matrices_in, same_scale)
    gradient = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    for p in named.values():
        p.grad = gradient.clone()
    optimizer.step()
    joined, whole = (-p.detach() for p in named.values())
    assert torch.linalg.svdvals(joined[:4]).std() < 0.3 * torch.linalg.svdvals(joined[:4]).mean()
    for moved, expected in (
        (joined, orthogonal(gradient.view(3, 4, 4), torch.float32).view(12, 4)),
        (whole, orthogonal(gradient[None], torch.float32)[0]),
    ):
        assert torch.cosine_similarity(moved.flatten(), expected.flatten(), 0) > 0.999
    assert torch.cosine_similarity(joined.flatten(), whole.flatten(), 0) < 0.99


def test_a_generators_matrix_moves_at_its_own_rate():
    networks = torch.nn.ModuleDict(
        {name: torch.nn.ModuleDict({"layers": torch.nn.Linear(4, 4)}) for name in ("discriminator", "generator")}
    )
    optimizer = build_optimizer(networks, PretrainConfig(optimizer="muon", precision="fp32", generator_lr_scale=0.25))
    set_rate(optimizer, 1e-3)
    matrices = [network["layers"].weight for network in networks.values()]
    for p in networks.parameters():
        p.data.zero_()
        p.grad = torch.eye(4) if p.ndim == 2 else torch.zeros(4)
    optimizer.step()
    moved, slowly = (p.detach() for p in matrices)
    assert moved.abs().max() > 0 and torch.allclose(slowly, 0.25 * moved)


def test_a_step_agrees_with_one_written_out(tmp_path):
    data = write_data(tmp_path / "data")
    config = tiny_config(data, tmp_path / "run", optimizer="muon", train_steps=2)
    seen = []

    class Watched(Exception):
        pass

    def watch(trainer: Trainer) -> None:
        network = dict(trainer.module.named_parameters())
        name = next(n for n in network if "layers.0.intermediate.weight" in n)
        seen.append((network[name].detach().clone(), trainer.optimizer.state[network[name]]["momentum"].clone()))
        seen.append((trainer.rate, {k for n, p in network.items() for k in trainer.optimizer.state[p] if n == name}))

    pretrain(config, watch)
    (before, old), (_, keys), (after, momentum), (rate, _) = seen
    assert keys == {"momentum"}
    gradient = (momentum - MOMENTUM * old) / (1 - MOMENTUM)
    update = orthogonal(((1 - MOMENTUM) * gradient + MOMENTUM * momentum)[None], torch.float32)[0]
    expected = before * (1 - rate * config.weight_decay) - rate * 0.3 * max(before.shape) ** 0.5 * update
    torch.testing.assert_close(after, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"objective": "two_stage", "share": "none", "generator_width": 1.0,
                                          "generator_depth": 1.0}])  # fmt: skip
def test_a_run_goes_on_exactly(tmp_path, options):
    data = write_data(tmp_path / "data")
    straight = tiny_config(data, tmp_path / "straight", optimizer="muon", **options)
    pretrain(straight)

    class Killed(Exception):
        pass

    def kill(trainer: Trainer) -> None:
        if trainer.step == 14:
            raise Killed

    again = tiny_config(data, tmp_path / "again", optimizer="muon", **options)
    with pytest.raises(Killed):
        pretrain(again, kill)
    pretrain(again)
    assert_same_run(tmp_path / "again", tmp_path / "straight")
    losses = [
        line["gen_loss"]
        for line in map(json.loads, (tmp_path / "again/metrics.jsonl").open())
        if line["kind"] == "eval"
    ]
    assert losses[-1] < losses[0]
