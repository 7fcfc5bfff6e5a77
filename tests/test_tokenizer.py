"""Tokenisers: trained, saved, loaded, and the same for Hugging Face."""

import json
import random
import subprocess
import sys
import unicodedata

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from electra.text import word_cache
from electra.text.losses import Losses
from electra.text.normalisation import of_bert, of_words, strips_accents
from electra.text.pieces import spans_in_text
from electra.text.tokenizer import Tokenizer, bert_wordpiece, load_tokenizer
from electra.text.vocabulary import train_tokenizer
from electra.text.word_cache import WordCache

LINES = [
    f"The {adjective} {noun} doesn't {verb} {number} cafés, naïve as it is."
    for number, adjective in enumerate(["quick", "lazy", "brown", "small", "fastest", "slower"])
    for noun in ["fox", "dog", "cook", "walker", "walking", "generator"]
    for verb in ["jump", "see", "replace", "detect", "generate"]
]
TEXT = "The QUICK walker generates 東京 ünd [odd] cafés: " + "x" * 150


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_saved_folder_gives_the_same_ids_here_and_in_transformers(kind, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = train_tokenizer(kind, LINES, 400 if kind == "bpe" else 200, lowercase=True)
    tokenizer.save(tmp_path, 128)
    again = load_tokenizer(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    expected = [tokenizer.cls_id, *tokenizer.encode(TEXT).ids, tokenizer.sep_id]
    assert (again.hash, again.roles, again.special_ids) == (tokenizer.hash, tokenizer.roles, tokenizer.special_ids)
    assert again.encode(TEXT).ids == tokenizer.encode(TEXT).ids == tokenizer.encode_lines([TEXT])[0]
    assert theirs(TEXT).input_ids == expected
    assert theirs.model_max_length == 128 and len(theirs) == tokenizer.vocab_size
    assert (theirs.mask_token_id, theirs.pad_token_id) == (tokenizer.mask_id, tokenizer.pad_id)
    pair = theirs("the fox", "the dog")
    assert pair.token_type_ids == [0] * (pair.input_ids.index(tokenizer.sep_id) + 1) + [1] * sum(pair.token_type_ids)


def test_transformers_gives_the_same_ids_beside_an_electra_model(tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = train_tokenizer("wordpiece", LINES, 200, lowercase=True)
    tokenizer.save(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "electra", "vocab_size": tokenizer.vocab_size}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(TEXT).input_ids == [tokenizer.cls_id, *tokenizer.encode(TEXT).ids, tokenizer.sep_id]


def test_wordpiece_is_the_same_whenever_trained_and_has_pad_first():
    first, second = (train_tokenizer("wordpiece", LINES, 150, lowercase=True) for _ in range(2))
    assert first.hash == second.hash
    assert (first.pad_id, first.unk_id) == (0, 1)
    assert first.vocab_size <= 150


def test_case_is_kept_on_request():
    tokenizer = train_tokenizer("wordpiece", LINES, 200, lowercase=False)
    assert tokenizer.encode("The fox").tokens != tokenizer.encode("the fox").tokens


def test_encoding_knows_words_and_offsets():
    tokenizer = train_tokenizer("wordpiece", LINES, 200, lowercase=True)
    encoding = tokenizer.encode("the foxes")
    assert encoding.offsets[0] == (0, 3)
    assert encoding.word_ids[0] == 0 and encoding.word_ids[-1] == 1


def write_vocabulary(path, *tokens):
    path.write_text("\n".join(tokens) + "\n")
    return path


def test_vocab_txt_is_berts(tmp_path):
    path = write_vocabulary(tmp_path / "vocab.txt", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "fox", "##es")
    assert load_tokenizer(path).encode("The foxes").ids == [5, 6, 7]
    assert load_tokenizer(path, lowercase=False).encode("The foxes").ids == [1, 6, 7]
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert load_tokenizer(tmp_path).encode("The foxes").ids == [1, 6, 7]


def test_roles_are_asked_of_the_files_then_found_by_spelling(tmp_path):
    path = write_vocabulary(tmp_path / "vocab.txt", "<pad>", "<unk>", "<s>", "</s>", "<mask>", "@@", "the")
    assert load_tokenizer(path).roles["cls_token"] == "<s>"
    (tmp_path / "special_tokens_map.json").write_text('{"mask_token": {"content": "@@"}}')
    assert load_tokenizer(path).mask_id == 5


def test_a_missing_role_is_named_with_what_was_tried(tmp_path):
    path = write_vocabulary(tmp_path / "vocab.txt", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "the")
    with pytest.raises(ValueError, match=r"no mask_token.*\[MASK\], <mask>"):
        load_tokenizer(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", "{", "not a tokenizer.json"),
        ("vocab.txt", "[PAD]\n[UNK]\nthe\nthe\n", "'the' more than once"),
        ("vocab.txt", "a\nb\n", "no unknown token"),
    ],
)
def test_broken_files_are_named(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_tokenizer(tmp_path)


def test_no_tokenizer_there(tmp_path):
    with pytest.raises(ValueError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)
    with pytest.raises(ValueError, match="no such tokenizer"):
        load_tokenizer(tmp_path / "none")
    with pytest.raises(ValueError, match="wordpiece, bpe, unigram"):
        train_tokenizer("sentencepiece", LINES, 200, lowercase=True)


def test_rare_characters_of_other_scripts_take_no_place_of_words():
    names = [f"{chr(0x0531 + n)}{chr(0x10D0 + n)}" for n in range(30)]  # Armenian and Georgian, each once
    words = [f"{a}{b}{c}" for a in "bdfglm" for b in "aeiou" for c in "nrst"]
    lines = [" ".join(words)] * 2_000 + names
    entries = train_tokenizer("wordpiece", lines, 175, lowercase=True).backend.get_vocab()
    assert set(words) <= entries.keys() and "\u10d0" not in entries
    roomy = train_tokenizer("wordpiece", lines, 2_000, lowercase=True).backend.get_vocab()
    assert {"\u10d0", "##\u10d0"} <= roomy.keys()


def test_characters_that_are_words_have_one_entry_and_nearly_the_whole_vocabulary():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 600)))
    entries = train_tokenizer("wordpiece", [text] * 3, 700, lowercase=True).backend.get_vocab()
    assert set(text) <= entries.keys()
    assert not any(f"##{character}" in entries for character in text)


def test_unigram_that_cannot_fit_says_so():
    with pytest.raises(ValueError, match="raise vocab_size"):
        train_tokenizer("unigram", ["".join(map(chr, range(0x4E00, 0x4F00)))], 100, lowercase=True)


def test_unigram_is_the_same_whenever_trained(tmp_path):
    lines = [" ".join(random.Random(n).choices(" ".join(LINES).split(), k=8)) for n in range(300)]
    code = "import sys, json; from electra.text.vocabulary import train_tokenizer as t; " \
           "print(t('unigram', json.load(sys.stdin), 120, True).hash)"  # fmt: skip
    hashes = {
        subprocess.run([sys.executable, "-c", code], input=json.dumps(lines), text=True, capture_output=True).stdout
        for _ in range(3)
    }
    assert len(hashes) == 1 and len(hashes.pop()) > 60


def test_a_bpe_smaller_than_its_bytes_is_refused():
    with pytest.raises(ValueError, match="at least 260 entries"):
        train_tokenizer("bpe", LINES, 100, lowercase=True)


# -- runs without a blank ----------------------------------------------------------------------------------------------

BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
RUNS = {
    "protein": "".join(random.Random(0).choices("ACDEFGHIKLMNPQRSTVWY", k=1200)),
    "kana": "".join(random.Random(1).choices("あいうえおかきくけこさしすせそ", k=777)),
    "thai": "กำลังที่นี่น้ำ" * 70,
    "decomposed": "e\u0301" * 450,
    "marks alone": "a" + "\u0301" * 450,
    "emoji": "👨‍👩‍👧😀" * 90,
    "a link": "https://example.org/" + "aGVsbG8gd29ybGQ" * 60,
}


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
@pytest.mark.parametrize("name", RUNS)
def test_a_long_run_is_read_to_its_last_character(kind, name, tmp_path):
    transformers = pytest.importorskip("transformers")
    run = RUNS[name]
    tokenizer = train_tokenizer(kind, [run] * 3, 300, lowercase=True)
    encoding = tokenizer.encode(run)
    covered = {at for start, end in encoding.offsets for at in range(start, end)}
    assert tokenizer.unk_id not in encoding.ids
    assert all(at in covered or unicodedata.category(run[at])[0] in "CM" for at in range(len(run)))
    tokenizer.save(tmp_path)
    assert load_tokenizer(tmp_path).hash == tokenizer.hash
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert (
        theirs(run, add_special_tokens=False).input_ids == encoding.ids == WordCache(tokenizer).encode_lines([run])[0]
    )


@pytest.mark.parametrize("limit", [2, 100, 200])
def test_a_file_without_the_cut_is_cut_at_its_own_limit_and_keeps_its_hash(limit, tmp_path):
    vocabulary = {token: index for index, token in enumerate([*BERT, "a", "##a"])}
    backend = bert_wordpiece(vocabulary, of_bert(lowercase=True))
    backend.model.max_input_chars_per_word = limit
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode("a" * limit).ids == backend.encode("a" * limit).ids
    assert backend.encode("a" * (limit + 1)).ids == [1]
    assert tokenizer.encode("a" * (2 * limit + 1)).ids == 2 * [5, *[6] * (limit - 1)] + [5]
    assert Tokenizer(Tokenizer(tokenizer.backend, tokenizer.roles).backend, tokenizer.roles).hash == tokenizer.hash
    tokenizer.save(tmp_path / "saved")
    assert load_tokenizer(tmp_path / "saved").hash == tokenizer.hash
    assert load_tokenizer(tmp_path / "saved").encode("a" * 999).ids == tokenizer.encode("a" * 999).ids


def test_a_tokeniser_without_pre_tokeniser_is_cut_too():
    backend = tokenizers.Tokenizer(bert_wordpiece(dict(zip([*BERT, "a", "##a"], range(7))), of_bert(True)).model)
    tokenizer = Tokenizer(backend, {f"{name[1:-1].lower()}_token": name for name in BERT})
    assert Tokenizer(tokenizer.backend, tokenizer.roles).hash == tokenizer.hash
    assert tokenizer.encode("a" * 201).ids == [5, *[6] * 199, 5]


# -- accents and other marks -------------------------------------------------------------------------------------------

MARKED = ["हिन्दी प्रमुख भाषा", "På en gård", "Tiếng Việt", "السَّلَامُ عَلَيْكُمْ", "שָׁלוֹם", "Ångström", "ที่นี่"]


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
@pytest.mark.parametrize("text", MARKED)
def test_marks_are_kept_unless_they_are_to_be_stripped(kind, text):
    lines = [*LINES, *[text] * 3]
    kept, stripped = (train_tokenizer(kind, lines, 250, True, strip) for strip in (False, True))
    decoded = kept.backend.decode(kept.encode(text).ids)
    assert normalised(decoded) == normalised(text)
    assert kept.encode(unicodedata.normalize("NFD", text)).ids == kept.encode(text).ids
    bare = stripped.backend.decode(stripped.encode(text).ids)
    assert bare != decoded and not any(unicodedata.category(c) == "Mn" for c in unicodedata.normalize("NFD", bare))
    assert (strips_accents(kept.backend), strips_accents(stripped.backend)) == (False, True)


def normalised(text):
    return unicodedata.normalize("NFC", text.lower())


def test_what_a_folder_says_of_case_and_accents(tmp_path):
    for lowercase in (False, True):
        for strip in (False, True):
            tokenizer = train_tokenizer("wordpiece", LINES, 200, lowercase, strip)
            tokenizer.save(tmp_path)
            said = json.loads((tmp_path / "tokenizer_config.json").read_text())
            assert (said["do_lower_case"], said["strip_accents"]) == (lowercase, strip)
            (tmp_path / "tokenizer.json").unlink()
            assert load_tokenizer(tmp_path).encode("Cafés").ids == tokenizer.encode("Cafés").ids  # from vocab.txt


@pytest.mark.parametrize(
    ("settings", "read"), [("{}", "pa"), ('{"strip_accents": false}', "på"), ('{"do_lower_case": false}', "På")]
)
def test_a_vocab_txt_strips_accents_as_its_files_say(settings, read, tmp_path):
    write_vocabulary(tmp_path / "vocab.txt", *BERT, "pa", "på", "På")
    (tmp_path / "tokenizer_config.json").write_text(settings)
    assert load_tokenizer(tmp_path).encode("På").tokens == [read]


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
@pytest.mark.parametrize("strip", [False, True])
def test_the_turkish_i_leaves_offsets_exact(kind, strip):
    text = "İSTANBUL'da Iğdır ılık, İİİ ISPARTA İ"
    tokenizer = train_tokenizer(kind, [text] * 3, 320, lowercase=True, strip_accents=strip)
    encoding = tokenizer.encode(text)
    ends = [end for _, end in encoding.offsets]
    assert ends == sorted(ends) and ends[-1] == len(text) and tokenizer.unk_id not in encoding.ids
    assert [text[s.start : s.end] for s in spans_in_text(text, encoding)][-1] == "İ"


def test_the_cut_of_long_runs_is_taken_off_a_sequence_of_steps(tmp_path):
    model = models.WordPiece({token: n for n, token in enumerate([*BERT, "a", "##a"])}, unk_token="[UNK]")
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits()])
    tokenizer = Tokenizer(backend, dict(zip(ROLES, BERT, strict=True)))
    tokenizer.save(tmp_path)
    again = load_tokenizer(tmp_path)
    assert (again.hash, again.backend.to_str()) == (tokenizer.hash, tokenizer.backend.to_str())


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
@pytest.mark.parametrize(
    "text",
    [
        "\u1112\u1161\u11ab\u1100\u116e\u11a8 \u110b\u1165",
        "ﾊﾞﾅﾅ ﾊﾟ",
        "क\u093c य\u093c",
        "Nguye\u0302\u0303 a\u0323\u0302",
    ],
    ids=["hangul", "half-width kana", "nukta", "vietnamese"],
)
def test_words_end_behind_what_is_composed_with_their_last_letter(kind, text):
    tokenizer = train_tokenizer(kind, [*LINES, text], 400 if kind == "bpe" else 200, lowercase=True)
    spans = spans_in_text(text, tokenizer.encode(text))
    first, second = text.split()
    assert (spans[-1].end, "".join(text[s.start : s.end] for s in spans)) == (len(text), first + second)
    assert any(s.end == len(first) for s in spans)


