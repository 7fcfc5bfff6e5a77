"""What is particular to one objective, one generator or one way of sharing, as the paper has it."""

import itertools
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_objectives import (
    CLS,
    COMBINATIONS,
    MASK,
    SEP,
    V,
    make_batch,
    make_config,
    make_objective,
    settings_for,
    toy_batch,
)
from tiny import tiny_config, tiny_tokenizer, write_data
from torch import nn
from torch.nn import functional as F

from electra.checkpoints.huggingface import load_network, save_network
from electra.config.objectives import OBJECTIVES, SHARING
from electra.core.errors import Interrupted
from electra.cost.operations import flops_per_token, parameter_counts
from electra.data.cooccurrence import unigram_probabilities
from electra.data.shards import open_examples
from electra.interface import Counts
from electra.models.heads import MaskedLM
from electra.objectives.corruption import Corrupted, mask_tokens, random_tokens
from electra.objectives.generators import TwoTower
from electra.objectives.replacement import Generated
from electra.pretraining.run import pretrain
from electra.text.tokenizer import load_tokenizer
from electra.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from electra.training.optimizer import build_optimizer
from electra.training.seed import seed_all
from electra.training.step import backpropagate

WITH_GENERATOR = [(name, share) for name, share in COMBINATIONS if name != "mlm"]
DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


