"""Mentions, tags and links in a text, as in messages: they are right, and so are the words beside them."""

from __future__ import annotations

from random import Random

from electra.text.errors.lexicon import Lexicon
from electra.text.errors.tagged import RIGHT, Tagged, Token, split_words

SHARE = 0.04  # of texts that get any
LOWER = 0.5  # of texts after a mention that go on with a small letter
TAGS = (1, 1, 2, 3)


def addressed(tagged: Tagged, lexicon: Lexicon, rng: Random) -> Tagged:
    """Return the text, one in 25 with a mention before it, tags between its words or a link at its end."""
    if rng.random() >= SHARE or not (tagged.tokens and lexicon.words):
        return tagged
    kinds = set(rng.choices(("mention", "tags", "link"), k=2))
    if "tags" in kinds:
        tags = " ".join("#" + lexicon.draw(rng) for _ in range(rng.choice(TAGS)))
        gaps = [n for n, token in enumerate(tagged.tokens) if n and tagged.text[token.start - 1].isspace()]
        tagged = inserted(tagged, rng.choice([*gaps, len(tagged.tokens)]), tags)
    if "link" in kinds:
        tagged = inserted(tagged, len(tagged.tokens), f"https://{lexicon.draw(rng)}.org/{lexicon.draw(rng)}")
    if "mention" in kinds:
        text, tokens = tagged
        first = text[: tokens[0].end]
        small = lexicon.uncapitalised(first) if rng.random() < LOWER else first
        if len(small) == len(first):
            tagged = Tagged(small + text[len(first) :], tokens)
        tagged = inserted(tagged, 0, "@" + lexicon.draw(rng))
    return tagged


def inserted(tagged: Tagged, number: int, words: str) -> Tagged:
    """Return the text with right words before its token of that number, behind the last one at its end."""
    text, tokens = tagged
    ends = number == len(tokens)
    at = tokens[-1].end if ends else tokens[number].start
    before = " " if at and not text[at - 1].isspace() else ""
    after = "" if ends else " "
    new = tuple(Token(at + len(before) + a, at + len(before) + b, RIGHT) for a, b in split_words(words))
    shift = len(before) + len(words) + len(after)
    moved = tuple(Token(start + shift, end + shift, tag) for start, end, tag in tokens[number:])
    return Tagged(f"{text[:at]}{before}{words}{after}{text[at:]}", (*tokens[:number], *new, *moved))