def test_a_piece_that_begins_with_the_dot_of_a_turkish_capital_has_its_place():
    tokens = {token: n for n, token in enumerate([*BERT, "b", "##i", "##\u0307m", "##r"])}
    backend = bert_wordpiece(tokens, of_words(lowercase=True, strip_accents=False))
    encoding = Tokenizer(backend, dict(zip(ROLES, BERT, strict=True))).encode("BİM BİM")
    assert [ascii(token) for token in encoding.tokens[:3]] == [ascii(token) for token in ("b", "##i", "##\u0307m")]
    assert encoding.offsets == [(0, 1), (1, 2), (1, 3), (4, 5), (5, 6), (5, 7)]
    assert [span[:2] for span in spans_in_text("BİM BİM", encoding)] == [(0, 3), (4, 7)]


# -- words remembered --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def caches():
    return [WordCache(train_tokenizer("wordpiece", LINES, 200, lowercase)) for lowercase in (True, False)]


ODD = st.sampled_from(
    ["\t", "\xa0", "\u2028", "\x1c", "\x00", "\u0301", "Σ", "ς", "İ", "ﬁ", "東", "[MASK]", "[", "—", "'", "\ufffd"]
)
WORD = st.one_of(st.sampled_from(" ".join(LINES).split()), ODD, st.text(max_size=5))


