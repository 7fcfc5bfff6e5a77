"""The objectives against the released algorithm and against the facts of the paper."""

import math
from dataclasses import replace

import pytest
import released_algorithm as released
import torch
from torch import nn

from electra.config import PRESETS, ElectraConfig, PretrainConfig
from electra.config.objectives import OBJECTIVES, SHARING, traits_of
from electra.interface import Batch
from electra.models.electra.initialisation import initialise_randomly
from electra.objectives import find_objective
from electra.objectives.corruption import (
    Sampler,
    choose_positions,
    corrupt,
    mask_tokens,
    max_masked,
    num_masked,
    place,
)
from electra.objectives.electra import area_under_curve
from electra.pretraining.optimizer import build_optimizer as build_pretraining_optimizer
from electra.training.optimizer import build_optimizer
from electra.training.schedule import learning_rate, set_rate
from electra.training.seed import seed_all
from electra.training.step import total

CLS, SEP, MASK, V = 2, 3, 4, 60


def make_batch(lengths=(16, 9, 12), L=16, seed=0, vocab=V):
    torch.manual_seed(seed)
    ids = torch.zeros(len(lengths), L, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, n in enumerate(lengths):
        ids[row, :n] = torch.cat([torch.tensor([CLS]), torch.randint(5, vocab, (n - 2,)), torch.tensor([SEP])])
        mask[row, :n] = 1
    positions = torch.arange(L).expand(len(lengths), -1)
    maskable = (mask > 0) & (ids != CLS) & (ids != SEP)
    return Batch(ids, mask, torch.zeros_like(ids), positions, maskable)


def make_config(**changes):
    model = ElectraConfig(vocab_size=V, embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                          intermediate_size=64, max_position_embeddings=64, hidden_dropout_prob=0.0,
                          attention_probs_dropout_prob=0.0)  # fmt: skip
    return PretrainConfig(**dict(model=model, generator_width=0.5, warmup_steps=10, train_steps=100) | changes)


def settings_for(name, share="embeddings"):
    """What an objective and a way of sharing need besides, or None where they do not go together."""
    full_size = dict(generator_width=1.0) if share == "all" or name == "two_stage" else {}
    if share not in traits_of(name).sharing or (name == "mlm" and share != "none"):
        return None
    return dict(share=share, **full_size)


# An adversarial generator is not made to guess right: what it plays against must learn.
FALLS = {"adversarial": "disc_loss", "electra_15": "gen_loss"}
STEPS = {"adversarial": 40}  # then its generator has learned to deceive
COMBINATIONS = [(name, share) for name in OBJECTIVES for share in SHARING if settings_for(name, share)]
DEFAULTS = {name: settings_for(name) or settings_for(name, "none") for name in OBJECTIVES}
# Every objective and every way of sharing, not every pair of them: the others are tried where there is time.
USUAL = {(name, settings["share"]) for name, settings in DEFAULTS.items()} | {("electra", share) for share in SHARING}
PAIRS = [pair if pair in USUAL else pytest.param(*pair, marks=pytest.mark.slow) for pair in COMBINATIONS]


def make_objective(name="electra", std=0.1, **changes):
    torch.manual_seed(0)
    objective = find_objective(name)(make_config(objective=name, **(DEFAULTS[name] | changes)), MASK)
    initialise_randomly(objective, std)
    return objective


# -- masking and corruption --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask_prob", [0.15, 0.25])
def test_counts_are_the_released_ones(mask_prob):
    lengths = list(range(2, 129))
    batch = make_batch(lengths, L=128)
    expected = [released.num_to_predict(n, 128, mask_prob) for n in lengths]
    expected = [min(e, n - 2) for e, n in zip(expected, lengths)]  # a row of [CLS] [SEP] has nothing to mask
    assert num_masked(batch, mask_prob).tolist() == expected


def test_positions_are_distinct_and_maskable():
    batch = make_batch([128, 77, 3, 2], L=128)
    for seed in range(20):
        torch.manual_seed(seed)
        positions, used = choose_positions(batch, 0.15)
        assert positions.shape == (4, max_masked(128, 0.15)) == (4, 19)
        for row in range(4):
            chosen = positions[row][used[row]].tolist()
            assert len(set(chosen)) == len(chosen) == num_masked(batch, 0.15)[row]
            assert batch.maskable[row, chosen].all()


def test_positions_are_uniform():
    batch = make_batch([10], L=10)
    torch.manual_seed(0)
    drawn = torch.zeros(10)
    for _ in range(4000):
        positions, used = choose_positions(batch, 0.15)
        drawn.index_add_(0, positions[used], torch.ones(int(used.sum())))
    expected = drawn.sum() / 8
    chi2 = ((drawn[1:9] - expected) ** 2 / expected).sum()
    assert drawn[0] == drawn[9] == 0
    assert chi2 < 24.3  # 7 degrees of freedom, p = 0.001


def test_faithful_positions_repeat_as_often_as_with_replacement():
    batch = make_batch([128], L=128)
    torch.manual_seed(0)
    distinct = sum(len(set(choose_positions(batch, 0.15, faithful=True)[0][0].tolist())) for _ in range(500)) / 500
    assert distinct == pytest.approx(126 * (1 - (1 - 1 / 126) ** 19), rel=0.01)  # 17.7 of 19


@pytest.mark.parametrize("faithful", [False, True])
def test_masking_and_corruption_agree_with_the_released_algorithm(faithful):
    batch = make_batch([32, 20, 32], L=32)
    for seed in range(10):
        torch.manual_seed(seed)
        positions, used = choose_positions(batch, 0.25, faithful)
        samples = torch.randint(5, V, positions.shape)
        keep = torch.rand(positions.shape) < 0.15
        masks = torch.full_like(positions, MASK)
        ours_masked = place(batch.input_ids, positions, masks, used & ~keep)
        masked = mask_tokens(batch, MASK, 0.25)._replace(positions=positions, used=used)
        ours = corrupt(batch, masked, samples)
        for row in range(3):
            n = int(used[row].sum())
            slots, sequence = positions[row, :n].tolist(), batch.input_ids[row].tolist()
            expected = released.masked_input(sequence, slots, keep[row, :n].tolist(), MASK)
            assert ours_masked[row].tolist() == expected
            corrupted, labels = released.fake_data(sequence, slots, samples[row, :n].tolist())
            assert ours.input_ids[row].tolist() == corrupted
            assert ours.is_replaced[row].long().tolist() == labels


def test_85_percent_of_the_chosen_are_hidden():
    batch = make_batch([128] * 64, L=128)
    masked = mask_tokens(batch, MASK, 0.15, 0.85)
    hidden = (masked.input_ids == MASK).sum() / masked.used.sum()
    assert hidden == pytest.approx(0.85, abs=0.03)
    kept = (masked.input_ids != batch.input_ids) & (masked.input_ids != MASK)
    assert not kept.any()  # no random replacements


def test_a_correct_guess_counts_as_original():
    batch = make_batch()
    masked = mask_tokens(batch, MASK, 0.15)
    corrupted = corrupt(batch, masked, masked.labels)
    assert torch.equal(corrupted.input_ids, batch.input_ids)
    assert not corrupted.is_replaced.any()
    assert corrupted.is_selected.sum() == masked.used.sum()


def test_token_id_zero_can_be_masked():
    batch = make_batch([16], L=16)
    batch.input_ids[0, 1:15] = 0
    masked = mask_tokens(batch, MASK, 0.15)
    corrupted = corrupt(batch, masked, torch.full_like(masked.labels, 7))
    assert corrupted.is_replaced.sum() == 2


@pytest.mark.parametrize(("vocab", "temperature"), [(5, 1.0), (128, 1.0), (300, 1.0), (300, 2.5)])
def test_samples_follow_the_softmax(vocab, temperature):
    torch.manual_seed(0)
    logits = 2 * torch.randn(1, vocab)
    draws = Sampler()(logits.expand(200_000, -1).contiguous(), temperature)
    expected = (logits / temperature).softmax(-1)[0] * len(draws)
    seen = torch.bincount(draws, minlength=vocab).float()
    enough = expected > 5
    chi2 = ((seen - expected) ** 2 / expected)[enough].sum()
    degrees = int(enough.sum()) - 1
    assert len(seen) == vocab
    assert chi2 < degrees + 4 * math.sqrt(2 * degrees)


def test_sampling_survives_extreme_logits():
    logits = torch.full((1000, 300), -1e4)
    logits[:, 299] = 1e4
    assert (Sampler()(logits) == 299).all()
    assert (Sampler()(logits.bfloat16()) == 299).all()


# -- losses ------------------------------------------------------------------------------------------------------------


def test_losses_are_the_released_ones():
    objective, batch = make_objective(mask_token_prob=0.85), make_batch()
    seed_all(5)
    output = objective(batch)
    seed_all(5)
    masked = objective.mask(batch)
    logits = objective.generator(masked.positions, masked.input_ids, *batch[1:4])
    samples = objective.sample(logits.detach()).view_as(masked.labels)
    corrupted = corrupt(batch, masked, samples)
    disc = objective.discriminator(corrupted.input_ids, *batch[1:4])
    gen_loss = released.mlm_loss(
        logits.tolist(), masked.labels.flatten().tolist(), masked.used.flatten().long().tolist()
    )
    disc_loss = released.disc_loss(disc.tolist(), corrupted.is_replaced.long().tolist(), batch.example_ids.tolist())
    assert float(output.metrics["gen_loss"]) == pytest.approx(gen_loss, rel=1e-5)
    assert float(output.metrics["disc_loss"]) == pytest.approx(disc_loss, rel=1e-5)
    assert float(output.loss.detach()) == pytest.approx(gen_loss + 50 * disc_loss, rel=1e-5)


def test_initial_loss_of_small_is_ln_v_plus_50_ln_2():
    torch.manual_seed(0)
    objective = find_objective("electra")(PRESETS["small"], 103)
    initialise_randomly(objective, 0.02)
    output = objective.eval()(make_batch([128] * 4, L=128, vocab=30522))
    assert math.log(30522) + 50 * math.log(2) == pytest.approx(44.98, abs=0.01)
    assert float(output.metrics["gen_loss"]) == pytest.approx(math.log(30522), abs=0.1)
    # The head's last layer is Glorot: its first logits are off zero by chance, the same sign at most tokens.
    assert float(output.metrics["disc_loss"]) == pytest.approx(math.log(2), abs=0.06)


def test_discriminator_loss_sends_no_gradient_into_the_generators_body():
    objective = make_objective(gen_weight=0.0)
    objective(make_batch()).loss.backward()
    shared = {id(p) for p in objective.discriminator.encoder.embeddings.parameters()}
    for name, p in objective.generator.named_parameters():
        if id(p) in shared:
            assert p.grad is not None and p.grad.abs().sum() > 0, name
        else:
            assert p.grad is None or p.grad.abs().max() == 0, name


def test_discriminator_is_given_samples_not_masks():
    objective, seen = make_objective(mask_token_prob=1.0), []
    objective.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    objective(make_batch())
    assert not (seen[0] == MASK).all() and (seen[0] == MASK).sum() <= 2  # the generator may sample [MASK], by chance


def test_padding_has_no_influence():
    objective = make_objective().eval()
    batch = make_batch([12, 12], L=16)
    disc = objective.discriminator(*batch[:4])
    changed = batch.input_ids.clone()
    changed[:, 12:] = 9
    assert (disc - objective.discriminator(changed, *batch[1:4]))[:, :12].abs().max() < 1e-6


@pytest.mark.parametrize(("name", "done"), [*((name, 0.0) for name in OBJECTIVES), ("two_stage", 0.9)])
def test_micro_batches_add_up_to_the_batch(name, done):
    """Losses are divided by the tokens of the whole step, so that cutting a batch does not change its gradient."""
    objective, batch = make_objective(name, mask_token_prob=1.0), make_batch([16, 5, 9, 13])
    objective.mask = fixed_mask(objective, batch)  # the draw is that of the row, whatever the cut
    if name != "mlm":
        objective.sample.forward = lambda logits, temperature: logits.argmax(-1)
    objective.begin_step(0, done)
    objective(batch).loss.backward()
    whole = {n: p.grad.clone() for n, p in objective.named_parameters() if p.grad is not None}
    objective.zero_grad()
    halves = [Batch(*(t[:1] for t in batch)), Batch(*(t[1:] for t in batch))]
    counts = total([objective.count(half) for half in halves])
    for half in halves:
        objective(half, counts).loss.backward()
    for n, p in objective.named_parameters():
        assert p.grad is None if n not in whole else torch.allclose(p.grad, whole[n], atol=1e-5), n


def fixed_mask(objective, batch):
    masked = objective.mask(batch)
    first = {tuple(ids): row for row, ids in enumerate(batch.input_ids.tolist())}

    def mask(part):
        rows = [first[tuple(ids)] for ids in part.input_ids.tolist()]
        return type(masked)(*(tensor[rows] for tensor in masked))

    return mask


def toy_batch(step):
    """Every word follows its predecessor by one, after one of four: easy to fill in, easy to find out."""
    start = torch.randint(5, 9, (8, 1), generator=torch.Generator().manual_seed(step))
    ids = torch.cat([torch.full((8, 1), CLS), start + torch.arange(14), torch.full((8, 1), SEP)], 1)
    return make_batch([16] * 8)._replace(input_ids=ids)


@pytest.mark.parametrize(("name", "share"), COMBINATIONS)
def test_loss_falls_on_a_toy_language(name, share):
    weight = 2.0 if name == "electra_15" else 10.0  # its loss is that of the hard tokens alone
    changes = dict(disc_weight=weight, mask_token_prob=1.0, model=replace(make_config().model, num_hidden_layers=1))
    objective = make_objective(name, std=0.05, **changes, **settings_for(name, share))
    optimizer = torch.optim.AdamW(objective.parameters(), lr=5e-3)
    losses = []
    for step in range(STEPS.get(name, 80)):
        objective.begin_step(step, 0.0)
        batch = toy_batch(step)
        seed_all(0, step)
        output = objective(batch)
        output.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float((output.metrics | {"loss": output.loss.detach()})[FALLS.get(name, "loss")]))
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


