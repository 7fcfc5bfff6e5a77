"""Log the progress of `prepare`, a summary, and warnings about suspicious text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from electra.config import PrepareConfig
from electra.core.log import duration, logger, show_progress
from electra.data.corpus import Corpus


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


def report(config: PrepareConfig, manifest: dict[str, Any]) -> None:
    """Log a summary of the prepared data, then the warnings."""
    counts = manifest["counts"]
    rows = {name: f"{counts[name]:,}" for name in ("documents", "tokens", "examples")}
    rows |= {"text kept": f"{manifest['share_kept']:.1%}", "padding": f"{manifest['share_padding']:.1%}"}
    rows |= {"unknown tokens": f"{manifest['share_unknown']:.1%}"}
    width = max(map(len, rows.values()))
    lines = [f"  {name:14}  {value:>{width}}" for name, value in rows.items()]
    logger.info("\n".join([f"prepared {config.out}", *lines]))
    for message in warnings(config, manifest):
        logger.warning(message)


def warnings(config: PrepareConfig, manifest: dict[str, Any]) -> Iterator[str]:
    """Yield a message for each suspicious figure, with its likely cause and a remedy."""
    if manifest["share_unknown"] > 0.05:
        yield (
            f"{manifest['share_unknown']:.0%} of the tokens are unknown: the vocabulary is for another language or "
            "script. Train one (--tokenizer wordpiece) or choose one that fits"
        )
    if manifest["share_kept"] < 0.9:
        yield (
            f"only {manifest['share_kept']:.0%} of the text was kept: --packing paper drops the part of a long "
            "line that does not fit an example. Break lines at sentences, or use --packing two-segment"
        )
    if manifest["share_padding"] > 0.4:
        yield (
            f"{manifest['share_padding']:.0%} of an example is padding: the documents are short. Packed rows "
            "(`electra pretrain --packed`, the default) avoid it; so does a smaller --seq-length"
        )
    if config.heldout and not manifest["heldout"]:
        yield "no document was held out: there are too few. Raise --heldout, or separate documents by blank lines"
