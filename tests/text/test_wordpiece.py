"""BERT's WordPiece, token for token that of the package `tokenizers`."""

import os
import random
import sys
import unicodedata
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from wordsight.base.errors import ConfigError, FormatError, NotFound, UsageError
from wordsight.text.bert_words import bert_words
from wordsight.text.open import open_tokenizer
from wordsight.text.padding import check_tokenizer
from wordsight.text.spec import TokenizerSpec
from wordsight.text.wordpiece import SPECIALS, WordPieceTokenizer, read_list

LETTERS = "abcdefghijklmnopqrstuvwxyzABCé漢字ßσςΣ0129-.'!$[]#"
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *("red", "shoe", "run", "##ning", "un", "##believ", "##able", "Red", "caf", "##café", "b\u0301"),
]
FILE = "\n".join(VOCABULARY).encode() + b"\n"
SPEC = TokenizerSpec(kind="wordpiece", vocabulary_size=len(VOCABULARY), context_length=16, cleaning="none")
WAYS = list(product((True, False), (None, True, False), (True, False)))
NFD = tokenizers.normalizers.NFD()
# not those that one of the two knows as letters, or as composed, and the other not yet: of Unicode 13 and later
NEWER = {
    one
    for one in map(chr, range(0x10500, 0x20000))
    if NFD.normalize_str(one) != unicodedata.normalize("NFD", one) or unicodedata.category(one) == "Cn"
}
KNOWN = [
    one
    for one in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(one) not in ("Cn", "Cs") and one not in NEWER
]
KINDS: dict[str, list[str]] = {}
for one in KNOWN:
    KINDS.setdefault(unicodedata.category(one), []).append(one)
PARTS = [
    *SPECIALS,
    *("[mask]", "[MASK", "[[SEP]]", "red", "Running", "unbelievables", "cafe\u0301", "CAFÉ", "İstanbul", "ΣΊΣΥΦΟΣ"),
    *("don't", "U.S.A.", "$5", "x" * 100, "x" * 101, "a\x00b", "a\x1fb", "\ufffd", "\u200d", "ﬁ", "½", "漢字かな"),
    *("👩\u200d👩", "\t", "\r\n", "\x0b", "\x85", "\u2028", "\u3000", "", "e\u0323\u0301", "한국어", "\ue000"),
]


def theirs(lower, accents, chinese):
    backend = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(
            {token: number for number, token in enumerate(VOCABULARY)}, unk_token="[UNK]", max_input_chars_per_word=100
        )
    )
    backend.normalizer = tokenizers.normalizers.BertNormalizer(
        lowercase=lower, strip_accents=accents, handle_chinese_chars=chinese
    )
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens(list(SPECIALS))
    return lambda text: backend.encode(text, add_special_tokens=False).ids


def ours(lower, accents, chinese):
    spec = replace(SPEC, lower_case=lower, strip_accents=accents, split_chinese=chinese)
    return WordPieceTokenizer.from_bytes(FILE, spec)


def drawn_text(generator):
    parts = []
    for _ in range(generator.randint(0, 10)):
        if generator.random() < 0.5:
            parts.append(generator.choice(PARTS))
        else:
            kinds = generator.choices(list(KINDS), k=generator.randint(1, 5))
            parts.append("".join(generator.choice(KINDS[kind]) for kind in kinds))
    return generator.choice(["", " ", "\n"]).join(parts)


@pytest.mark.parametrize(("lower", "accents", "chinese"), WAYS)
def test_random_texts_have_the_tokens_of_the_package_tokenizers(lower, accents, chinese):
    generator = random.Random(f"{lower}{accents}{chinese}")
    encode, expected = ours(lower, accents, chinese).encode, theirs(lower, accents, chinese)
    for _ in range(300):
        text = drawn_text(generator)
        assert encode(text) == expected(text), repr(text)
    for text in PARTS:
        assert encode(text) == expected(text), repr(text)


def test_every_character_is_cleaned_as_the_package_tokenizers_does():
    """All of Unicode, known to Python or not; what either lowers is not compared here."""
    clean = tokenizers.normalizers.BertNormalizer(lowercase=False, strip_accents=None, handle_chinese_chars=True)
    cut = tokenizers.pre_tokenizers.BertPreTokenizer()
    spec = replace(SPEC, lower_case=False)
    for start in range(0, sys.maxunicode, 64):
        codes = [code for code in range(start, start + 64) if not 0xD800 <= code < 0xE000]
        text = "".join(f"a{chr(code)}b" for code in codes)
        expected = [word for word, _ in cut.pre_tokenize_str(clean.normalize_str(text))]
        assert bert_words(text, spec) == expected, hex(start)


def test_accents_of_every_known_character_are_stripped_as_the_package_tokenizers_does():
    strip = tokenizers.normalizers.BertNormalizer(
        clean_text=True, lowercase=True, strip_accents=True, handle_chinese_chars=False
    )
    cut = tokenizers.pre_tokenizers.BertPreTokenizer()
    spec = replace(SPEC, split_chinese=False)
    for start in range(0, len(KNOWN), 64):
        text = "".join(f"a{character}b" for character in KNOWN[start : start + 64])
        expected = [word for word, _ in cut.pre_tokenize_str(strip.normalize_str(text))]
        assert bert_words(text, spec) == expected, hex(ord(KNOWN[start]))
    assert len([one for one in NEWER if unicodedata.category(one) != "Cn"]) < 40


