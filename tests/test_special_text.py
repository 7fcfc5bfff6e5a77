"""A special token written in a text is text, in every kind of vocabulary."""

from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tiny import sentences
from tokenizers import models, pre_tokenizers

from electra.config import PrepareConfig
from electra.data.prepare import prepare
from electra.data.shards import open_examples
from electra.text.tokenizer import Tokenizer, load_tokenizer
from electra.text.vocabulary import train_tokenizer
from electra.text.word_cache import WordCache

LINES = sentences(200)
SIGNS = "[MASK] [ ] use <s> and </s>"
ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
BRACKETS, ANGLES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
PIECES = [*"▁abcdefghijklmnopqrstuvwxyz<>", "<s"]
IDS = {token: number for number, token in enumerate([*ANGLES, *PIECES])}
SCORES = [(token, 0.0 if token in ANGLES else -3.0) for token in IDS]  # as Hugging Face writes them
FOREIGN = {
    "unigram": (models.Unigram(SCORES, 1), pre_tokenizers.Metaspace(), ANGLES),
    "unigram without words": (models.Unigram(SCORES, 1), None, ANGLES),
    "unigram of DeBERTa": (models.Unigram(SCORES, 1), pre_tokenizers.Sequence([pre_tokenizers.Metaspace()]), ANGLES),
    "bpe": (models.BPE(IDS, [], unk_token="<unk>", ignore_merges=True), pre_tokenizers.WhitespaceSplit(), ANGLES),
    "wordpiece": (
        models.WordPiece({token: number for number, token in enumerate([*BRACKETS, "the", "##."])}, unk_token="[UNK]"),
        pre_tokenizers.WhitespaceSplit(),
        BRACKETS,
    ),
}


def require_text(tokenizer, folder):
    """Fail if a special token comes from text, before or after saving."""
    tokenizer.save(folder)
    again = load_tokenizer(folder)
    assert again.hash == tokenizer.hash and again.backend.to_str() == tokenizer.backend.to_str()
    for token in (*BRACKETS, *ANGLES):
        for text in (token, f"the {token} fox", f"a{token}b", f"({token})", f"{token}.", token * 2, token.lower()):
            for each in (tokenizer, again):
                ids = each.encode_lines([text])[0]
                assert not each.never_masked & set(ids), text
                assert each.encode(text).ids == WordCache(each).encode_lines([text])[0] == ids


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("signs", [[], [SIGNS]], ids=["unknown signs", "known signs"])
def test_of_a_vocabulary_trained_here(kind, lowercase, signs, tmp_path):
    require_text(train_tokenizer(kind, [*LINES, *signs], 400 if kind == "bpe" else 200, lowercase), tmp_path)


@pytest.mark.parametrize("name", FOREIGN)
def test_of_a_vocabulary_of_others(name, tmp_path):
    model, pre_tokenizer, special = FOREIGN[name]
    backend = tokenizers.Tokenizer(model)
    if pre_tokenizer:
        backend.pre_tokenizer = pre_tokenizer
    backend.add_special_tokens(special)
    backend.encode_special_tokens = True
    assert backend.token_to_id(special[-1]) in backend.encode(special[-1]).ids
    require_text(Tokenizer(backend, dict(zip(ROLES, special, strict=True))), tmp_path)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_of_a_sentencepiece_model(kind, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    prefix, text = str(tmp_path / "m"), iter(LINES)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=text, model_prefix=prefix, vocab_size=100, model_type=kind, control_symbols=["[MASK]"],
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    theirs, ours = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model"), load_tokenizer(f"{prefix}.model")
    require_text(ours, tmp_path / "saved")
    for line in ("the </s> fox", "<s>", "a<s>b", "dog <unk> fox", "(</s>)"):
        assert ours.encode(line).ids == theirs.encode(line)


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_prepare_writes_none_into_an_example(kind, tmp_path):
    lines = [f"{line} [MASK] [SEP] [PAD]" if n % 2 else line for n, line in enumerate(LINES)]
    Path(tmp_path / "text.txt").write_text("\n".join(lines))
    train_tokenizer(kind, LINES, 400 if kind == "bpe" else 200, False).save(tmp_path / "v")
    config = PrepareConfig((str(tmp_path / "text.txt"),), str(tmp_path / "data"), tokenizer=str(tmp_path / "v"))
    prepare(config)
    tokenizer, examples = load_tokenizer(config.out), open_examples(config.out)
    for row in (np.asarray(examples[n]) for n in range(len(examples))):
        assert not np.isin(row[1:-1], [tokenizer.mask_id, tokenizer.pad_id, tokenizer.cls_id]).any()
        assert (row == tokenizer.sep_id).sum() <= 2
