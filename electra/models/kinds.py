"""The kinds of networks that stand on an encoder, whatever its backbone. No torch."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a network computes, and with which head."""

    HEADLESS = "headless"  # hidden states
    DISCRIMINATOR = "discriminator"  # whether each token was replaced
    MASKED_LM = "masked_lm"  # a token for each masked position
    CLASSIFIER = "classifier"  # a label for a text, or a number; a hidden layer and a matrix
    LINEAR_CLASSIFIER = "linear_classifier"  # the same with one matrix
    MULTIPLE_CHOICE = "multiple_choice"  # a score for each candidate; read, never trained here
    TAGGER = "tagger"  # a label for each token
    ANSWERER = "answerer"  # start and end of an answer
    JOINT_ANSWERER = "joint_answerer"  # the same, the end conditioned on the start, and whether there is an answer


FINETUNED = frozenset(
    {Kind.CLASSIFIER, Kind.LINEAR_CLASSIFIER, Kind.TAGGER, Kind.ANSWERER, Kind.JOINT_ANSWERER}
)  # those that answer a task
EXPORTABLE = frozenset({Kind.HEADLESS, Kind.DISCRIMINATOR} | FINETUNED - {Kind.JOINT_ANSWERER})
NOT_IN_TRANSFORMERS = frozenset({Kind.LINEAR_CLASSIFIER, Kind.JOINT_ANSWERER})
