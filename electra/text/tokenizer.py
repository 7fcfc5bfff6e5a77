"""Load tokenisers of the `tokenizers` library, find their special tokens, and save them for Hugging Face."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from electra.core.storage import read_object, write_atomically, write_json
from electra.text.long_runs import cut_long_runs, without_cut
from electra.text.normalisation import lowercases, of_bert, strips_accents
from electra.text.sentence_pieces import is_listing, model_beside, read_sentence_pieces
from electra.text.special_text import cut_special_text, without_special_cut

SPELLINGS: dict[str, tuple[str, ...]] = {
    "pad_token": ("[PAD]", "<pad>", "<PAD>", "<|pad|>", "<|padding|>"),
    "cls_token": ("[CLS]", "<s>", "<cls>", "<CLS>", "<|cls|>", "<bos>"),
    "sep_token": ("[SEP]", "</s>", "<sep>", "<SEP>", "<|sep|>", "<eos>"),
    "mask_token": ("[MASK]", "<mask>", "<MASK>", "<|mask|>"),
    "unk_token": ("[UNK]", "<unk>", "<UNK>", "<|unk|>"),
}
LONGEST_WORD = 200  # characters that WordPiece reads at once, as in the released code; longer words are cut
BATCH_CHARACTERS = 1 << 20  # of one batch; encodings take some hundred bytes per token


class Tokenizer:
    """A backend and the roles of its special tokens."""

    def __init__(self, backend: tokenizers.Tokenizer, roles: dict[str, str]) -> None:
        vocabulary = backend.get_vocab(with_added_tokens=True)
        self.backend = backend
        self.roles = roles
        self.vocab_size: int = max(vocabulary.values()) + 1
        self.pad_id: int = vocabulary[roles["pad_token"]]
        self.cls_id: int = vocabulary[roles["cls_token"]]
        self.sep_id: int = vocabulary[roles["sep_token"]]
        self.mask_id: int = vocabulary[roles["mask_token"]]
        self.unk_id: int | None = vocabulary[roles["unk_token"]] if "unk_token" in roles else None
        self.special_ids = frozenset(vocabulary[token] for token in roles.values())
        self.never_masked = self.special_ids - {self.unk_id}  # by the released code
        backend.encode_special_tokens = True  # as text
        backend.no_truncation()
        backend.no_padding()
        cls, sep = roles["cls_token"], roles["sep_token"]
        backend.post_processor = processors.TemplateProcessing(
            single=f"{cls}:0 $A:0 {sep}:0",
            pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
            special_tokens=[(cls, self.cls_id), (sep, self.sep_id)],
        )
        special = special_tokens(backend, roles)
        backend.pre_tokenizer = without_special_cut(backend, special)
        backend.pre_tokenizer = without_cut(backend)  # the hash is that of files from before the cuts
        self.hash: str = hashlib.sha256(backend.to_str().encode()).hexdigest()
        cut_long_runs(backend)
        cut_special_text(backend, special)

    def encode_lines(self, lines: list[str]) -> list[list[int]]:
        """Return the ids of each line, without special tokens; "[MASK]" in a line is text like any other."""
        ids: list[list[int]] = []
        for batch in batches(lines):
            ids.extend(encoding.ids for encoding in self.backend.encode_batch_fast(batch, add_special_tokens=False))
        return ids

    def encode(self, text: str) -> tokenizers.Encoding:
        """Return ids, offsets and word numbers, without special tokens; "[MASK]" in a text is text like any other."""
        return self.backend.encode(text, add_special_tokens=False)

    def save(self, folder: Path, model_max_length: int = 512) -> None:
        """Write the files of a Hugging Face tokeniser folder."""
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(folder / "tokenizer.json", "w") as file:
            file.write(self.backend.to_str(pretty=True))
        if type(self.backend.model) is models.WordPiece:
            with write_atomically(folder / "vocab.txt", "w") as file:
                file.writelines(token + "\n" for token in in_order(self.backend.get_vocab()))
        write_json(folder / "special_tokens_map.json", self.roles)
        write_json(folder / "tokenizer_config.json", self.huggingface_config(model_max_length))

    def huggingface_config(self, model_max_length: int) -> dict[str, Any]:
        """Return the content of `tokenizer_config.json`."""
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": model_max_length,
            "do_lower_case": lowercases(self.backend),
            "strip_accents": strips_accents(self.backend),
            "clean_up_tokenization_spaces": False,
            "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
            **self.roles,
        }


def special_tokens(backend: tokenizers.Tokenizer, roles: dict[str, str]) -> list[str]:
    """Return the spellings that no text may give, longer than a character, in the order of their ids."""
    added = {token.content: number for number, token in backend.get_added_tokens_decoder().items() if token.special}
    vocabulary = backend.get_vocab(with_added_tokens=True)
    found = added | {token: vocabulary[token] for token in roles.values()}
    return [token for token in in_order(found) if len(token) > 1]


def batches(lines: list[str], characters: int = BATCH_CHARACTERS) -> Iterator[list[str]]:
    """Cut a list of lines into batches, each ending with the line that reaches `characters`."""
    start = size = 0
    for index, line in enumerate(lines):
        size += len(line)
        if size >= characters:
            yield lines[start : index + 1]
            start, size = index + 1, 0
    if start < len(lines):
        yield lines[start:]


def in_order(vocabulary: dict[str, int]) -> list[str]:
    """Return the tokens, sorted by id."""
    return sorted(vocabulary, key=lambda token: vocabulary[token])


# -- loading -----------------------------------------------------------------------------------------------------------


def load_tokenizer(path: str | Path, lowercase: bool = True) -> Tokenizer:
    """Load a tokenizer.json, a vocab.txt, either from a folder of a model, a run or prepared data, or a .model."""
    file = find_tokenizer_file(Path(path).expanduser())
    beside = roles_beside(file)
    if file.suffix == ".json":
        backend = read_backend(file)
    elif file.suffix in (".model", ".spm") or is_listing(file):
        model = file if file.suffix in (".model", ".spm") else model_beside(file)
        backend, beside["unk_token"] = read_sentence_pieces(model, SPELLINGS)
    else:
        normalizer = of_bert(bool(beside.get("do_lower_case", lowercase)), beside.get("strip_accents"))
        backend = bert_wordpiece(read_vocabulary(file), normalizer, str(file))
    return Tokenizer(backend, find_roles(backend, beside, file))


def require_room(tokenizer: Tokenizer, vocab_size: int, folder: Path) -> None:
    """Raise ValueError if a model has fewer embeddings than the tokeniser has entries."""
    if tokenizer.vocab_size > vocab_size:
        raise ValueError(
            f"{folder}: the tokeniser has {tokenizer.vocab_size} entries, the model {vocab_size}; they do not belong "
            "together; put the model's own tokenizer.json there"
        )


def find_tokenizer_file(path: Path) -> Path:
    """Return the tokeniser file at a path or in a folder; ValueError if there is none."""
    if path.is_file():
        return path
    names = ("tokenizer.json", "vocab.txt")
    for folder in (path, path / "model", path / "tokenizer"):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    if path.is_dir():
        raise ValueError(
            f"{path} holds no tokenizer: neither {' nor '.join(names)} exists; copy it there from the model it was "
            "made from (a model's save_pretrained writes none, the tokeniser's does)"
        )
    raise ValueError(
        f"{path}: no such tokenizer; give wordpiece, bpe or unigram to train one, "
        "or a tokenizer.json, a vocab.txt, a SentencePiece .model or a folder that holds one of the first two"
    )


def read_backend(file: Path) -> tokenizers.Tokenizer:
    """Read a tokenizer.json."""
    try:
        return tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(
            f"{file} is not a tokenizer.json that this version of tokenizers reads: {error}; "
            "fetch it again, or update tokenizers"
        ) from None


def read_vocabulary(file: Path) -> dict[str, int]:
    """Read a vocab.txt: one token per line, in the order of ids."""
    try:
        tokens = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not a vocab.txt: {error}; save it as UTF-8, a token a line") from None
    tokens = [token.rstrip("\r") for token in (tokens[:-1] if tokens[-1] == "" else tokens)]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) < len(tokens):
        twice = next(token for token, count in Counter(tokens).items() if count > 1)
        raise ValueError(f"{file} holds the token {twice!r} more than once; each line of a vocab.txt must be unique")
    return vocabulary


def roles_beside(file: Path) -> dict[str, Any]:
    """Return the settings in the configuration files beside a tokeniser, if any."""
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if file.with_name(name).is_file():
            settings.update(read_object(file.with_name(name)))
    return settings


def find_roles(backend: tokenizers.Tokenizer, beside: dict[str, Any], file: Path) -> dict[str, str]:
    """Return the token of each role: the one in the settings, or the first known spelling in the vocabulary."""
    roles = {}
    for role, spellings in SPELLINGS.items():
        named = beside.get(role)
        named = named.get("content") if isinstance(named, dict) else named
        candidates = (named, *spellings) if named and isinstance(named, str) else spellings
        found = next((token for token in candidates if backend.token_to_id(token) is not None), None)
        if found is not None:
            roles[role] = found
        elif role != "unk_token":
            raise ValueError(
                f"{file} has no {role}: none of {', '.join(candidates)} is in its vocabulary; "
                f'name the token in {file.with_name("tokenizer_config.json")}: {{"{role}": ...}}'
            )
    return roles


def bert_wordpiece(
    vocabulary: dict[str, int], normalizer: normalizers.Normalizer, where: str = "the vocabulary"
) -> tokenizers.Tokenizer:
    """Build the tokeniser of BERT from a vocabulary and a normaliser; `where` the vocabulary is, for messages."""
    unknown = next((token for token in SPELLINGS["unk_token"] if token in vocabulary), None)
    if unknown is None:
        raise ValueError(
            f"{where} has no unknown token: none of {', '.join(SPELLINGS['unk_token'])} is in it; add one, or name a "
            "tokenizer.json or a vocab.txt"
        )
    model = models.WordPiece(vocabulary, unk_token=unknown, max_input_chars_per_word=LONGEST_WORD)
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    specials = [token for spellings in SPELLINGS.values() for token in spellings if token in vocabulary]
    backend.add_special_tokens(sorted(specials, key=lambda token: vocabulary[token]))
    return backend


def stated_length(folder: Path) -> int:
    """Return the length, in tokens, that the model was trained with: later positions are untrained."""
    path = folder / "tokenizer_config.json"
    length = read_object(path).get("model_max_length", 512) if path.exists() else 512
    if isinstance(length, bool) or not isinstance(length, int | float) or not length >= 3:
        raise ValueError(f"{path}: model_max_length must be a number of tokens, 3 or more")
    return int(min(length, 1 << 20))  # 1e30 stands for no limit
