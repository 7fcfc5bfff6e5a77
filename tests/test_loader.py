"""The loader: rows are filled, every example comes once an epoch, a step depends on nothing but its number."""

import hashlib
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import SEQ_LENGTH, lengths_only, tiny_tokenizer, write_data

from electra.data.cooccurrence import neighbour_counts
from electra.data.layout import Layout, several_a_row
from electra.data.loader import Loader
from electra.data.shards import open_examples, starts_of_blocks

RNG = np.random.default_rng(0)
LENGTHS = {
    "mixed": RNG.integers(4, 129, 3000),
    "short": RNG.integers(4, 20, 3000),
    "long": RNG.integers(100, 129, 500),  # no two fit in a row
    "all full": np.full(70, 128),
    "one": np.array([7]),
    "halves and one over": np.array([64] * 10 + [65] * 10),
}


def rows_of(layout: Layout, count: int) -> np.ndarray:
    """The row of each slot."""
    starts = layout.starts(np.arange(layout.num_rows))
    return np.searchsorted(starts, layout.places(np.arange(count)), side="right") - 1


def pack(lengths: np.ndarray, seq_length: int) -> np.ndarray:
    """The row of each example, sorted by length."""
    return rows_of(several_a_row(np.bincount(lengths, minlength=seq_length + 1), seq_length), len(lengths))


