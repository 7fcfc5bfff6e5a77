"""Vocabularies extended by the words of a new text, and networks extended with them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tokenizers
import torch
from test_start import require_it_goes_on_alone
from tiny import MODEL, tiny_config, tiny_tokenizer, write_data
from tokenizers import models, pre_tokenizers

from electra.checkpoints.huggingface import load_network, save_network
from electra.config import ModernBertConfig, PrepareConfig
from electra.core.storage import read_json
from electra.data.prepare import prepare
from electra.models.heads import Discriminator, MaskedLM
from electra.models.registry import backbone_of
from electra.pretraining.extension import FEWEST, from_counts, means, new_entries, regression, with_rows
from electra.pretraining.run import pretrain
from electra.text.extension import count_words, extend
from electra.text.tokenizer import Tokenizer, load_tokenizer

KINDS = ("wordpiece", "bpe", "unigram")
FIELD = ["The foxglove dosed walkers quickly overjumped the fox", "brownish foxglove meals overeaten by walkers"] * 20
MODERN = ModernBertConfig(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, max_position_embeddings=32,
    global_attn_every_n_layers=1, decoder_bias=True,
)  # fmt: skip


# -- vocabularies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_old_entries_keep_their_ids_and_new_ones_follow(kind):
    old = tiny_tokenizer(kind)
    extension = extend(old, FIELD, 10)
    before, after = (t.backend.get_vocab(with_added_tokens=True) for t in (old, extension.tokenizer))
    assert {token: after[token] for token in before} == before
    added = sorted(after[token] for token in after.keys() - before.keys())
    assert added == list(range(old.vocab_size, old.vocab_size + len(extension.entries)))
    assert {after[entry] for entry in extension.entries} == set(added) and 5 <= len(added) <= 10
    assert extension.tokenizer.roles == old.roles


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_the_field_become_whole_and_figures_say_so(kind):
    old = tiny_tokenizer(kind)
    extension = extend(old, FIELD, 40)
    for tokenizer, figures in ((old, extension.before), (extension.tokenizer, extension.after)):
        words = [word for line in FIELD for word in line.split()]
        counts = [
            len(tokenizer.encode_lines([f"fox {word}"])[0]) - len(tokenizer.encode_lines(["fox"])[0]) for word in words
        ]
        assert figures.pieces_per_word == pytest.approx(np.mean(counts), abs=0.15)  # the first of a line has no space
        assert figures.share_split == pytest.approx(np.mean([count > 1 for count in counts]), abs=0.15)
    assert extension.before.share_split > 0.6 and extension.after.share_split < 0.2
    ids = extension.tokenizer.encode("the foxglove dosed walkers").ids
    assert extension.tokenizer.backend.decode(ids) == "the foxglove dosed walkers"


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_s_pieces_are_those_that_the_text_had_in_its_place(kind):
    old = tiny_tokenizer(kind)
    new = extend(old, FIELD, 40).tokenizer
    entries = new_entries(old, new)
    for word in count_words(old, FIELD):
        pieces = [piece.id for piece in old.backend.model.tokenize(word)]
        ids = [piece.id for piece in new.backend.model.tokenize(word)]
        assert [p for n in ids for p in entries.get(n, [n])] == pieces
    assert entries and all(len(pieces) > 1 for pieces in entries.values())


@pytest.mark.parametrize("kind", KINDS)
def test_an_extended_vocabulary_is_read_back_and_extended_again(kind, tmp_path):
    first = extend(tiny_tokenizer(kind), FIELD, 6).tokenizer
    first.save(tmp_path)
    read = load_tokenizer(tmp_path)
    assert read.encode_lines(FIELD) == first.encode_lines(FIELD)
    if kind == "wordpiece":
        assert load_tokenizer(tmp_path / "vocab.txt").encode_lines(FIELD) == first.encode_lines(FIELD)
    again = extend(read, ["sunflowers sundials"] * 20, 4).tokenizer
    assert again.vocab_size > read.vocab_size
    assert again.backend.get_vocab().items() >= read.backend.get_vocab().items()


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_tokens_added_behind_a_vocabulary_keep_their_ids(kind):
    old = tiny_tokenizer(kind)
    old.backend.add_tokens(["<drug>"])
    old = Tokenizer(old.backend, old.roles)
    new = extend(old, FIELD, 10).tokenizer
    assert new.backend.token_to_id("<drug>") == old.vocab_size - 1
    assert new.encode("fox <drug>").tokens[-1] == "<drug>" and new.vocab_size > old.vocab_size


def test_tokens_behind_a_unigram_keep_their_ids():
    old = tiny_tokenizer("unigram")
    old.backend.add_tokens(["<drug>"])
    new = extend(Tokenizer(old.backend, old.roles), FIELD, 10).tokenizer
    assert new.backend.token_to_id("<drug>") == old.backend.token_to_id("<drug>")


def test_the_same_text_gives_the_same_entries():
    assert len({extend(tiny_tokenizer(), FIELD, 12).tokenizer.hash for _ in range(3)}) == 1


def test_a_vocabulary_of_whole_words_is_refused():
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fox"]
    backend = tokenizers.Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    roles = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    with pytest.raises(ValueError, match="a WordLevel vocabulary cannot be extended"):
        extend(Tokenizer(backend, roles), FIELD, 10)


def test_text_without_split_words_is_refused():
    with pytest.raises(ValueError, match="splits no word that occurs 5 times or more"):
        extend(tiny_tokenizer(), ["the quick fox"] * 50, 10)


# -- prepare -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def general(tmp_path_factory):
    """The folder of a general tokeniser."""
    folder = tmp_path_factory.mktemp("general")
    tiny_tokenizer().save(folder)
    return folder


def field_text(folder):
    (folder / "field.txt").write_text("\n\n".join(FIELD * 3))
    return PrepareConfig((str(folder / "field.txt"),), str(folder / "data"), seq_length=24, heldout=0)


def test_prepare_extends_says_what_changed_and_keeps_the_entries(general, tmp_path, capsys):
    config = replace(field_text(tmp_path), tokenizer=str(general), extend=12)
    manifest = prepare(config)
    found = read_json(tmp_path / "data" / "extension.json")
    said = capsys.readouterr().err
    assert "12 new entries" in said and f"{found['after']['share_split']:.1%}" in said
    assert len(found["entries"]) == 12 and found["before"]["pieces_per_word"] > found["after"]["pieces_per_word"]
    assert manifest["vocab_size"] == tiny_tokenizer().vocab_size + 12
    plain = prepare(replace(config, out=str(tmp_path / "plain"), extend=0))
    assert manifest["counts"]["tokens"] < plain["counts"]["tokens"]
    with pytest.raises(ValueError, match="extend was 12, now 5"):
        prepare(replace(config, extend=5))


def test_fewer_entries_than_wanted_are_said(general, tmp_path, capsys):
    prepare(replace(field_text(tmp_path), tokenizer=str(general), extend=5000))
    assert "5,000 new entries were wanted" in capsys.readouterr().err


def test_a_vocabulary_that_is_trained_is_not_extended():
    with pytest.raises(ValueError, match="'bpe' trains one: name a model"):
        PrepareConfig(("x",), tokenizer="bpe", extend=10)


# -- networks ----------------------------------------------------------------------------------------------------------


@pytest.fixture(
    scope="module", params=[replace(MODEL, memory=64, memory_size=4), MODERN], ids=["electra", "modernbert"]
)
def begun(request, tmp_path_factory):
    """A general run and text of a field, prepared with the run's vocabulary and twelve entries more."""
    folder = tmp_path_factory.mktemp("begun")
    tokenizer = tiny_tokenizer()
    write_data(folder / "general", tokenizer=tokenizer)
    settings = dict(model=request.param, generator_width=1.0, generator_depth=1.0)
    pretrain(tiny_config(folder / "general", folder / "run", train_steps=3, **settings))
    write_data(folder / "field", tokenizer=extend(tokenizer, FIELD, 12).tokenizer)
    return folder, settings


