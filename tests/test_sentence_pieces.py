"""SentencePiece models are read as the library itself reads them."""

import io
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import sentences

from electra.config import PrepareConfig
from electra.data.prepare import prepare
from electra.text.tokenizer import load_tokenizer

sentencepiece = pytest.importorskip("sentencepiece")
LINES = [*sentences(300), "Café naïve ﬁne ① हिन्दी 東京 <user> x<user>y", "a  b\tc", *["x < y > z <a>"] * 9] * 3
SIGNS = [" ", "  ", "\t", "é", "e\u0301", "ﬁ", "①", "東", "हिन्दी", "😀", "▁", "\u3000"]
ODD = st.sampled_from([*SIGNS, "<user>", "<s>", "</s>", "<unk>"])
# Without marks: where a letter has several, the tokenizers library composes none, SentencePiece the first.
CHARACTERS = st.text(st.characters(exclude_categories=["C", "M", "Sk"]), max_size=3)
TEXT = st.lists(st.one_of(ODD, st.sampled_from(" ".join(LINES[:50]).split(" ")), CHARACTERS)).map("".join)
KINDS = {
    "unigram": {"model_type": "unigram"},
    "bpe": {"model_type": "bpe"},
    "with the user's pieces": {"model_type": "bpe", "user_defined_symbols": ["<user>"]},
    "unigram with the user's pieces": {"model_type": "unigram", "user_defined_symbols": ["<user>"]},
    "bytes": {"model_type": "bpe", "byte_fallback": True, "vocab_size": 420},
    "unigram of bytes": {"model_type": "unigram", "byte_fallback": True, "vocab_size": 420},
    "no prefix": {"model_type": "unigram", "add_dummy_prefix": False},
    "spaces kept": {"model_type": "unigram", "remove_extra_whitespaces": False},
    "as it is": {"model_type": "bpe", "normalization_rule_name": "identity"},
}


def train(path, **options):
    model = io.BytesIO()
    settings = {"vocab_size": 160, "character_coverage": 0.999, "minloglevel": 2, "hard_vocab_limit": False, **options}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_writer=model, **settings)
    path.write_bytes(model.getvalue())
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    files = {name: train(folder / f"{name}.model", **options) for name, options in KINDS.items()}
    return {n: (sentencepiece.SentencePieceProcessor(model_file=str(f)), load_tokenizer(f)) for n, f in files.items()}


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=200, deadline=None)
@given(text=TEXT)
def test_ids_are_those_of_the_library(models, name, text):
    theirs, ours = models[name]
    assert ours.encode_lines([text])[0] == theirs.encode(text)


@pytest.mark.parametrize("name", KINDS)
def test_a_special_token_beside_the_users_piece_is_text(models, name):
    theirs, ours = models[name]
    for line in ("<user><s>", "a<user></s>", "<user><s><user> <s>", "<s><user>"):
        assert ours.encode_lines([line])[0] == theirs.encode(line)


@pytest.mark.parametrize("name", KINDS)
def test_words_come_back_and_have_their_places(models, name):
    theirs, ours = models[name]
    for line in random.Random(0).sample(LINES, 30):
        encoding = ours.encode(line)
        assert ours.backend.decode(encoding.ids) == theirs.decode(encoding.ids)
        assert all(0 <= start <= end <= len(line) for start, end in encoding.offsets)


def test_roles_that_it_lacks_are_added_behind_its_pieces(tmp_path):
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(train(tmp_path / "m.model")))
    ours = load_tokenizer(tmp_path / "m.model")
    assert (ours.cls_id, ours.sep_id, ours.unk_id) == (theirs.bos_id(), theirs.eos_id(), theirs.unk_id())
    assert (ours.pad_id, ours.mask_id, ours.vocab_size) == (len(theirs), len(theirs) + 1, len(theirs) + 2)
    ours.save(tmp_path / "saved")
    assert load_tokenizer(tmp_path / "saved").hash == ours.hash


def test_prepare_takes_a_model_or_the_list_beside_it(tmp_path):
    train(tmp_path / "spiece.model")
    (tmp_path / "spiece.vocab").write_text("<unk>\t0\n<s>\t0\n▁the\t-2.5\n")
    (tmp_path / "text.txt").write_text("\n\n".join(sentences(100)))
    config = PrepareConfig((str(tmp_path / "text.txt"),), str(tmp_path / "a"), seq_length=32, num_workers=1)
    first = prepare(replace(config, tokenizer=str(tmp_path / "spiece.model")))
    second = prepare(replace(config, tokenizer=str(tmp_path / "spiece.vocab"), out=str(tmp_path / "b")))
    assert first == second and first["share_lost"] == 0
    (tmp_path / "spiece.model").unlink()
    with pytest.raises(ValueError, match=r"spiece.vocab is the list of a SentencePiece model.*give .*\(spiece.model\)"):
        load_tokenizer(tmp_path / "spiece.vocab")


@pytest.mark.parametrize("content", [b"", b"no model", b"\xff\xfe\x00"])
def test_what_is_no_model_is_named(content, tmp_path):
    (tmp_path / "m.model").write_bytes(content)
    with pytest.raises(ValueError, match=r"m.model is not a SentencePiece model"):
        load_tokenizer(tmp_path / "m.model")


def test_a_model_of_characters_is_refused(tmp_path):
    with pytest.raises(ValueError, match="of words or characters; only unigram and bpe"):
        load_tokenizer(train(tmp_path / "m.model", model_type="char"))