def test_ascii_takes_the_short_way_to_the_same_words():
    text = "".join(map(chr, range(128))) + "Red SHOES"
    assert bert_words(text, SPEC) == bert_words(text + "\u200d", SPEC)  # which is dropped


def test_a_batch_is_surrounded_and_padded(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(FILE)
    tokenizer = open_tokenizer(replace(SPEC, vocabulary_size=200), tmp_path)
    red, shoe, s = (VOCABULARY.index(token) for token in ("red", "shoe", "##s"))
    s = len(VOCABULARY) - 1 - VOCABULARY[::-1].index("##s")  # of the same token twice the last line counts
    rows = tokenizer.batch(["Red shoes", ""], pad_to="longest")
    assert rows.dtype == np.int32
    assert rows.tolist() == [[2, red, shoe, s, 3], [2, 3, 0, 0, 0]]
    assert tokenizer.batch(["red " * 40]).tolist() == [[2, *[red] * 14, 3]]
    other = WordPieceTokenizer.from_bytes(FILE, replace(SPEC, start_id=7, end_id=8))
    assert other.batch(["red"], pad_to="longest").tolist() == [[7, red, 8]]
    assert tokenizer.size == len(VOCABULARY)
    assert tokenizer.decode(rows[0]) == "red shoes"
    with pytest.raises(UsageError, match="write"):
        tokenizer.batch("red")
    with pytest.raises(UsageError, match="token 900 is not in the vocabulary"):
        tokenizer.decode([900])


def test_a_shorter_list_is_a_vocabulary_too():
    lines = [token for token in VOCABULARY if token not in ("red", "##ning")]
    tokenizer = WordPieceTokenizer.from_bytes("\n".join(lines).encode(), SPEC)
    named = {number: token for token, number in read_list("\n".join(lines).encode()).items()}
    assert [named[one] for one in tokenizer.encode("red running [MASK]")] == [
        *("r", "##e", "##d", "run", "##n", "##i", "##n", "##g", "[MASK]")
    ]


def test_a_list_is_read_anew_when_it_changes(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes(FILE)
    before = open_tokenizer(SPEC, tmp_path).encode("red")
    path.write_bytes(FILE.replace(b"\n", b"\r\n"))
    assert open_tokenizer(SPEC, tmp_path).encode("red") == before
    path.write_bytes(FILE.replace(b"red\n", b"rad\n"))
    os.utime(path, ns=(1, 1))
    assert open_tokenizer(SPEC, tmp_path).encode("red") != before


def test_words_are_cached_within_bounds(monkeypatch):
    monkeypatch.setattr("wordsight.text.wordpiece._CACHED_PRE_TOKENS", 10)
    tokenizer = WordPieceTokenizer.from_bytes(FILE, SPEC)
    texts = ["".join(pair) for pair in product("abcd", "efgh")]
    assert [tokenizer.encode(text) for text in texts] == [theirs(True, None, True)(text) for text in texts]
    assert tokenizer.encode("[SEP]") == [3]
    assert len(tokenizer._known) <= 10


def test_what_is_no_vocabulary_is_refused(tmp_path):
    with pytest.raises(NotFound) as caught:
        open_tokenizer(SPEC, tmp_path)
    assert str(caught.value).startswith(f"no file {tmp_path / 'vocab.txt'}; ")
    with pytest.raises(UsageError, match="give the folder that holds vocab.txt"):
        open_tokenizer(SPEC)
    cases = {
        "vocab.txt has no [UNK], [SEP]; restore the file": b"a\n[CLS]\n",
        "vocab.txt has 112 entries, the model's card says 5; restore the file that belongs to the model": FILE,
        "vocab.txt has 'a' on line 2 and again on line 4; each line is the id of one token: "
        "restore the file that belongs to the model": b"[CLS]\na\n[SEP]\r\na\n[UNK]",
        "vocab.txt is not text: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte; "
        "restore the file": b"\xff",
    }
    for message, data in cases.items():
        with pytest.raises(FormatError) as refused:
            WordPieceTokenizer.from_bytes(data, replace(SPEC, vocabulary_size=5))
        assert str(refused.value) == message


def test_its_settings_are_for_it_alone():
    check_tokenizer(replace(SPEC, lower_case=False))
    for name, value in (("lower_case", False), ("strip_accents", True), ("split_chinese", False)):
        with pytest.raises(ConfigError) as caught:
            check_tokenizer(replace(TokenizerSpec(), **{name: value}))
        assert str(caught.value) == (
            f'tokenizer.{name} = {value} with tokenizer.kind = "clip-bpe"; only "wordpiece" has it: leave it out'
        )


def test_the_table_lies_in_the_package():
    import wordsight.text

    table = Path(wordsight.text.__file__).parent / "tables" / "bert-characters.txt"
    assert [line.split()[0] for line in table.read_text("ascii").splitlines()] == [
        *("dropped", "spaces", "accents", "chinese", "punctuation")
    ]
