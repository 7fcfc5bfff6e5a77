"""The dictionary of a run: the words of its training text, read back from the prepared tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from electra.data.shards import Examples
from electra.text.dictionary import count_words, write_dictionary
from electra.text.tokenizer import Tokenizer

READ = 20_000_000  # tokens whose words are counted, evenly spread over the text
BATCH = 1000  # examples decoded together


def save_dictionary(folder: Path, examples: Examples, tokenizer: Tokenizer) -> None:
    """Count the words of the training text, and write the dictionary of the model in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_dictionary(folder, count_words(training_text(examples, tokenizer)))


def training_text(examples: Examples, tokenizer: Tokenizer) -> Iterator[str]:
    """Yield the text of examples, without the first and the last word of each, which may be cut.

    The tokens, and not the raw text, know how the model reads: its capitals, its accents, and what was held out.
    """
    chosen = range(0, len(examples), max(1, examples.num_tokens // READ))
    for start in range(0, len(chosen), BATCH):
        rows = [examples[n].tolist() for n in chosen[start : start + BATCH]]
        for text in tokenizer.backend.decode_batch(rows):
            yield " ".join(text.split()[1:-1])