@pytest.mark.parametrize(("name", "share"), PAIRS)
def test_compiles_without_graph_break(name, share):
    shape = replace(make_config().model, num_hidden_layers=1)
    settings = settings_for(name, share) | {"random_sample_prob": 0.2}
    objective, batch = make_objective(name, model=shape, **settings), make_batch()
    objective.begin_step(99, 0.9)  # two_stage: the second stage, which does all that the first does
    torch.compiler.reset()
    step = torch.compile(objective, fullgraph=True, backend="eager")
    seed_all(3)
    compiled = step(batch).loss
    seed_all(3)
    assert torch.allclose(compiled, objective(batch).loss, atol=1e-5)


def test_area_under_curve_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    torch.manual_seed(0)
    scores, positive, counted = torch.randn(400), torch.rand(400) < 0.2, torch.rand(400) < 0.8
    expected = roc_auc_score(positive[counted], scores[counted])
    assert float(area_under_curve(scores, positive, counted)) == pytest.approx(expected, abs=1e-6)
    assert float(area_under_curve(scores, positive & False, counted)) == 0.5


# -- optimizer and schedule --------------------------------------------------------------------------------------------


def test_optimizer_is_the_released_adam():
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    config = make_config(learning_rate=0.01, weight_decay=0.1, adam_beta2=0.99)
    optimizer = build_optimizer(module, config)
    state = {n: [(float(x), 0.0, 0.0) for x in p.detach().flatten()] for n, p in module.named_parameters()}
    for step in range(20):
        for n, p in module.named_parameters():
            p.grad = torch.randn(p.shape)
            decay = 0.0 if n == "bias" else 0.1
            rate = 0.01 * (step + 1) / 20
            state[n] = [
                released.adam_step(*pmv, float(g), rate, decay, beta2=0.99)
                for pmv, g in zip(state[n], p.grad.flatten())
            ]
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * (step + 1) / 20
        optimizer.step()
    for n, p in module.named_parameters():
        assert torch.allclose(p.detach().flatten(), torch.tensor([x for x, _, _ in state[n]]), atol=1e-6)


