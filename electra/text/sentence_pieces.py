"""Read a SentencePiece model, Unigram or BPE, as a backend that encodes as SentencePiece does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

UNIGRAM, BPE = 1, 2  # sentencepiece_model.proto, TrainerSpec.ModelType
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # ModelProto.SentencePiece.Type
ADDED = {"pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
SPACE = "▁"
NEVER_READ = -1e4  # log probability in a Unigram model of a token that text must not give, such as a literal "<s>"
LISTED = re.compile(r".+\t-?\d+(\.\d+)?(e-?\d+)?")  # a line of a .vocab: a piece and its score


def read_sentence_pieces(file: Path, spellings: dict[str, tuple[str, ...]]) -> tuple[tokenizers.Tokenizer, str]:
    """Return the backend of a .model and its unknown token; add the roles' tokens that it lacks behind its own.

    Raises:
        ValueError: the file is no SentencePiece model, one of words or characters, or the library is missing.
    """
    proto = read_proto(file)
    backend = tokenizers.Tokenizer(model_of(proto, file))
    backend.normalizer = normalizer_of(proto.normalizer_spec)
    backend.pre_tokenizer = pre_tokenizer_of(proto)
    prefix = [decoders.Strip(" ", 1, 0)] if proto.normalizer_spec.add_dummy_prefix else []
    fallback = [decoders.ByteFallback()] if proto.trainer_spec.byte_fallback else []
    backend.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), *fallback, decoders.Fuse(), *prefix])
    backend.add_special_tokens([piece.piece for piece in proto.pieces if piece.type == CONTROL])
    for role, token in ADDED.items():
        if not any(backend.token_to_id(known) is not None for known in spellings[role + "_token"]):
            backend.add_special_tokens([token])
    return backend, proto.trainer_spec.unk_piece


def read_proto(file: Path) -> Any:
    """Read the protocol buffer of a .model."""
    try:
        from google.protobuf.message import DecodeError
        from sentencepiece import sentencepiece_model_pb2
    except ImportError:
        raise ValueError(f"reading {file} needs the sentencepiece library: pip install 'electra[data]'") from None
    messages: Any = sentencepiece_model_pb2
    try:
        proto = messages.ModelProto.FromString(file.read_bytes())
    except DecodeError:
        proto = None
    if proto is None or not proto.pieces:
        raise ValueError(f"{file} is not a SentencePiece model, or damaged; copy it again")
    return proto


def model_of(proto: Any, file: Path) -> models.Model:
    """Return the model with its pieces; the rank of a merge in a BPE is the score of its result."""
    spec = proto.trainer_spec
    if spec.treat_whitespace_as_suffix:
        raise ValueError(f"{file} puts the space behind a word, which is not read; train it without that option")
    if spec.model_type == UNIGRAM:
        # The tokenizers library does not read back all digits that it writes; these are more than SentencePiece has.
        read = (NORMAL, USER_DEFINED)
        scores = [(p.piece, round(p.score, 6) if p.type in read else NEVER_READ) for p in proto.pieces]
        return models.Unigram(scores, spec.unk_id, spec.byte_fallback)
    if spec.model_type != BPE:
        raise ValueError(f"{file} is a SentencePiece model of words or characters; only unigram and bpe are read")
    ids = {piece.piece: index for index, piece in enumerate(proto.pieces)}
    return models.BPE(
        ids,
        merges_of(proto),
        unk_token=spec.unk_piece,
        fuse_unk=True,
        byte_fallback=spec.byte_fallback,
        ignore_merges=bool(users_pieces(proto)),  # which no merge makes
    )


def merges_of(proto: Any) -> list[tuple[str, str]]:
    """Return the pairs of pieces that make another piece, in the order in which SentencePiece merges them."""
    ranks = {piece.piece: (-piece.score, n) for n, piece in enumerate(proto.pieces) if piece.type == NORMAL}
    merges = [
        (rank, piece[:at], piece[at:])
        for piece, rank in ranks.items()
        for at in range(1, len(piece))
        if piece[:at] in ranks and piece[at:] in ranks
    ]
    return [(left, right) for _, left, right in sorted(merges)]


def users_pieces(proto: Any) -> list[str]:
    """Return the pieces that the model's maker defined; they are never cut."""
    return [piece.piece for piece in proto.pieces if piece.type == USER_DEFINED]


def normalizer_of(spec: Any) -> normalizers.Normalizer:
    """Return the normaliser: the model's own table of characters, and spaces as it wants them."""
    steps: list[normalizers.Normalizer] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps.append(normalizers.Replace(Regex(rf"\A +|[ {SPACE}]+\z"), ""))
        steps.append(normalizers.Replace(Regex(" {2,}"), " "))
    if spec.add_dummy_prefix:  # also before a space, where Metaspace adds none
        steps.append(normalizers.Replace(Regex(rf"\A[ {SPACE}]"), SPACE * 2))
    return normalizers.Sequence(steps)


def pre_tokenizer_of(proto: Any) -> pre_tokenizers.PreTokenizer:
    """Return the pre-tokeniser: words with their leading space, and the user's own pieces apart."""
    spec, user = proto.trainer_spec, users_pieces(proto)
    prepend = "always" if proto.normalizer_spec.add_dummy_prefix else "never"
    by_words = spec.split_by_whitespace and proto.normalizer_spec.remove_extra_whitespaces
    words = pre_tokenizers.Metaspace(SPACE, prepend, split=by_words)
    if not user:
        return words
    longest_first = "|".join(re.escape(piece) for piece in sorted(user, key=len, reverse=True))
    return pre_tokenizers.Sequence([words, pre_tokenizers.Split(Regex(longest_first), "isolated")])


def model_beside(file: Path) -> Path:
    """Return the .model that a .vocab lists; ValueError if it is not there, as the list lacks the normalisation."""
    model = file.with_suffix(".model")
    if not model.is_file():
        raise ValueError(
            f"{file} is the list of a SentencePiece model and not enough to read text; give the model itself "
            f"({model.name}) to --tokenizer"
        )
    return model


def is_listing(file: Path) -> bool:
    """Return whether a file is SentencePiece's list of pieces and scores."""
    with open(file, encoding="utf-8", errors="replace") as lines:
        return bool(LISTED.fullmatch(lines.readline().rstrip("\r\n")))