# -- what goes together ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(objective="two_stage", generator_width=1.0), "frozen generator.*share to none or gdes"),
        (dict(objective="two_stage", share="none"), "two_stage.*generator_width and generator_depth to 1"),
        (dict(objective="adversarial", share="all", generator_width=1.0), "deceive and to detect"),
        (dict(objective="electric", share="all", generator_width=1.0), "reads one way"),
        (dict(objective="replace_mlm", share="all"), "generator_width and generator_depth to 1"),
        (dict(objective="electric", generator_kind="uniform", share="none"), "trains its generator"),
        (dict(generator_kind="unigram"), "share to none, not 'embeddings'"),
        (dict(generator_kind=""), "generator_kind is empty"),
        (dict(objective="electric", temperature=0.5), "temperature at 1"),
        (dict(objective="adversarial", temperature_start=2.0), "temperature at 1"),
        (dict(objective="mlm", mask_token_prob=0.95, random_token_prob=0.1), "more than 1"),
        (dict(generator_stage=1.0), "generator_stage must be in"),
        (dict(temperature_decay=0.0), "temperature_decay must be above 0"),
        (dict(random_sample_prob=1.5), "random_sample_prob must be in"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        make_config(**changes)


def test_every_objective_has_a_way_of_sharing_and_a_line_in_the_documentation():
    text = (DOCS / "reference/objectives.md").read_text()
    assert {name for name, _ in COMBINATIONS} == set(OBJECTIVES)
    assert all(f"`{name}`" in text and f"objectives/{name}.py" in text for name in OBJECTIVES)
    assert all(f"`{share}`" in text for share in SHARING)


# -- masking -----------------------------------------------------------------------------------------------------------


def test_berts_masking_is_80_10_10():
    batch = make_batch([128] * 200, L=128)
    masked = mask_tokens(batch, MASK, 0.15, 0.8, random_token_prob=0.1, vocab_size=V)
    chosen = masked.input_ids.gather(1, masked.positions)[masked.used]
    labels = masked.labels[masked.used]
    assert (chosen == MASK).float().mean() == pytest.approx(0.8 + 0.1 / V, abs=0.02)
    assert (chosen == labels).float().mean() == pytest.approx(0.1 + 0.1 / V, abs=0.02)
    drawn = torch.bincount(chosen[(chosen != MASK) & (chosen != labels)], minlength=V)
    assert (drawn > 0).sum() == V - 1 and drawn.max() < 4 * drawn.sum() / V  # all of the vocabulary but [MASK]


# -- gradients and shared weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "share"), [pair for pair in WITH_GENERATOR if pair[1] != "all"])
def test_the_main_networks_loss_sends_no_gradient_into_the_generators_body(name, share):
    objective = make_objective(name, gen_weight=0.0, **settings_for(name, share))
    objective.begin_step(99, 0.9)
    objective(make_batch()).loss.backward()
    main = objective.discriminator if hasattr(objective, "discriminator") else objective.predictor
    shared = {id(p) for p in main.parameters()}
    assert sum(float(p.grad.abs().sum()) for p in main.parameters() if p.grad is not None) > 0
    seen = [p for p in objective.generator.parameters() if id(p) not in shared]
    assert seen and all(p.grad is None or p.grad.abs().max() == 0 for p in seen)
    assert (len(seen) < len(list(objective.generator.parameters()))) == (share == "embeddings")


@pytest.mark.parametrize(("name", "share"), WITH_GENERATOR)
def test_backpropagating_a_term_early_gives_the_same_gradient(name, share):
    objective, batch, gradients = make_objective(name, **settings_for(name, share)), make_batch(), []
    for hook in (lambda loss: loss, backpropagate):
        objective.backpropagate_early = hook
        objective.zero_grad(set_to_none=True)
        seed_all(3)
        output = objective(batch)
        output.loss.backward()
        gradients.append({n: p.grad.clone() for n, p in objective.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for parameter, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][parameter], rtol=1e-4, atol=1e-6), parameter


@pytest.mark.parametrize(("name", "share"), WITH_GENERATOR)
def test_shared_tables_are_one_tensor_before_and_after_saving_and_loading(name, share, tmp_path):
    objective = make_objective(name, **settings_for(name, share))
    optimizer = build_optimizer(objective, objective.config)
    save_checkpoint(tmp_path, 1, objective, optimizer, {}, 1)
    again = make_objective(name, std=0.3, **settings_for(name, share))
    load_checkpoint(checkpoints(tmp_path)[0], again, build_optimizer(again, again.config))
    for module in (objective, again):
        main = module.discriminator if hasattr(module, "discriminator") else module.predictor
        body = module.generator.forwards if name == "electric" else module.generator.encoder
        mine, theirs = main.encoder.embeddings, body.embeddings
        if share == "gdes":
            assert mine.word.bases[0] is theirs.word and mine.position.bases[0] is theirs.position
        else:
            assert (mine.word.weight is theirs.word.weight) == (share != "none")
            assert (main.encoder is body) == (share == "all")
    assert all(torch.equal(a, b) for a, b in zip(objective.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize(("name", "share"), WITH_GENERATOR)
def test_torchs_wrapper_for_many_processes_leaves_tables_tied_and_gradients_as_they_are(name, share):
    """Here there is one process; what is shared must not be counted twice, nor left out."""
    objective = make_objective(name, **settings_for(name, share))
    alone = gradients_through(objective, objective)
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(objective, find_unused_parameters=True)
        in_group = gradients_through(wrapped, objective)
        del wrapped  # before its group: the last to let go of it must not hold Python's lock, or both wait for ever
    finally:
        torch.distributed.destroy_process_group()
    assert alone and alone.keys() == in_group.keys()
    for parameter, gradient in alone.items():
        assert torch.allclose(gradient, in_group[parameter], rtol=1e-5, atol=1e-8), parameter


def gradients_through(module, objective):
    objective.zero_grad(set_to_none=True)
    seed_all(3)
    module(make_batch()).loss.backward()
    return {n: p.grad.clone() for n, p in objective.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", ["electra", "replace_mlm"])
def test_gdes_is_a_plain_network_when_saved(name, tmp_path):
    objective, tokenizer = make_objective(name, share="gdes").eval(), tiny_tokenizer()
    for n, p in objective.named_parameters():
        if n.endswith("delta"):
            nn.init.normal_(p, std=0.05)
    kept, batch = next(iter(objective.networks().values())), make_batch()
    save_network(tmp_path, kept, tokenizer, 16)
    again = load_network(tmp_path)
    where = [torch.arange(16).expand(3, -1)] if isinstance(kept, MaskedLM) else []
    assert (kept(*where, *batch[:4]) - again(*where, *batch[:4])).abs().max() < 1e-5
    assert not any("delta" in n for n in again.state_dict())


def test_gdes_starts_as_the_generators_table_and_a_state_can_be_put_in():
    objective = make_objective(share="gdes")
    mine, theirs = (n.encoder.embeddings for n in (objective.discriminator, objective.generator))
    assert torch.equal(mine.word.weight, theirs.word.weight)
    state = {n: torch.randn_like(t) for n, t in mine.state_dict().items()}
    before = theirs.word.weight.clone()
    mine.load_state_dict(state)
    assert torch.allclose(mine.word.weight, state["word.weight"], atol=1e-6)
    assert torch.equal(theirs.word.weight, before)


# -- one objective each ------------------------------------------------------------------------------------------------


def test_electra_15_is_the_mean_over_the_masked_tokens():
    objective, batch = make_objective("electra_15", gen_weight=0.0), make_batch()
    seed_all(1)
    loss = float(objective(batch).loss.detach())
    seed_all(1)
    corrupted = objective.generate(batch).corrupted
    logits = objective.discriminator(corrupted.input_ids, *batch[1:4])
    losses = F.binary_cross_entropy_with_logits(logits, corrupted.is_replaced.float(), reduction="none")
    assert loss == pytest.approx(50 * float(losses[corrupted.is_selected].mean().detach()), rel=1e-5)


def test_all_tokens_probabilities_sum_to_one():
    objective, batch = make_objective("all_tokens_mlm"), make_batch()
    ids, total = batch.input_ids, torch.zeros(batch.input_ids.shape)
    with torch.no_grad():
        for v in range(V):
            original = torch.full_like(ids, v)
            losses, _ = objective.copy_or_predict(
                batch._replace(input_ids=original), Corrupted(ids, ids != original, ids != original)
            )
            total += (-losses).exp()
    assert (total - 1).abs().max() < 1e-5


def test_replace_mlm_reads_samples_and_predicts_the_masked_positions():
    objective, batch, seen = make_objective("replace_mlm", mask_token_prob=1.0), make_batch(), []
    objective.predictor.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    seed_all(1)
    output = objective(batch)
    seed_all(1)
    generated = objective.generate(batch)
    assert torch.equal(seen[0], generated.corrupted.input_ids)
    logits = objective.predictor(generated.masked.positions, seen[0], *batch[1:4])
    used = generated.masked.used.flatten()
    expected = F.cross_entropy(logits[used], generated.masked.labels.flatten()[used])
    assert float(output.metrics["mlm_loss"]) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_the_policy_gradient_is_that_of_the_expected_reward(baseline):
    """All samples of a three-word vocabulary, weighted by their probability."""
    objective, rewards = make_objective("adversarial"), torch.tensor([0.2, 1.5, 0.4])
    logits = torch.tensor([[0.3, -0.5, 1.1]], requires_grad=True)
    expected_reward = (logits.softmax(-1) * rewards).sum()
    (exact,) = torch.autograd.grad(-expected_reward, logits)
    estimate = torch.zeros(1, 3)
    for word, p in enumerate(logits.detach().softmax(-1)[0]):
        generated = Generated(None, logits, torch.tensor([[word]]), None)
        loss = objective.policy_losses(generated, rewards[word : word + 1] - baseline)
        estimate += p * torch.autograd.grad(loss.sum(), logits)[0]
    assert torch.allclose(estimate, exact, atol=1e-6)


def test_the_adversarial_loss_is_that_of_appendix_f():
    objective, batch = make_objective("adversarial", disc_weight=0.0), make_batch()
    nn.init.normal_(objective.baseline.weight)
    seed_all(1)
    output = objective(batch)
    seed_all(1)
    generated = objective.generate(batch)
    masked, corrupted = generated.masked, generated.corrupted
    hidden = objective.generator.hidden_at(masked.positions, masked.input_ids, *batch[1:4])
    right = objective.discriminator(corrupted.input_ids, *batch[1:4]).sigmoid()
    right = torch.where(corrupted.is_replaced, right, 1 - right).gather(1, masked.positions).flatten()
    b = objective.baseline(hidden).squeeze(-1).sigmoid()  # the expected probability of the right answer
    log_p = generated.logits.log_softmax(-1).gather(1, generated.samples.flatten()[:, None]).squeeze(1)
    policy = -(b.log() - right.log()).detach() * log_p
    learning = -(right.detach() * b.log() + (1 - right.detach()) * (1 - b).log())
    used = masked.used.flatten()
    assert float(output.loss.detach()) == pytest.approx(float((policy + learning)[used].mean().detach()), rel=1e-4)


def test_an_adversarial_generator_learns_to_deceive():
    objective, batch = make_objective("adversarial", disc_weight=0.0, mask_token_prob=1.0), make_batch([16] * 8)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-2)
    rewards = []
    for step in range(40):
        seed_all(0, step)
        output = objective(batch)
        output.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        rewards.append(float(output.metrics["reward"]))
    assert sum(rewards[-10:]) > 1.2 * sum(rewards[:10])


def test_two_towers_do_not_see_the_token_they_foretell():
    torch.manual_seed(0)
    config = make_config().generator
    towers, batch = TwoTower(config).eval(), make_batch([16], L=16)
    ids = torch.cat([batch.input_ids[:, :7], torch.tensor([[SEP, CLS]]), batch.input_ids[:, 9:]], 1)
    mask = torch.tensor([[1] * 8 + [2] * 8])  # two examples in a row
    maskable = (ids != CLS) & (ids != SEP)
    logits = towers(ids, mask)
    for t in maskable[0].nonzero().flatten().tolist():
        changed = ids.clone()
        changed[0, t] = (ids[0, t] + 1) % V
        moved = (towers(changed, mask) != logits).any(-1)
        assert not moved[t]
        same = mask[0] == mask[0, t]
        others = same & maskable[0]
        others[t] = False
        assert moved[others].all() and not moved[~same & maskable[0]].any()


def test_electrics_loss_agrees_with_a_direct_computation():
    objective, batch = make_objective("electric", gen_weight=0.7, disc_weight=3.0), make_batch()
    seed_all(1)
    loss = float(objective(batch).loss.detach())
    seed_all(1)
    log_q = objective.generator(*batch[:4]).view(3, 16, V).log_softmax(-1)
    masked = objective.mask(batch)
    noise = torch.cat([log_q[b][masked.positions[b]] for b in range(3)])
    corrupted = objective.replace(batch, masked, noise).corrupted
    energy = objective.discriminator(corrupted.input_ids, *batch[1:4])
    gen_loss = disc_loss = number = 0
    for b, t in itertools.product(range(3), range(16)):
        if not batch.maskable[b, t]:
            continue
        number += 1
        gen_loss -= float(log_q[b, t, batch.input_ids[b, t]].detach())
        noise_mass = 0.15 * log_q[b, t, corrupted.input_ids[b, t]].exp()
        model_mass = 0.85 * (-energy[b, t]).exp()  # k q against (n - k) p
        is_noise = noise_mass / (noise_mass + model_mass)
        disc_loss -= float((is_noise if corrupted.is_selected[b, t] else 1 - is_noise).log().detach())
    assert loss == pytest.approx((0.7 * gen_loss + 3 * disc_loss) / number, rel=1e-4)


def test_electrics_score_is_minus_the_sum_of_energies():
    objective, batch = make_objective("electric"), make_batch()
    energy = objective.discriminator(*batch[:4])
    expected = [-float(energy[b, 1 : n - 1].sum().detach()) for b, n in enumerate((16, 9, 12))]
    assert objective.score(batch).tolist() == pytest.approx(expected, rel=1e-5)


# -- two stages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", ["none", "gdes"])
def test_the_loss_falls_in_both_stages(share):
    """The generator's, then the discriminator's from the generator's weights, while the generator stays as it is."""
    objective = make_objective("two_stage", std=0.05, share=share, mask_token_prob=1.0)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    losses = {"gen_loss": [], "disc_loss": []}
    for step in range(300):
        objective.begin_step(step, step / 300)
        objective.train()
        if step == 150:
            mine, theirs = objective.discriminator.encoder.state_dict(), objective.generator.encoder.state_dict()
            assert all(torch.equal(mine[n], theirs[n]) for n in theirs)
            learned = {n: p.clone() for n, p in objective.generator.named_parameters()}
        seed_all(0, step)
        output = objective(toy_batch(step))
        output.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        name = "gen_loss" if step < 150 else "disc_loss"
        assert ("disc_loss" in output.metrics) == (step >= 150)
        losses[name].append(float(output.metrics[name]))
    for name, of in losses.items():
        assert sum(of[-10:]) < 0.7 * sum(of[:10]), name
    assert all(torch.equal(p, learned[n]) for n, p in objective.generator.named_parameters())


def test_in_stage_1_the_generator_is_what_there_is_to_keep():
    """An untrained discriminator is not saved; the first weights of an MLM are those of stage 1."""
    objective = make_objective("two_stage")
    objective.begin_step(0, 0.0)
    assert list(objective.networks()) == ["generator"] and objective.encoder is objective.generator.encoder
    objective.begin_step(5, 0.5)
    assert list(objective.networks()) == ["discriminator", "generator"]
    objective.stage = 1  # a new process that has loaded these weights and has no step left to take
    assert objective.encoder is objective.discriminator.encoder


def test_two_stages_one_after_the_other():
    objective, batch = make_objective("two_stage"), make_batch()
    objective.begin_step(0, 0.0)
    objective(batch).loss.backward()
    assert all(p.grad is None for p in objective.discriminator.parameters())
    objective.zero_grad()
    objective.begin_step(5, 0.5)
    objective.train()
    mine, theirs = objective.discriminator.encoder.state_dict(), objective.generator.encoder.state_dict()
    assert all(torch.equal(mine[n], theirs[n]) for n in theirs) and objective.copied == 1
    objective(batch).loss.backward()
    assert all(p.grad is None for p in objective.generator.parameters()) and not objective.generator.training
    nn.init.ones_(objective.discriminator.encoder.embeddings.word.weight)
    objective.begin_step(6, 0.6)
    objective.stage = 1  # a new process that has loaded these weights
    objective.begin_step(7, 0.7)
    assert (objective.discriminator.encoder.embeddings.word.weight == 1).all()  # copied once only
    assert not any(p.requires_grad for p in objective.generator.parameters())


@pytest.mark.parametrize(
    ("name", "share"),
    [("electra", "gdes"), ("electra_15", "embeddings"), ("replace_mlm", "all"), ("all_tokens_mlm", "gdes"),
     ("two_stage", "none"), ("two_stage", "gdes"), ("adversarial", "embeddings"), ("electric", "none")],
)  # fmt: skip
def test_a_run_stopped_after_every_step_is_the_run_that_never_stopped(data, tmp_path, name, share):
    """And what it leaves is a Hugging Face directory with nothing missing and nothing more."""
    changes = dict(objective=name, **settings_for(name, share), train_steps=4, eval_steps=2, log_steps=3)
    pretrain(tiny_config(data, tmp_path / "straight", **changes))
    config = tiny_config(data, tmp_path / "stopped", **changes)
    for _ in range(3):
        with pytest.raises(Interrupted):
            pretrain(config, on_step=lambda trainer: setattr(trainer, "stop_requested", True))
    pretrain(config)
    for path in ("checkpoints/step-00000004/weights.safetensors", "checkpoints/step-00000004/optimizer.safetensors",
                 "model/model.safetensors"):  # fmt: skip
        assert (tmp_path / "straight" / path).read_bytes() == (tmp_path / "stopped" / path).read_bytes(), path
    mine, theirs = (metrics(tmp_path / out) for out in ("stopped", "straight"))
    assert mine == theirs
    require_huggingface(tmp_path / "straight/model", name)


def metrics(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "tokens_per_second")} for line in lines]


def require_huggingface(folder, name):
    transformers = pytest.importorskip("transformers")
    kinds = {
        "ElectraForPreTraining": transformers.ElectraForPreTraining,
        "ElectraForMaskedLM": transformers.ElectraForMaskedLM,
    }
    architecture = "ElectraForMaskedLM" if name in ("mlm", "replace_mlm", "all_tokens_mlm") else "ElectraForPreTraining"
    for path, kind in ((folder, architecture), (folder / "generator", "ElectraForMaskedLM")):
        if path != folder and name == "electric":
            assert not path.exists()
            continue
        assert json.loads((path / "config.json").read_text())["architectures"] == [kind]
        _, info = kinds[kind].from_pretrained(path, output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]


# -- generators that are not trained -----------------------------------------------------------------------------------


def test_uniform_and_unigram_generators_sample_as_they_say(data, tmp_path):
    seen = {}
    for kind in ("uniform", "unigram"):
        config = tiny_config(data, tmp_path / kind, generator_kind=kind, share="none", train_steps=1)
        pretrain(config, on_step=lambda trainer: seen.update({kind: trainer.module}))  # noqa: B023
        assert not (tmp_path / kind / "model/generator").exists()
        assert "gen_loss" not in metrics(tmp_path / kind)[-1]
    tokenizer, train = load_tokenizer(data), open_examples(data)
    expected = unigram_probabilities(np.concatenate(train.tokens), tokenizer.vocab_size, tokenizer.special_ids)
    found = seen["unigram"].generator(torch.zeros(2, 3, dtype=torch.long)).softmax(-1)
    assert found.shape == (6, tokenizer.vocab_size)
    assert torch.allclose(found[0], torch.from_numpy(expected).float(), atol=1e-6)
    assert seen["uniform"].generator(torch.zeros(1, 1, dtype=torch.long)).std() == 0


def test_a_frozen_generator_from_a_run_stays_as_it_was(data, tmp_path):
    pretrain(tiny_config(data, tmp_path / "first", train_steps=2))
    config = tiny_config(data, tmp_path / "second", generator_kind=str(tmp_path / "first"), share="none", train_steps=3,
                         temperature_start=2.0)  # fmt: skip
    modules = []
    pretrain(config, on_step=lambda trainer: modules.append((trainer.module, trainer.module.generator.training)))
    assert not modules[0][1]
    one, two = (tmp_path / out / "model/generator/model.safetensors" for out in ("first", "second"))
    assert one.read_bytes() == two.read_bytes()
    assert metrics(tmp_path / "second")[-1]["disc_loss"] > 0
    bert = tiny_config(data, tmp_path / "third", generator_kind=str(tmp_path / "nowhere"), share="none")
    with pytest.raises(ValueError, match="holds no model; give a finished run"):
        pretrain(bert)


def test_a_frozen_generator_of_another_vocabulary_is_refused_before_anything_is_written(data, tmp_path):
    other = write_data(tmp_path / "data", tokenizer=tiny_tokenizer(vocab_size=90))
    pretrain(tiny_config(other, tmp_path / "first", train_steps=1))
    config = tiny_config(data, tmp_path / "second", generator_kind=str(tmp_path / "first"), share="none")
    with pytest.raises(ValueError, match="entries beyond that of"):
        pretrain(config)
    assert not (tmp_path / "second/config.json").exists()


def test_the_temperature_falls_exponentially():
    objective = make_objective(temperature_start=2.0, temperature_decay=0.1)
    found = []
    for done in (0.0, 0.1, 0.2, 1.0):
        objective.begin_step(0, done)
        found.append(float(objective.temperature))
    assert found == pytest.approx([2, 1 + np.exp(-1), 1 + np.exp(-2), 1 + np.exp(-10)])


def test_a_share_of_the_samples_is_random_in_training_only():
    lengths = (16, 5, 9) * 400
    objective, batch = make_objective(random_sample_prob=0.25, mask_token_prob=1.0), make_batch(lengths)
    objective.sample.forward = lambda logits, temperature: torch.full((len(logits),), -1)  # no entry
    generated = objective.train().generate(batch)
    samples = generated.samples[generated.masked.used]
    assert (samples >= 0).float().mean() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(generated.corrupted.is_replaced, generated.corrupted.input_ids != batch.input_ids)
    assert (objective.eval().generate(batch).samples == -1).all()


def test_random_tokens_are_to_a_third_of_the_batch_and_else_of_the_vocabulary():
    batch = make_batch((16, 5, 9) * 2000)
    skewed = batch._replace(input_ids=torch.where(batch.input_ids > V // 2, V - 1, batch.input_ids))
    masked = make_objective().mask(skewed)
    hidden, words = masked.labels[masked.used], random_tokens(masked, V)[masked.used]
    of_the_batch, found = (torch.bincount(ids, minlength=V).float() / len(ids) for ids in (hidden, words))
    assert (found - (of_the_batch + 2 / V) / 3).abs().max() < 0.02


@pytest.mark.parametrize("name", ["adversarial", "electric"])
def test_where_a_sample_needs_its_probability_none_is_exchanged(name):
    settings = settings_for(name, "none")
    losses = []
    for share in (0.0, 0.9):
        objective = make_objective(name, **settings, random_sample_prob=share)
        torch.manual_seed(0)
        losses.append(float(objective(make_batch()).loss.detach()))
    assert losses[0] == losses[1]


# -- what it costs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "share"), COMBINATIONS)
def test_parameters_are_counted_rightly(name, share):
    objective = make_objective(name, **settings_for(name, share))
    counted = sum(p.numel() for n, p in objective.named_parameters() if n != "copied")
    assert parameter_counts(objective.config)["total"] == counted


def products(objective, batch):
    """Operations of the matrix products of one step, counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        objective(batch).loss.backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_operations_are_those_that_torch_counts(name):
    """Full rows of which a quarter is masked, so that the masked slots are what the rule assumes."""
    batch, cost = make_batch([32] * 4, L=32), 0.0
    objective = make_objective(name, mask_prob=0.25)
    stages = [0.0, 0.9] if name == "two_stage" else [0.0]
    for done in stages:
        objective.begin_step(0, done)
        objective.zero_grad()
        cost += products(objective, batch) / len(stages) / (4 * 32)
    assert flops_per_token(objective.config, 32)["total"] == pytest.approx(cost, rel=0.05)


def test_what_two_stages_have_cost_on_the_way():
    """The first stage has no discriminator, the second does not train the generator."""
    batch, costs = make_batch([32] * 4, L=32), []
    objective = make_objective("two_stage", mask_prob=0.25)
    for done in (0.0, 0.9):
        objective.begin_step(0, done)
        objective.zero_grad()
        costs.append(products(objective, batch) / (4 * 32))
    for done, expected in (
        (0.25, costs[0]),
        (0.5, costs[0]),
        (0.75, (2 * costs[0] + costs[1]) / 3),
        (1.0, sum(costs) / 2),
    ):
        assert flops_per_token(objective.config, 32, done=done)["total"] == pytest.approx(expected, rel=0.05)


def test_a_generator_that_is_not_trained_costs_a_forward_pass_or_nothing(tmp_path):
    config = make_config(share="none")
    full = flops_per_token(config, 128)
    uniform = flops_per_token(replace(config, generator_kind="uniform"), 128)
    assert uniform["generator"] == uniform["mlm_head"] == 0 and uniform["encoder"] == full["encoder"]
    save_network(tmp_path, make_objective(share="none").generator, tiny_tokenizer(), 64)
    frozen = flops_per_token(replace(config, generator_kind=str(tmp_path)), 128)
    assert frozen["generator"] == pytest.approx(full["generator"] / 3)
    assert frozen["mlm_head"] == pytest.approx(full["mlm_head"] / 3)


# -- your own ----------------------------------------------------------------------------------------------------------


def test_the_objective_of_the_documentation_trains(data, tmp_path, monkeypatch):
    (snippet,) = re.findall(r"```python\n([^`]*class Swapped\b.*?)```", (DOCS / "howto/extend.md").read_text(), re.S)
    (tmp_path / "swapped.py").write_text(snippet)
    monkeypatch.syspath_prepend(tmp_path)
    config = tiny_config(data, tmp_path / "run", objective="swapped:Swapped", train_steps=12, eval_steps=4)
    result = pretrain(config)
    sys.modules.pop("swapped")
    assert 0 < result["disc_loss"] < 1
    assert (tmp_path / "run/model/model.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere:Mine", "no module 'nowhere'; is its folder in PYTHONPATH"),
        ("json:JSONDecoder", "no class 'JSONDecoder'"),
        ("electra_16", "or your own as module:Class"),
    ],
)
def test_an_objective_that_is_not_there_is_said(data, tmp_path, name, said):
    with pytest.raises(ValueError, match=said):
        pretrain(tiny_config(data, tmp_path / "run", objective=name))
    assert not (tmp_path / "run").exists()


def test_counts_are_of_the_whole_step():
    """Electric's losses are divided by the tokens that could be masked, all others' by those that were."""
    batch = make_batch()
    assert make_objective("electric").count(batch).masked == batch.maskable.sum()
    assert make_objective().count(batch) == Counts(37, 2 + 1 + 2)
