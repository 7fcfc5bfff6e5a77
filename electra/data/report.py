"""Log the progress of `prepare`, a summary, and warnings about suspicious text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from electra.config import PrepareConfig
from electra.core.log import duration, logger, show_progress
from electra.data.corpus import Corpus
from electra.text.extension import Extension
from electra.text.losses import scripts_of

LOST = 0.005  # share of characters in unknown tokens that is worth a warning; of English text 0.0001 are
STRIPPED = 0.01  # share of words without their marks, likewise; of English text 0.001 are
SHOWN = 6  # new entries
FEW = 10_000  # tokens


class Progress:
    """Show the share of a corpus read so far, and the speed."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.start = time.monotonic()
        self.text_bytes = 0

    def show(self, note: dict[str, Any]) -> None:
        """Add a chunk; show the text so far, its rate, and the time left if the size of the corpus is known."""
        self.text_bytes += note["counts"]["bytes"]
        seconds = max(time.monotonic() - self.start, 1e-3)
        shown = {"text": f"{self.text_bytes / 1e6:.1f} MB", "": f"{self.text_bytes / 1e6 / seconds:.1f} MB/s"}
        if (total := self.corpus.total_bytes) and self.corpus.bytes_read:
            share = self.corpus.bytes_read / total
            shown |= {"read": f"{share:.0%}", "left": duration(seconds * (1 - share) / share)}
        show_progress("prepare", shown)


def report_extension(config: PrepareConfig, extension: Extension) -> None:
    """Log what new entries change in the words of the text, or that there are fewer than wanted."""
    before, after, found = extension.before, extension.after, len(extension.entries)
    logger.info(
        f"{found:,} new entries, {', '.join(extension.entries[:SHOWN])} among them ({config.out}/extension.json)\n"
        f"                    before   after\n"
        f"  pieces per word  {before.pieces_per_word:7.2f} {after.pieces_per_word:7.2f}\n"
        f"  words split      {before.share_split:7.1%} {after.share_split:7.1%}"
    )
    if found < config.extend:
        logger.warning(f"{config.extend:,} new entries were wanted; the text splits no more words often enough")


def report(config: PrepareConfig, manifest: dict[str, Any]) -> None:
    """Log a summary of the prepared data, then the warnings."""
    counts = manifest["counts"]
    rows = {name: f"{counts[name]:,}" for name in ("documents", "tokens", "examples")}
    rows |= {"text kept": f"{manifest['share_kept']:.1%}", "padding": f"{manifest['share_padding']:.1%}"}
    rows |= {"unknown tokens": f"{manifest['share_unknown']:.1%}", "characters lost": f"{manifest['share_lost']:.1%}"}
    width = max(map(len, rows.values()))
    lines = [f"  {name:15}  {value:>{width}}" for name, value in rows.items()]
    logger.info("\n".join([f"prepared {config.out}", *lines]))
    for message in warnings(config, manifest):
        logger.warning(message)


def warnings(config: PrepareConfig, manifest: dict[str, Any]) -> Iterator[str]:
    """Yield a message for each suspicious figure, with its likely cause and a remedy."""
    if manifest["share_lost"] > LOST:
        yield lost_characters(config, manifest)
    losses = manifest["losses"]
    if losses["stripped"] > STRIPPED * losses["words"]:
        yield stripped_words(config, losses)
    if manifest["share_kept"] < 0.9:
        yield (
            f"only {manifest['share_kept']:.0%} of the text was kept: --packing paper drops the part of a long "
            "line that does not fit an example. Break lines at sentences, or use --packing two-segment"
        )
    if (tokens := manifest["counts"]["tokens"]) < FEW:
        yield f"{tokens:,} tokens are enough to try the commands, but not to learn from: prepare a million or more"
    if config.heldout and not manifest["heldout"]:
        yield "no document was held out: there are too few. Raise --heldout, or separate documents by blank lines"


def lost_characters(config: PrepareConfig, manifest: dict[str, Any]) -> str:
    """Return the warning that characters are lost in unknown tokens."""
    scripts = scripts_of(manifest["losses"]["missing"])
    named = ", ".join(f"{script} ({examples})" for script, examples in islice(scripts.items(), 3))
    cause = f"the vocabulary lacks characters: {named}" if named else "the vocabulary lacks pieces of their words"
    remedy = (
        f"Raise --vocab-size ({config.vocab_size:,}), or take --tokenizer bpe, which reads every character"
        if config.tokenizer in ("wordpiece", "unigram")
        else "Train one on this text (--tokenizer wordpiece; bpe reads every character), or choose one for its language"
    )
    return f"{manifest['share_lost']:.1%} of the characters are lost in unknown tokens: {cause}. {remedy}"


def stripped_words(config: PrepareConfig, losses: dict[str, Any]) -> str:
    """Return the warning that words lose their accents or vowel signs."""
    examples = ", ".join(f"{word} becomes {read}" for word, read in islice(losses["stripped_words"].items(), 3))
    remedy = (
        "Drop --strip-accents"
        if config.strip_accents
        else "Train a vocabulary that keeps them (--tokenizer wordpiece); or, where the vocabulary at hand holds such "
        'words, set "strip_accents": false in the tokenizer_config.json beside its vocab.txt'
    )
    return (
        f"{losses['stripped'] / losses['words']:.0%} of the words lose accents, vowel signs or points: {examples}. "
        f"{remedy}"
    )