@given(st.lists(st.lists(st.one_of(WORD, st.just(" ")), max_size=12).map("".join), max_size=6))
def test_remembered_words_have_the_ids_that_they_have_in_their_line(caches, lines):
    for cache in caches:
        whole = cache.tokenizer.encode_lines(lines)
        assert cache.encode_lines(lines) == whole
        assert cache.encode_lines(lines) == whole  # now that all are known


@given(st.lists(st.lists(st.one_of(WORD, st.just(" ")), max_size=12).map("".join), max_size=6))
def test_characters_counted_as_lost_are_those_of_unknown_tokens(caches, lines):
    for cache in caches:
        for _ in range(2):  # the second time all words are known
            losses = Losses(cache.tokenizer)
            losses.add(lines, cache.encode_and_count(lines)[1])
            assert losses.lost == sum(len(losses.unknown_part(line)) for line in lines)


@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_words_with_an_unknown_token_are_counted(kind):
    cache = WordCache(train_tokenizer(kind, LINES, 200, lowercase=True))
    assert cache.encode_and_count(["a 東京 fox 東京", "the fox", "東京 ☃"])[1].keys() >= {"東京", "☃"}
    losses = Losses(cache.tokenizer)
    losses.add(lines := ["a 東京 fox 東京", "the fox", "東京 ☃"], cache.encode_and_count(lines)[1])
    assert (losses.lost, losses.missing, losses.words) == (7, {"東": 3, "京": 3, "☃": 1}, 8)


