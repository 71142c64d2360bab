"""Shorter vocabularies of text encoders."""

from dataclasses import replace

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.text.spec import TokenizerSpec
from wordsight.text.wordpiece import WordPieceTokenizer
from wordsight.towers.bert.spec import BertSpec
from wordsight.weights.trim import TABLE, trimmed
from wordsight.weights.trunk import TextTrunk

TOKENS = ["[UNK]", "dog", "[PAD]", "cat", "[CLS]", "##s", "[SEP]", "d", "##o", "##g", "##gs", "[MASK]"]
SPEC = TokenizerSpec(
    kind="wordpiece", vocabulary_size=12, context_length=9, cleaning="none", pad_id=2, start_id=4, end_id=6
)
TRUNK = TextTrunk(
    BertSpec(context_length=9, vocabulary_size=12, pad_id=2, width=4, heads=2),
    SPEC,
    {TABLE: np.arange(48, dtype=np.float32).reshape(12, 4), "text.ln_pre.bias": np.ones(4, np.float32)},
    {"vocab.txt": "\n".join(TOKENS).encode()},
)


def test_what_is_left_out_falls_apart_into_what_stays():
    small = trimmed(TRUNK, ["cat", "of no list"])
    kept = small.tokenizer_files["vocab.txt"].decode().split()
    assert kept == ["[UNK]", "[PAD]", "cat", "[CLS]", "##s", "[SEP]", "d", "##o", "##g", "[MASK]"]
    np.testing.assert_array_equal(small.weights[TABLE][:, 0] // 4, [TOKENS.index(token) for token in kept])
    assert small.spec.vocabulary_size == small.tokenizer.vocabulary_size == 10
    tokenizer = WordPieceTokenizer.from_bytes(small.tokenizer_files["vocab.txt"], small.tokenizer)
    rows = tokenizer.batch(["dogs cat", ""], pad_to="longest")
    assert [[kept[token] for token in row] for row in rows] == [
        ["[CLS]", "d", "##o", "##g", "##s", "cat", "[SEP]"],
        ["[CLS]", "[SEP]", *["[PAD]"] * 5],
    ]
    assert small.spec.pad_id == small.tokenizer.pad_id == 1
    assert small.left_out == (f"{TABLE}: 2 tokens",)


def test_other_tokenizers_are_not_trimmed():
    with pytest.raises(UsageError) as caught:
        trimmed(replace(TRUNK, tokenizer=replace(SPEC, kind="tokenizers"), tokenizer_files={}), [])
    assert str(caught.value) == "a tokenizer of kind tokenizers has no vocab.txt; only wordpiece is trimmed"
