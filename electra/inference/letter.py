"""A letter as people write them, to show what the model in the box finds."""

from __future__ import annotations

from electra.inference.detector import Detector
from electra.inference.load import load
from electra.inference.marked_text import Words

LETTER = (
    "Dear Sir,\n"
    "I am writting to complain about teh hotel. Their was no hot water, and the staff was not very freindly. We has to "
    "wait for for our keys more then an hour, and the breakfast was to expensive. I would of prefered a refund.\n"
)


def letter() -> Words:
    """Return the words of the letter as the model in the box marks them."""
    box = load()
    assert isinstance(box, Detector)
    return box.detect(LETTER)