def test_what_is_forgotten_is_encoded_anew(caches, monkeypatch):
    monkeypatch.setattr(word_cache, "MOST", 20)
    cache = WordCache(caches[0].tokenizer)
    long = "generator" * 10
    for line in (*LINES[:30], f"a {long} {long}"):
        assert cache.encode_lines([line]) == cache.tokenizer.encode_lines([line])
        assert len(cache.known) <= 20
    assert long not in cache.known
    assert cache.encode_and_count([unknown := "東" * 40])[1] == {unknown: 1} and unknown not in cache.known.apart


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_where_words_do_not_stand_alone_lines_are_encoded_whole(kind):
    tokenizer = train_tokenizer(kind, LINES, 400 if kind == "bpe" else 200, lowercase=True)
    cache = WordCache(tokenizer)
    assert cache.encode_lines([TEXT]) == tokenizer.encode_lines([TEXT])
    assert not cache.known


def test_an_added_token_may_hold_a_space():
    tokenizer = train_tokenizer("wordpiece", LINES, 200, lowercase=True)
    tokenizer.backend.add_tokens(["quick fox"])
    assert WordCache(tokenizer).encode_lines(["the quick fox"]) == tokenizer.encode_lines(["the quick fox"])
    assert tokenizer.backend.token_to_id("quick fox") in tokenizer.encode_lines(["the quick fox"])[0]
