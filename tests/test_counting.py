"""Counting words and their neighbours: the baseline that every network must pass."""

import numpy as np
import pytest

from electra.evaluation.counting import Ngrams

TOKENS = np.array([5, 6, 5, 6, 5, 6, 7, 8], np.uint16)


def test_a_pair_that_was_never_seen_is_stranger_than_one_that_often_was():
    ngrams = Ngrams(TOKENS, vocab_size=10, special_ids=(0,))
    seen, unseen = ngrams.strangeness([5, 6]), ngrams.strangeness([5, 8])
    assert (seen < unseen).all()


@pytest.mark.parametrize("ids", [[], [5]])
def test_a_text_without_a_pair_is_not_strange(ids):
    assert Ngrams(TOKENS, vocab_size=10, special_ids=(0,)).strangeness(ids).tolist() == [0.0] * len(ids)


def test_a_rare_token_is_rarer():
    ngrams = Ngrams(TOKENS, vocab_size=10, special_ids=(0,))
    common, rare = ngrams.rarity([5, 8])
    assert common < rare
