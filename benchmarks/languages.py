"""What becomes of a language's text: characters kept, tokens a word, the way back to text, offsets, and a tiny model.

    python benchmarks/languages.py --out results/languages.json hindi=hi.txt danish=da.txt protein=protein.txt \
        --threads 1 --minutes 3

Each text is prepared with a WordPiece vocabulary of its own (lower-cased, marks kept), and a tiny model trained on it.
A line comes back if its ids decode to it but for case, blanks and the composition of marks. Offsets are checked on
1,000 random lines with emoji and combining marks put in; a mark that is composed with the letter before it may have no
place of its own. Two rows a language, text and model; what is in the file is not repeated. --minutes 0 trains nothing.
"""

from __future__ import annotations

import argparse
import random
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from result_file import add

from electra.config import PrepareConfig, find_preset
from electra.core.runs import last_evaluation
from electra.core.storage import read_json
from electra.data.cooccurrence import unigram_probabilities
from electra.data.prepare import prepare
from electra.data.shards import Examples, open_examples
from electra.pretraining.run import pretrain
from electra.text.losses import Losses
from electra.text.pieces import is_mark
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.text.word_cache import WordCache

LINES = 1000
ODD = ["😀", "👨‍👩‍👧", "e\u0301", "\u0301", "🇫🇷", "❤️", "क\u094d\u0937", "ﬁ", "İ", "\u200d"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", help="NAME=FILE")
    parser.add_argument("--vocab-size", type=int, default=8000)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--runs", default="runs/languages", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    done = read_json(options.out) if options.out.exists() else {}
    for name, _, file in (text.partition("=") for text in options.texts):
        source = prepared(options.runs / name, file, options.vocab_size)
        if name not in done:
            add(options.out, name, measured(source))
        if options.minutes and f"{name}, model" not in done:
            add(options.out, f"{name}, model", trained(options.runs / name, options))


def prepared(folder: Path, file: str, vocab_size: int) -> PrepareConfig:
    """Prepare a text, unless it is; return how."""
    document = "line" if "\n\n" not in Path(file).read_text(encoding="utf-8") else "blank-line"
    config = PrepareConfig((file,), str(folder / "data"), vocab_size=vocab_size, document=document, heldout=0.03)
    prepare(config)
    return config


def measured(config: PrepareConfig) -> dict[str, Any]:
    """Return the row of a prepared text."""
    (file,) = config.sources
    manifest, tokenizer = read_json(Path(config.out) / "manifest.json"), load_tokenizer(config.out)
    lines = [line for line in Path(file).read_text(encoding="utf-8").split("\n") if line.strip()]
    return {
        "megabytes": round(manifest["counts"]["bytes"] / 1e6, 2),
        "vocabulary": tokenizer.vocab_size,
        "characters_kept": round(1 - manifest["share_lost"], 6),
        "text_kept": manifest["share_kept"],
        "tokens_per_word": round(manifest["counts"]["text_tokens"] / manifest["losses"]["words"], 3),
        "characters_per_token": round(manifest["losses"]["characters"] / manifest["counts"]["text_tokens"], 3),
        "longest_run": max(map(len, " ".join(lines).split())),
        "lines_that_come_back": round(np.mean([comes_back(tokenizer, line) for line in sample(lines)]), 4),
        "lines_with_wrong_offsets": sum(wrong_offsets(tokenizer, line) for line in with_odd(sample(lines))),
        "lines_that_the_word_cache_reads_otherwise": otherwise(tokenizer, with_odd(sample(lines))),
        "stripped_as_bert_would": stripped_by_bert(tokenizer, lines),
    }


def sample(lines: list[str]) -> list[str]:
    """Return LINES lines, the same each time."""
    return random.Random(0).choices(lines, k=LINES)


def with_odd(lines: list[str]) -> list[str]:
    """Put emoji, combining marks and the like at random places of lines."""
    rng, odd = random.Random(1), []
    for line in lines:
        for _ in range(rng.randint(1, 5)):
            at = rng.randint(0, len(line))
            line = line[:at] + rng.choice(ODD) + line[at:]
        odd.append(line)
    return odd


def comes_back(tokenizer: Tokenizer, line: str) -> bool:
    """Return whether a line's ids decode to it, but for case, blanks and the composition of marks."""
    return plain(tokenizer.backend.decode(tokenizer.encode_lines([line])[0])) == plain(line)


def plain(text: str) -> str:
    """Return a text composed, in lower case, without blanks and characters of control and format."""
    composed = unicodedata.normalize("NFC", text).lower()
    return "".join(c for c in composed if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cn"))


def wrong_offsets(tokenizer: Tokenizer, line: str) -> bool:
    """Return whether a token's place in the line does not spell it, or a character that is no mark has no place."""
    encoding = tokenizer.encode(line)
    reached = 0
    for token, token_id, (start, end) in zip(encoding.tokens, encoding.ids, encoding.offsets, strict=True):
        skipped, reached = letters(line[reached:start]), max(reached, end)
        spelt, place = token.removeprefix("##"), letters(line[start:end])
        if is_mark(spelt[0]):  # the dot of "İ", cut from its letter in lower case: it has the letter's place
            place = place[1:]
        if skipped or (token_id != tokenizer.unk_id and not place.startswith(letters(spelt)[:1])):
            return True
    return bool(letters(line[reached:]))


def letters(text: str) -> str:
    """Return a text as `plain` does, without accents and other marks."""
    return "".join(c for c in unicodedata.normalize("NFD", plain(text)) if not is_mark(c))


def otherwise(tokenizer: Tokenizer, lines: list[str]) -> int:
    """Return how many lines the cache of `prepare` gives other ids than the tokeniser."""
    pairs = zip(WordCache(tokenizer).encode_lines(lines), tokenizer.encode_lines(lines), strict=True)
    return sum(cached != whole for cached, whole in pairs)


def stripped_by_bert(tokenizer: Tokenizer, lines: list[str]) -> float:
    """Return the share of words that would lose marks if accents were stripped, as BERT does."""
    losses = Losses(tokenizer)
    losses.strips = True
    losses.add(lines, {})
    return round(losses.stripped / losses.words, 4)


def trained(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train a tiny model; return its losses on held-out text beside that of the unigrams."""
    preset = find_preset("tiny", "", "")
    config = replace(
        preset, data=str(folder / "data"), out=str(folder / "run"), max_minutes=options.minutes, threads=options.threads
    )
    pretrain(config)
    evaluation = {name: round(value, 4) for name, value in last_evaluation(folder / "run").items()}
    return {"minutes": options.minutes, "unigram_loss": unigram_loss(folder / "data"), **evaluation}


def unigram_loss(data: Path) -> float:
    """Return the loss, in nats, of the training text's unigrams on held-out tokens."""
    tokenizer, train, heldout = load_tokenizer(data), open_examples(str(data)), open_examples(str(data), "heldout")
    share = unigram_probabilities(all_tokens(train), train.vocab_size, tokenizer.special_ids)
    tokens = all_tokens(heldout)
    return round(float(-np.log(share[tokens[share[tokens] > 0]]).mean()), 4)


def all_tokens(examples: Examples) -> np.ndarray:
    """Return the tokens of a split."""
    return np.concatenate([np.asarray(examples[n]) for n in range(len(examples))])


if __name__ == "__main__":
    main()