def test_decay_skips_layernorm_and_biases():
    objective = make_objective()
    decayed, kept = (
        {id(p) for p in group["params"]} for group in build_optimizer(objective, make_config()).param_groups
    )
    assert not decayed & kept
    for name, p in objective.named_parameters():
        assert (id(p) in kept) == (name.endswith("bias") or "norm" in name), name


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("share", ["none", "embeddings", "all"])
def test_the_generator_alone_may_learn_more_slowly(optimizer, share):
    objective = make_objective(**settings_for("electra", share), generator_lr_scale=0.25, optimizer=optimizer)
    built = build_pretraining_optimizer(objective, objective.config)
    set_rate(built, 0.5)
    rates = {p: group["lr"] for group in built.param_groups for p in group["params"]}
    shared = set(objective.discriminator.parameters())
    own = set(objective.generator.parameters()) - shared
    assert own and all(rates[p] == 0.125 for p in own)
    assert all(rates[p] == 0.5 for p in shared) and len(rates) == len(own) + len(shared)


def test_schedule_is_the_released_one():
    config = make_config(learning_rate=5e-4, train_steps=1000, warmup_steps=100)
    for step in (0, 1, 50, 100, 500, 999):
        expected = released.learning_rate(step, 5e-4, 1000, 100)
        assert learning_rate(config, step, step / 1000) == pytest.approx(expected)


def test_a_cooldown_keeps_the_rate_until_the_last_part():
    config = make_config(learning_rate=1.0, warmup_steps=100, cooldown=0.25)
    rates = [learning_rate(config, step, step / 1000) for step in (50, 100, 500, 750, 875, 1000)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 0.5, 0])
    for wrong in (0.0, 1.5):
        with pytest.raises(ValueError, match="cooldown"):
            make_config(cooldown=wrong)
