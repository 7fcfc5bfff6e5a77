"""Kinds of networks, common to all backbones. No torch."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The output of a network and the form of its head."""

    HEADLESS = "headless"  # hidden states
    DISCRIMINATOR = "discriminator"  # whether each token was replaced
    MASKED_LM = "masked_lm"  # a token for each masked position
    CLASSIFIER = "classifier"  # a label or a number for a text, by a head with a hidden layer
    LINEAR_CLASSIFIER = "linear_classifier"  # the same, by a single matrix
    MULTIPLE_CHOICE = "multiple_choice"  # a score for each candidate; can be loaded, not trained
    TAGGER = "tagger"  # a label for each token
    ANSWERER = "answerer"  # start and end of an answer
    JOINT_ANSWERER = "joint_answerer"  # the same, with the end conditioned on the start and a score for "no answer"


FINETUNED = frozenset({Kind.CLASSIFIER, Kind.LINEAR_CLASSIFIER, Kind.TAGGER, Kind.ANSWERER, Kind.JOINT_ANSWERER})
EXPORTABLE = frozenset({Kind.HEADLESS, Kind.DISCRIMINATOR} | FINETUNED - {Kind.JOINT_ANSWERER})
NOT_IN_TRANSFORMERS = frozenset({Kind.LINEAR_CLASSIFIER, Kind.JOINT_ANSWERER})