def continued(begun, out, **changes):
    """The networks of a run that starts from the general one, after a step that changes nothing."""
    folder, settings = begun
    same = dict(train_steps=1, learning_rate=1e-30, weight_decay=0.0, init=str(folder / "run"))
    pretrain(tiny_config(folder / "field", out, **(settings | same | changes)))
    model = out / "model"
    return [load_network(place) for place in (model, model / "generator") if (place / "config.json").exists()]


def require_extended(before, after, begun):
    """Every table and bias over the vocabulary has the old rows, and behind them the means of their pieces."""
    entries = new_entries(load_tokenizer(begun[0] / "run"), load_tokenizer(begun[0] / "field"))
    old, new, V = before.state_dict(), after.state_dict(), before.encoder.config.vocab_size
    longer = [name for name in old if old[name].shape != new[name].shape]
    assert longer == [n for n in old if n.endswith("embeddings.word.weight") or n == "head.bias"]
    for name, table in old.items():
        assert torch.allclose(new[name][: len(table)] if name in longer else new[name], table, atol=1e-7)
    for name in longer:
        assert len(new[name]) == V + 12
        wanted = torch.stack([old[name][pieces].mean(0) for pieces in entries.values()])
        assert torch.allclose(new[name][V:], wanted, atol=1e-6)