@pytest.mark.parametrize("name", LENGTHS)
def test_packing_overfills_no_row_and_leaves_none_empty(name):
    lengths = np.sort(LENGTHS[name])
    rows = pack(lengths, 128)
    assert rows.shape == lengths.shape
    filled = np.bincount(rows, weights=lengths)
    assert filled.max() <= 128
    assert filled.min() > 0
    at_least = 15 if name == "halves and one over" else max(-(-lengths.sum() // 128), (lengths > 64).sum())
    assert len(filled) <= 1.03 * at_least


def test_rows_of_mixed_lengths_are_full():
    sentences = np.clip(RNG.lognormal(3.5, 0.6, 5000).astype(int), 5, 128)
    two_segment = np.where(RNG.random(5000) < 0.6, 128, RNG.integers(5, 129, 5000) // 2)
    for lengths in (sentences, two_segment, LENGTHS["short"]):
        rows = pack(np.sort(lengths), 128)
        assert lengths.sum() / (128 * (rows.max() + 1)) > 0.99


def loader_of(folder, batch_size=4, seed=0, packed=True, **short):
    t = tiny_tokenizer()
    return Loader(open_examples(folder), batch_size, seed, t.sep_id, t.pad_id, t.special_ids, packed, **short)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("packed", [True, False])
def test_every_example_comes_once_an_epoch(tmp_path, packed):
    lengths = RNG.integers(3, 33, 101)
    loader = Loader(lengths_only(lengths, 32, tmp_path), 1, 3, sep_id=1, pad_id=0, special_ids=[0, 1], packed=packed)
    orders = []
    for epoch in range(3):
        seen = []
        for step in range(epoch * loader.num_rows, (epoch + 1) * loader.num_rows):
            (batch,) = loader.micro_batches(step, 1)
            numbers = batch.example_ids[0]
            for n in range(1, int(numbers.max()) + 1):
                ids = batch.input_ids[0][numbers == n]
                example = int(ids[0]) - 5
                assert ids.eq(ids[0]).all() and len(ids) == lengths[example]  # whole, and not cut
                seen.append(example)
        assert sorted(seen) == list(range(101))
        orders.append(seen)
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize(
    ("packed", "rows", "digest"), [(True, 1566, "41432f6d3f3678cc"), (False, 3000, "e02d86473ca79a1f")]
)
def test_rows_are_those_of_earlier_versions(tmp_path, packed, rows, digest):
    """A run that one of them began goes on bit for bit."""
    lengths = np.random.default_rng(5).integers(4, 129, 3000)
    loader = Loader(lengths_only(lengths, 128, tmp_path), 8, 3, sep_id=1, pad_id=0, special_ids=[0, 1], packed=packed)
    found = hashlib.sha256()
    for step in (0, 5, rows // 8, rows // 8 + 1, 3 * rows // 8):
        for tensor in loader.micro_batches(step, 8)[0]:
            found.update(tensor.numpy().tobytes())
    assert (loader.num_rows, found.hexdigest()[:16]) == (rows, digest)


def test_an_epoch_sorted_in_parts_is_one_sorted_at_once(tmp_path, monkeypatch):
    lengths = RNG.integers(3, 33, 1000)
    orders = []
    for part in (1 << 20, 7):
        monkeypatch.setattr("electra.data.loader.PART", part)
        loader = Loader(lengths_only(lengths, 32, tmp_path / str(part)), 1, 3, 1, 0, [0, 1])
        orders.append(loader.epoch(1).examples)
    assert np.array_equal(*orders)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("longest", [12, 128])
def test_an_example_takes_less_than_sixteen_bytes(monkeypatch, packed, longest):
    """As much text as fits into examples of that length, at most; read over the end of an epoch."""
    monkeypatch.setattr("electra.data.loader.PART", 1 << 12)
    lengths = np.random.default_rng(0).integers(longest // 3, longest + 1, 1_000_000).astype(np.uint8)
    examples = SimpleNamespace(seq_length=128, lengths=lengths)
    tracemalloc.start()
    examples.block_starts = starts_of_blocks(lengths)
    loader = Loader(examples, 8, 0, 1, 0, [0, 1], packed)
    for epoch in range(2):
        loader.epoch(epoch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak + lengths.nbytes < 16 * len(lengths)


def test_neighbours_in_a_row_change_from_epoch_to_epoch(tmp_path):
    loader = Loader(lengths_only([16] * 40, 32, tmp_path), 1, 0, sep_id=1, pad_id=0, special_ids=[0, 1])

    def pairs(epoch):
        steps = range(epoch * loader.num_rows, (epoch + 1) * loader.num_rows)
        return {frozenset(loader.micro_batches(s, 1)[0].input_ids[0].tolist()) for s in steps}

    assert len(pairs(0) & pairs(1)) < 5


def test_a_step_is_a_function_of_its_number(data):
    walked = loader_of(data)
    for step in range(0, 1001):
        late = walked.micro_batches(step, 4)
    assert 3 * walked.num_rows < 1000 * 4  # epochs have gone by
    assert equal(late[0], loader_of(data).micro_batches(1000, 4)[0])
    assert equal(walked.micro_batches(2, 4)[0], loader_of(data).micro_batches(2, 4)[0])  # and backwards
    assert not equal(late[0], loader_of(data).micro_batches(1001, 4)[0])
    assert not equal(late[0], loader_of(data, seed=1).micro_batches(1000, 4)[0])


def test_a_batch_may_be_larger_than_an_epoch(tmp_path):
    loader = Loader(lengths_only([10, 12, 9], 16, tmp_path), 8, 0, sep_id=1, pad_id=0, special_ids=[0, 1])
    first = [int(row[0]) for row in loader.micro_batches(0, 8)[0].input_ids]
    assert loader.num_rows == 3
    assert sorted(first[:3]) == sorted(first[3:6]) == [5, 6, 7]


@pytest.mark.parametrize("size", [1, 2, 8])
def test_micro_batches_together_are_the_batch(data, size):
    loader = loader_of(data, batch_size=8)
    (whole,) = loader.micro_batches(5, 8)
    parts = loader.micro_batches(5, size)
    assert len(parts) == 8 // size
    assert equal(whole, [torch.cat(tensors) for tensors in zip(*parts, strict=True)])


@pytest.mark.parametrize("length", [8, 12, 2 * SEQ_LENGTH])
def test_in_the_short_stage_rows_come_in_pieces_of_the_same_tokens(data, length):
    short = loader_of(data, short_stage=0.75, short_length=length)
    whole = loader_of(data).micro_batches(7, 2)
    pieces = short.micro_batches(7, 2, done=0.74)
    assert [batch.input_ids.shape[1] for batch in pieces] == [min(length, SEQ_LENGTH)] * 2
    for piece, batch in zip(pieces, whole, strict=True):
        assert equal([tensor.reshape(2, SEQ_LENGTH) for tensor in piece], batch)  # positions too
    for done in (0.75, 1.0):
        assert all(map(equal, short.micro_batches(7, 2, done), whole))
    assert all(map(equal, short.micro_batches(7, 2), whole))  # as held-out text is read


def test_the_last_piece_of_a_row_is_padded(data):
    (whole,), (cut,) = (loader_of(data, short_stage=0.5, short_length=10).micro_batches(3, 4, done) for done in (1, 0))
    assert cut.input_ids.shape == (4 * 3, 10)
    joined = [tensor.reshape(4, 30) for tensor in cut]
    assert equal([tensor[:, :SEQ_LENGTH] for tensor in joined], whole)
    assert not any(tensor[:, SEQ_LENGTH:].any() for tensor in joined)


@pytest.mark.parametrize("packed", [True, False])
def test_what_stands_in_a_row(data, packed):
    tokenizer = tiny_tokenizer()
    loader = loader_of(data, packed=packed)
    several, two_segments = 0, 0
    for step in range(12):
        (batch,) = loader.micro_batches(step, 4)
        assert batch.input_ids.shape == (4, SEQ_LENGTH)
        for ids, numbers, segments, positions, maskable in zip(*batch, strict=True):
            examples = int(numbers.max())
            several += examples > 1
            for n in range(1, examples + 1):
                where = (numbers == n).nonzero().flatten()
                example = ids[where].tolist()
                assert where.tolist() == list(range(int(where[0]), int(where[-1]) + 1))  # in one piece
                assert positions[where].tolist() == list(range(len(example)))
                assert example[0] == tokenizer.cls_id and example[-1] == tokenizer.sep_id
                first_end = example.index(tokenizer.sep_id) + 1
                assert segments[where].tolist() == [0] * first_end + [1] * (len(example) - first_end)
                two_segments += first_end < len(example)
                special = [i in (tokenizer.cls_id, tokenizer.sep_id) for i in example]
                assert maskable[where].tolist() == [not s for s in special]
            padding = numbers == 0
            assert (ids[padding] == tokenizer.pad_id).all() and not maskable[padding].any()
            assert not segments[padding].any() and not positions[padding].any()
            assert padding.tolist() == sorted(padding.tolist())  # padding comes last
    assert two_segments > 3
    assert several > 3 if packed else several == 0
    if not packed:
        assert loader.num_rows == len(loader.examples)


def test_pairs_counted_in_parts_are_those_counted_at_once(monkeypatch):
    tokens = RNG.integers(0, 50, 1000).astype(np.uint16)
    found = []
    for part in (1 << 21, 7, 1):
        monkeypatch.setattr("electra.data.cooccurrence.PART", part)
        found.append(neighbour_counts(tokens, 2, 50, [0, 3]).toarray())
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    expected = np.zeros((50, 50))
    np.add.at(expected, (tokens[:-2], tokens[2:]), 1)
    expected[[0, 3]] = expected[:, [0, 3]] = 0
    assert np.array_equal(found[0], expected)
