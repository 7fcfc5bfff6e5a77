"""What only a GPU can show: the numbers of a CPU, a captured step that is the plain one, an exact resume."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_objectives import DEFAULTS, make_objective, toy_batch
from tiny import hook_step, poison_at, stop_after, tiny_config, write_data

from electra.config import ModernBertConfig
from electra.config.objectives import OBJECTIVES
from electra.core.errors import Interrupted
from electra.cost.bench import InTurn
from electra.data.loader import pieces
from electra.models.encoder import compute_in
from electra.models.modernbert.encoder import Encoder as ModernBert
from electra.pretraining.optimizer import build_optimizer
from electra.pretraining.run import pretrain
from electra.training.checkpoint import checkpoints
from electra.training.step import move_batch
from electra.training.trainer import Trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use"),
]
GPU = torch.device("cuda")
VOCABULARY = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def deterministic(monkeypatch):
    """Sums in a fixed order, where torch has a way to do so."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


# -- the numbers of a CPU ----------------------------------------------------------------------------------------------


def given(objective, batch):
    """Chance taken out: the masks and samples of a CPU with one seed, wherever the networks are."""
    torch.manual_seed(5)
    masked = objective.mask(batch)
    samples = torch.randint(5, VOCABULARY, masked.labels.shape)
    objective.mask = lambda batch: move_batch(masked, batch.input_ids.device)
    if hasattr(objective, "sample"):
        del objective.sample
        objective.sample = lambda logits, temperature: samples.flatten().to(logits.device)
    return objective


def loss_and_gradients(objective, batch, device):
    objective = copy.deepcopy(objective).to(device)
    loss = objective.train()(move_batch(batch, device)).loss
    loss.backward()
    found = {n: p.grad.cpu() for n, p in objective.named_parameters() if p.grad is not None}
    return loss.detach().cpu(), found


def apart(found, reference):
    """The relative distance of two sets of tensors."""
    squares = [((found[n] - r).square().sum(), r.square().sum()) for n, r in reference.items()]
    return float((sum(a for a, _ in squares) / sum(b for _, b in squares)).sqrt())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_numbers_are_those_of_a_cpu(name):
    objective, batch = make_objective(name, std=0.05), toy_batch(1)
    objective = given(objective, batch)
    loss, gradients = loss_and_gradients(objective, batch, torch.device("cpu"))
    on_gpu, gpu_gradients = loss_and_gradients(objective, batch, GPU)
    compute_in(objective, torch.bfloat16)
    in_bf16, bf16_gradients = loss_and_gradients(objective, batch, GPU)
    print(name, float(abs(on_gpu / loss - 1)), apart(gpu_gradients, gradients), float(abs(in_bf16 / loss - 1)),
          apart(bf16_gradients, gradients))  # fmt: skip
    assert abs(on_gpu / loss - 1) < 1e-5
    assert apart(gpu_gradients, gradients) < 1e-5
    assert abs(in_bf16 / loss - 1) < 1e-2
    assert apart(bf16_gradients, gradients) < 3e-2


def test_long_rows_have_the_numbers_of_a_cpu():
    config = ModernBertConfig(
        vocab_size=VOCABULARY, hidden_size=64, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64
    )
    encoder, ids = ModernBert(config), torch.randint(5, VOCABULARY, (2, 1100))
    numbers, at = torch.arange(1100).div(400, rounding_mode="floor").expand(2, -1), ids[:, :30]
    on_gpu = copy.deepcopy(encoder).to(GPU)
    for asked in ({}, {"at": at}):
        found = on_gpu(ids.to(GPU), numbers.to(GPU), **{name: x.to(GPU) for name, x in asked.items()})
        torch.testing.assert_close(found.cpu(), encoder(ids, numbers, **asked), rtol=1e-3, atol=1e-4)


# -- captured ----------------------------------------------------------------------------------------------------------