@pytest.mark.parametrize("share", ["embeddings", "none", "gdes"])
def test_both_networks_get_the_means_of_the_pieces(begun, tmp_path, share):
    for network, after in zip(("", "generator"), continued(begun, tmp_path, share=share), strict=True):
        before = load_network(begun[0] / "run" / "model" / network)
        require_extended(before, after, begun)


def test_one_encoder_with_two_heads(begun, tmp_path):
    first, _ = continued(begun, tmp_path, share="all")
    require_extended(load_network(begun[0] / "run" / "model"), first, begun)


@pytest.mark.parametrize("objective", ["mlm", "electric", "replace_mlm", "two_stage"])
def test_other_objectives_train_on(begun, tmp_path, objective):
    first, *_ = continued(
        begun, tmp_path, objective=objective, share="none" if objective == "two_stage" else "embeddings"
    )
    table = first.encoder.embeddings.word.weight
    assert len(table) == len(load_network(begun[0] / "run" / "model").encoder.embeddings.word.weight) + 12


def test_vectors_from_counts(begun, tmp_path):
    means_of_pieces, counted = (
        continued(begun, tmp_path / how, init_vectors=how)[0].encoder.embeddings.word.weight
        for how in ("mean", "counts")
    )
    assert torch.equal(means_of_pieces[:-12], counted[:-12]) and not torch.allclose(means_of_pieces, counted)
    assert counted.isfinite().all()


@pytest.mark.parametrize("how", ["mean", "counts"])
def test_a_run_that_was_extended_goes_on_without_its_start(begun, tmp_path, how):
    folder, settings = begun
    shutil.copytree(folder / "run", tmp_path / "start")
    starts = dict(init=str(tmp_path / "start"), init_vectors=how)
    require_it_goes_on_alone(tiny_config(folder / "field", tmp_path / "out", **starts, **settings))


def test_a_frozen_generator_without_the_new_entries_is_refused(begun, tmp_path):
    with pytest.raises(ValueError, match="12 entries beyond that of .* without --extend"):
        continued(begun, tmp_path, generator_kind=str(begun[0] / "run"), share="none")


def test_vectors_of_new_entries_need_a_model():
    with pytest.raises(ValueError, match="init='random' starts from none"):
        tiny_config("data", "out", init_vectors="counts")


