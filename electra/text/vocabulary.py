"""Train a vocabulary deterministically: WordPiece, byte-level BPE or Unigram."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, compress

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from electra.text.long_runs import cut_long_runs
from electra.text.normalisation import of_pieces, of_words
from electra.text.sentence_pieces import NEVER_READ
from electra.text.tokenizer import SPELLINGS, Tokenizer, bert_wordpiece

SPECIALS = {role: spellings[0] for role, spellings in SPELLINGS.items()}
COVERAGE = 0.9998  # of the characters of a text; SentencePiece takes 0.9995 for scripts of many characters
ORDER = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train_tokenizer(
    kind: str, lines: Iterable[str], vocab_size: int, lowercase: bool, strip_accents: bool = False
) -> Tokenizer:
    """Train a tokeniser on lines of text; `kind` is wordpiece, bpe (which keeps case and accents) or unigram."""
    if kind == "wordpiece":
        backend = train_wordpiece(list(lines), vocab_size, of_words(lowercase, strip_accents))
    elif kind == "bpe":
        backend = train_bpe(list(lines), vocab_size)
    elif kind == "unigram":
        backend = train_unigram(list(lines), vocab_size, of_pieces(lowercase, strip_accents))
    else:
        raise ValueError(f"cannot train a tokenizer of kind {kind!r}; choose from wordpiece, bpe, unigram")
    roles = {role: token for role, token in SPECIALS.items() if backend.token_to_id(token) is not None}
    return Tokenizer(backend, roles)


def train_wordpiece(lines: list[str], vocab_size: int, normalizer: normalizers.Normalizer) -> tokenizers.Tokenizer:
    """Train a WordPiece vocabulary for the tokeniser of BERT."""
    # The library numbers the "##x" of single characters in the order of a hash table, which differs between runs and
    # decides ties between merges. Passing the alphabet as special tokens fixes the order.
    backend = bert_wordpiece({token: index for index, token in enumerate(ORDER)}, normalizer)
    cut_long_runs(backend)
    alphabet, inner, rarer = wordpiece_alphabet(backend, lines, vocab_size)
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=[*ORDER, *("##" + character for character in inner)],
        initial_alphabet=alphabet,
        limit_alphabet=max(1, len(alphabet)),
        show_progress=False,
    )
    backend.train_from_iterator(lines, trainer, length=len(lines))
    vocabulary: dict[str, int] = backend.get_vocab()
    for entry in rarer[: vocab_size - len(vocabulary)]:  # a text of few words leaves room
        vocabulary[entry] = len(vocabulary)
    return bert_wordpiece(vocabulary, normalizer)


def wordpiece_alphabet(
    backend: tokenizers.Tokenizer, lines: list[str], vocab_size: int
) -> tuple[list[str], list[str], list[str]]:
    """Return the normalised characters that get entries, those of them that occur inside words, and the other entries.

    As many as cover the text get their entries, in at most seven eighths of the vocabulary, so that nothing of another
    script is lost; rarer ones do not take the place of words, unless an eighth of the vocabulary holds them all.
    """
    raw: Counter[str] = Counter()
    for line in lines:
        raw.update(unicodedata.normalize("NFC", line))
    counts: Counter[str] = Counter()
    for character, count in raw.items():
        for part in backend.normalizer.normalize_str(character):
            counts[part] += count * (not part.isspace())
    ranked = sorted(+counts, key=lambda c: (-counts[c], c))
    inner = [occurs_inside(backend, c) for c in ranked]
    entries = accumulate(1 + inside for inside in inner)
    covered = accumulate((counts[c] for c in ranked), initial=0)  # before each
    most, some, needed = vocab_size - vocab_size // 8, vocab_size // 8, COVERAGE * counts.total()
    kept = sum(n <= some or (n <= most and c < needed) for n, c in zip(entries, covered, strict=False))
    room = max(0, vocab_size - len(ORDER) - kept)
    rarer = [
        form for c, inside in zip(ranked[kept:], inner[kept:], strict=True) for form in (c, f"##{c}")[: 1 + inside]
    ]
    return sorted(ranked[:kept]), sorted([*compress(ranked[:kept], inner)][:room]), rarer


def occurs_inside(backend: tokenizers.Tokenizer, character: str) -> bool:
    """Return whether a character can stand inside a word; punctuation and Chinese characters are words themselves."""
    return len(backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(f"a{character}a"))) == 1


def train_bpe(lines: list[str], vocab_size: int) -> tokenizers.Tokenizer:
    """Train a byte-level BPE, which needs no unknown token."""
    fewest = len(ORDER) - 1 + len(pre_tokenizers.ByteLevel.alphabet())
    if vocab_size < fewest:
        raise ValueError(
            f"a bpe vocabulary has at least {fewest} entries, the bytes and special tokens; raise vocab_size"
        )
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[token for token in ORDER if token != "[UNK]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(lines, trainer, length=len(lines))
    return backend


def train_unigram(lines: list[str], vocab_size: int, normalizer: normalizers.Normalizer) -> tokenizers.Tokenizer:
    """Train a Unigram model on words with their leading space."""
    backend = tokenizers.Tokenizer(models.Unigram())
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=ORDER, unk_token="[UNK]", show_progress=False
    )
    try:
        backend.train_from_iterator(lines, trainer, length=len(lines))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(f"no unigram vocabulary of {vocab_size} fits this text ({error}); raise vocab_size") from None
    return with_short_scores(backend)


def with_short_scores(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """Round the scores of a Unigram model: the library does not read back all digits that it writes.

    Sort entries of equal score by spelling, as their order differs between runs. Special tokens stay first, and are not
    read from text.
    """
    content = json.loads(backend.to_str())
    entries = [[token, round(score, 6)] for token, score in content["model"]["vocab"]]
    special, trained = [[token, NEVER_READ] for token in ORDER], entries[len(ORDER) :]
    content["model"]["vocab"] = special + sorted(trained, key=lambda entry: (-entry[1], entry[0]))
    return tokenizers.Tokenizer.from_str(json.dumps(content))
