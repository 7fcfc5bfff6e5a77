"""Packing: the released algorithm to the letter, and the default that keeps all text."""

import random

import pytest

from electra.data.packing import Packer

CLS, SEP = 1, 2


class Released:
    """A slow transcription of ExampleBuilder in google-research/electra, build_pretraining_dataset.py."""

    def __init__(self, max_length, rng):
        self._current_sentences = []
        self._current_length = 0
        self._max_length = max_length
        self._target_length = max_length
        self.rng = rng

    def add_line(self, bert_tokids):
        if not bert_tokids and self._current_length != 0:  # empty lines separate docs
            return self._create_example()
        self._current_sentences.append(bert_tokids)
        self._current_length += len(bert_tokids)
        if self._current_length >= self._target_length:
            return self._create_example()
        return None

    def _create_example(self):
        if self.rng.random() < 0.1:  # noqa: SIM108
            first_segment_target_length = 100000
        else:
            first_segment_target_length = (self._target_length - 3) // 2
        first_segment = []
        second_segment = []
        for sentence in self._current_sentences:
            if (
                len(first_segment) == 0
                or len(first_segment) + len(sentence) < first_segment_target_length
                or (
                    len(second_segment) == 0
                    and len(first_segment) < first_segment_target_length
                    and self.rng.random() < 0.5
                )
            ):
                first_segment += sentence
            else:
                second_segment += sentence
        first_segment = first_segment[: self._max_length - 2]
        second_segment = second_segment[: max(0, self._max_length - len(first_segment) - 3)]
        self._current_sentences = []
        self._current_length = 0
        if self.rng.random() < 0.05:
            self._target_length = self.rng.randint(5, self._max_length)
        else:
            self._target_length = self._max_length
        input_ids = [CLS, *first_segment, SEP]
        if second_segment:
            input_ids += [*second_segment, SEP]
        return input_ids


def random_document(rng, longest):
    return [[rng.randrange(10, 1000) for _ in range(rng.randint(1, longest))] for _ in range(rng.randint(1, 60))]


@pytest.mark.parametrize("seq_length", [16, 64, 128])
@pytest.mark.parametrize("longest", [5, 40, 300])
def test_paper_packing_agrees_with_the_released_code(seq_length, longest):
    rng = random.Random(f"{seq_length} {longest}")
    packer = Packer(seq_length, CLS, SEP, random.Random(7), carry=False)
    released = Released(seq_length, random.Random(7))
    for _ in range(30):  # the wanted length outlives a document
        document = random_document(rng, longest)
        expected = [example for line in [*document, []] if (example := released.add_line(line))]
        assert packer.pack(document) == expected


@pytest.mark.parametrize("seq_length", [8, 9, 64, 128])
@pytest.mark.parametrize("longest", [1, 5, 40, 1000])
def test_default_packing_keeps_every_token_in_order(seq_length, longest):
    rng = random.Random(f"{seq_length} {longest}")
    for _ in range(30):
        document = random_document(rng, longest)
        examples = Packer(seq_length, CLS, SEP, rng, carry=True).pack(document)
        kept = [token for example in examples for token in example if token not in (CLS, SEP)]
        assert kept == [token for line in document for token in line]
        assert all(len(example) <= seq_length for example in examples)
        assert all(example[0] == CLS and example[-1] == SEP and example.count(SEP) <= 2 for example in examples)


def test_default_packing_fills_examples_and_mixes_lengths():
    rng = random.Random(0)
    document = [[5] * rng.randint(5, 40) for _ in range(5000)]
    examples = Packer(128, CLS, SEP, rng, carry=True).pack(document)
    mean = sum(map(len, examples)) / len(examples)
    single = sum(example.count(SEP) == 1 for example in examples) / len(examples)
    short = sum(len(example) < 100 for example in examples) / len(examples)
    assert mean > 118
    assert 0.07 < single < 0.2
    assert 0.01 < short < 0.06


def test_a_line_of_a_million_tokens_takes_no_quadratic_time():
    examples = Packer(128, CLS, SEP, random.Random(0), carry=True).pack([list(range(10, 1_000_010))])
    assert sum(len(example) for example in examples) > 1_000_000


def test_nothing_in_nothing_out():
    for document in ([], [[]], [[], []]):
        assert Packer(16, CLS, SEP, random.Random(0), carry=True).pack(document) == []
        assert Packer(16, CLS, SEP, random.Random(0), carry=False).pack(document) == []