def losses(name, captured, steps=10, optimizer="adamw", short_stage=0.0):
    """The losses of a few steps of two micro-batches, with dropout; rows are cut in two in the short stage."""
    objective = make_objective(name, std=0.05)
    config = replace(
        objective.config, train_batch_size=16, micro_batch_size=8, train_steps=steps, device="cuda", optimizer=optimizer
    )
    for module in objective.modules():
        if hasattr(module, "dropout"):
            module.dropout = 0.1
    objective.to(GPU)
    half = [toy_batch(seed) for seed in range(2)]

    class Halves(InTurn):
        def micro_batches(self, step, size, done=1.0, share=None):
            return half if done >= short_stage else [pieces(batch, half[0].input_ids.shape[1] // 2) for batch in half]

    seen = []
    trainer = Trainer(
        objective, build_optimizer(objective, config), Halves(half), config, Path(), GPU, 8, captured=captured
    )
    graphs = set()
    for _ in range(steps):
        trainer.means.sums.clear()
        trainer.train_step()
        trainer.require_finite()
        seen.append(trainer.means.state()["sums"])
        graphs |= {trainer.graphs.take_gradient.graph} - {None} if trainer.graphs else set()
    assert len(graphs) > (short_stage > 0) if captured else not graphs
    return seen


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_captured_step_is_the_plain_one(name, deterministic):
    for captured, plain in zip(losses(name, True), losses(name, False), strict=True):
        assert captured == pytest.approx(plain, rel=1e-4, abs=1e-5)


def test_a_step_is_captured_anew_when_rows_are_whole_again(deterministic):
    found = [losses("electra", captured, steps=16, short_stage=0.5) for captured in (True, False)]
    for captured, plain in zip(*found, strict=True):
        assert captured == pytest.approx(plain, rel=1e-4, abs=1e-5)


def test_muon_is_captured_too(deterministic):
    for captured, plain in zip(*(losses("electra", c, optimizer="muon") for c in (True, False)), strict=True):
        assert captured == pytest.approx(plain, rel=1e-3, abs=1e-4)


# -- a run -------------------------------------------------------------------------------------------------------------


def metrics(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "tokens_per_second")} for line in lines]


@pytest.mark.parametrize("objective", ["electra", "two_stage"])
def test_a_run_resumes_bit_for_bit(data, tmp_path, deterministic, objective):
    settings = dict(device="cuda", precision="bf16", compile="on", objective=objective, **DEFAULTS[objective])
    pretrain(tiny_config(data, tmp_path / "straight", **settings))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        hook_step(patch, after=stop_after(10))
        pretrain(tiny_config(data, tmp_path / "halted", **settings))
    shutil.copytree(tmp_path / "halted", tmp_path / "run")
    pretrain(tiny_config(data, tmp_path / "run", **settings))
    assert metrics(tmp_path / "run") == metrics(tmp_path / "straight")
    weights = [
        (checkpoints(out / "checkpoints")[-1] / "weights.safetensors").read_bytes()
        for out in (tmp_path / "run", tmp_path / "straight")
    ]
    assert weights[0] == weights[1]


def test_a_step_is_compiled_once(data, tmp_path):
    """No graph breaks within a layer, and nothing is compiled anew after the first step."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()

    def watch(trainer):
        if trainer.step == 1:
            torch.compiler.set_stance("fail_on_recompile")

    with pytest.MonkeyPatch.context() as patch:
        hook_step(patch, before=watch)
        try:
            pretrain(tiny_config(data, tmp_path / "run", device="cuda", compile="on", eval_steps=0, save_steps=0))
        finally:
            torch.compiler.set_stance("default")
    assert not torch._dynamo.utils.counters["graph_break"]


def test_a_loss_that_is_not_finite_stops_the_run(data, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        hook_step(patch, before=poison_at(12))
        with pytest.raises(FloatingPointError, match="step 12: "):
            pretrain(tiny_config(data, tmp_path / "run", device="cuda"))
    assert checkpoints(tmp_path / "run/checkpoints")[-1].name == "step-00000010"