@pytest.mark.parametrize("shape", [replace(MODEL, memory=512, memory_size=4), replace(MODERN, memory=512)], ids=str)
@pytest.mark.parametrize("spare", [0, 7], ids=["full", "padded"])
def test_old_text_is_read_as_before(shape, spare):
    """Also by the memory of word pairs, whose buckets do not move; a table may have rows that no entry uses yet."""
    old = tiny_tokenizer()
    network = MaskedLM(backbone_of(shape).encoder(replace(shape, vocab_size=old.vocab_size + spare))).eval()
    entries = {old.vocab_size + n: [5 + n, 9] for n in range(6)}
    size = max(old.vocab_size + 6, network.encoder.config.vocab_size)
    larger = with_rows(network, entries, means(entries), size)
    ids, at = torch.randint(5, old.vocab_size, (3, 20)), torch.arange(4).expand(3, -1)
    before, after = network(at, ids), larger(at, ids)
    assert after.shape[1] == size and torch.equal(before[:, : old.vocab_size], after[:, : old.vocab_size])
    word = larger.encoder.embeddings.word.weight
    assert torch.allclose(word[old.vocab_size], word[[5, 9]].mean(0))


def test_a_model_with_spare_rows_takes_the_entries_in_them(begun, tmp_path):
    folder, _ = begun
    old, new = load_tokenizer(folder / "run"), load_tokenizer(folder / "field")
    shape = replace(MODEL, vocab_size=old.vocab_size + 30)
    network = Discriminator(backbone_of(shape).encoder(shape))
    save_network(tmp_path / "spare", network, old, 24)
    pretrain(
        tiny_config(
            folder / "field", tmp_path / "out", init=str(tmp_path / "spare"), train_steps=1, learning_rate=1e-30
        )
    )
    table = load_network(tmp_path / "out" / "model").encoder.embeddings.word.weight
    assert len(table) == old.vocab_size + 30
    for n, pieces in new_entries(old, new).items():
        assert torch.allclose(table[n], network.encoder.embeddings.word.weight[pieces].mean(0), atol=1e-6)


def test_a_regression_finds_a_linear_table():
    rng = np.random.default_rng(0)
    x, new, solution = rng.normal(size=(400, 8)), rng.normal(size=(5, 8)), rng.normal(size=(8, 3))
    found = regression(x, x @ solution, np.ones((400, 1)), new)
    assert np.abs(found - new @ solution).max() < 0.05


class Text:
    """Prepared text of a few thousand tokens."""

    def __init__(self, tokens):
        self.tokens = tokens

    def first_tokens(self, count):
        return self.tokens[:count]


def test_counts_place_a_new_entry_beside_words_with_the_same_neighbours():
    """Two kinds of words with neighbours of their own; a new entry stands where those of the first kind do."""
    tokenizer, rng = extend(tiny_tokenizer(), FIELD, 12).tokenizer, np.random.default_rng(0)
    V, new = tokenizer.vocab_size, tokenizer.vocab_size - 1
    kinds = [np.array([*range(10, 30), new]), np.arange(40, 61)]
    sides = [np.arange(70, 80), np.arange(80, 90)]
    which = rng.integers(0, 2, 20_000)
    pairs = [(rng.choice(sides[k]), rng.choice(kinds[k])) for k in which]
    tokens = np.array(pairs, np.uint16).ravel()
    assert np.bincount(tokens)[new] > FEWEST
    table = torch.zeros(V - 12, 2)
    table[10:30, 0], table[40:61, 1] = 1.0, 1.0
    row = from_counts({new: [40, 41]}, Text(tokens), tokenizer, 0)(table)[0]
    assert row[0] > 0.5 > row[1]


def test_the_pieces_of_a_word_with_added_tokens_are_known(tmp_path):
    old = tiny_tokenizer()
    content = json.loads(old.backend.to_str())
    content["model"]["vocab"]["foxes"] = old.vocab_size
    new = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(content)), old.roles)
    (pieces,) = new_entries(old, new).values()
    assert [old.backend.id_to_token(n) for n in pieces] == old.encode("foxes").tokens
