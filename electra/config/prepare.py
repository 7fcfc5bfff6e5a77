"""Configuration of `electra prepare`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from electra.config.base import arg, part_of, require, require_at_least, require_not_negative

TRAINABLE = ("wordpiece", "bpe", "unigram")  # kinds of tokenisers


@dataclass(frozen=True)
class PrepareConfig:
    """Turn raw text into a tokeniser and shards of token ids."""

    sources: tuple[str, ...] = arg(
        (),
        "files (text, tables, HTML, .docx, PDF), folders, globs, their URLs (s3:// ...), '-', 'python-docs', or "
        "'hf:NAME' for a Hugging Face data set",
        True,
    )
    out: str = arg("data/prepared", "folder to write, or its URL (s3:// ...)")
    tokenizer: str = arg(
        "wordpiece",
        "wordpiece, bpe or unigram to train one; or a tokenizer.json, vocab.txt, SentencePiece .model or model folder",
    )
    vocab_size: int = arg(30522, "entries of a trained vocabulary")
    extend: int = arg(
        0,
        "words and pieces to learn from the text and add behind the entries of a given --tokenizer, which keep their "
        "ids: `electra pretrain --init` continues from its model",
    )
    lowercase: bool = arg(
        True, "lower-case (a trained WordPiece or Unigram; a vocab.txt, which then strips accents too)"
    )
    strip_accents: bool = arg(False, "remove accents and vowel signs (a trained WordPiece or Unigram)")
    seq_length: int = arg(128, "maximum length of an example in tokens, including special tokens")
    packing: Literal["two-segment", "paper"] = arg(
        "two-segment",
        "two-segment: the paper's examples, carrying the remainder over; paper: as released, which drops it",
    )
    document: Literal["blank-line", "line", "file"] = arg("blank-line", "end of a document in a text file")
    text_column: str = arg(
        "text", "column of .jsonl, .csv, .tsv, .parquet and Hugging Face data sets that holds the text"
    )
    encoding: str = arg("utf-8", "encoding of text files")
    errors: Literal["strict", "replace"] = arg("strict", "bytes that are not text: strict: stop; replace: by U+FFFD")
    heldout: float = arg(0.01, "share of the documents held out for evaluation")
    num_workers: int = arg(0, "processes; 0: one per core; the result does not depend on it")
    part: str = arg(
        "",
        "i/n: prepare only every n-th chunk, from the i-th (0/4 ... 3/4, each on its own machine, with one folder and "
        "one --tokenizer); the same command without it puts the parts together",
    )
    seed: int = arg(0, "seed of the packing's random choices")

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        require(len(self.sources) > 0, "no sources: name at least one file, folder or glob, or python-docs")
        require(8 <= self.seq_length <= 65536, f"seq_length must be in [8, 65536], got {self.seq_length}")
        require(0 <= self.heldout < 1, f"heldout must be in [0, 1), got {self.heldout}")
        require_at_least(self, 100, "vocab_size")
        require_not_negative(self, "extend", "seed", "num_workers")
        require(
            not self.extend or self.tokenizer not in TRAINABLE,
            f"extend adds to a vocabulary that exists, and {self.tokenizer!r} trains one: name a model or a tokeniser "
            "with --tokenizer",
        )
        require(
            not self.strip_accents or self.tokenizer in ("wordpiece", "unigram"),
            f"strip_accents is for a wordpiece or unigram vocabulary trained here, not for {self.tokenizer}: bpe keeps "
            'accents, and files say themselves (tokenizer_config.json beside a vocab.txt: {"strip_accents": true})',
        )
        if self.part:
            self.require_shareable()

    def require_shareable(self) -> None:
        """Raise ValueError unless every part would read the same text with the same vocabulary."""
        part_of(self.part)
        require(
            self.tokenizer not in TRAINABLE and not self.extend,
            f"--part {self.part} needs a vocabulary that exists, the same for every part: learn it once from a file or "
            "two, `electra prepare SAMPLE --out data/vocabulary` (with --extend to extend one), and give every part "
            "--tokenizer data/vocabulary",
        )
        require("-" not in self.sources, f"--part {self.part} reads its text again: save standard input as a file")
