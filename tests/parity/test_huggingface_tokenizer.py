"""Tokens of transformers' folders, row by row: every form in which a tokenizer lies there, and written back."""

import gzip
import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
from huggingface_side import TEXTS, clip_tokenizer, gemma_tokenizer, sentencepiece_bytes, siglip_tokenizer, small_merges
from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer

from wordsight.base.errors import FormatError
from wordsight.text.open import open_tokenizer
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.huggingface.read_tokenizer import read_tokenizer
from wordsight.weights.formats.huggingface.write_tokenizer import tokenizer_files
from wordsight.weights.formats.tokenizers.sentencepiece import piece_ids

HARD = [
    *TEXTS,
    "  begins and   ends with space \n\t",
    "ΑΣ ΟΔΟΣ ΣΑΣ",
    "İstanbul ﬁne ½ cafe\u0301",
    "it's 2024's 12 o'clock, we'll'd",
    "<|endoftext|> in the middle <|startoftext|>",
    "a_b -- (c) [d]? 犬と猫 🐕",
    "don\u2019t\u00a0break\u3000spaces",
    "!!!",
]


def text_of(layout, size):
    if layout == "clip":
        return ClipTextSpec(vocabulary_size=size, context_length=12, end_id=size - 1)
    return ClipTextSpec(vocabulary_size=size, context_length=12, mask="none", pool="last", projection="linear")


def their_tokens(folder, layout):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(HARD, padding="max_length", truncation=True, max_length=12, return_tensors="np")
    return tokens["input_ids"]


def same(folder, layout, size, tmp_path):
    """Our tokens of a folder are transformers', and those of the folder that we write."""
    (folder / "config.json").write_text(json.dumps({"model_type": layout}), encoding="utf-8")
    text = text_of(layout, size)
    tokenizer = read_tokenizer(CheckpointFiles(folder), layout, text)
    for name, content in tokenizer.files.items():
        (tmp_path / name).write_bytes(content)
    expected = their_tokens(folder, layout)
    assert np.array_equal(open_tokenizer(tokenizer.spec, tmp_path).batch(HARD), expected)
    back = tmp_path / "back"
    back.mkdir()
    for name, content in tokenizer_files(
        ModelSpec("m", text=text, tokenizer=tokenizer.spec), tokenizer.files, layout
    ).items():
        (back / name).write_bytes(content)
    (back / "config.json").write_text(json.dumps({"model_type": layout}), encoding="utf-8")
    assert np.array_equal(their_tokens(back, layout), expected)
    again = read_tokenizer(CheckpointFiles(back), layout, text)
    for name, content in again.files.items():
        (tmp_path / name).write_bytes(content)
    assert np.array_equal(open_tokenizer(again.spec, tmp_path).batch(HARD), expected)
    return tokenizer


@pytest.fixture(scope="module")
def published():
    path = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    return [tuple(line.split()) for line in lines]


def test_published_vocabulary_is_recognised(published, tmp_path):
    folder = tmp_path / "theirs"
    clip_tokenizer(published).save_pretrained(folder)
    tokenizer = same(folder, "clip", 49408, tmp_path)
    assert (tokenizer.spec.vocabulary, tokenizer.files, tokenizer.spec.pad_id) == ("clip", {}, 49407)


def test_published_vocabulary_in_two_files(published, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    vocabulary = clip_tokenizer(published).get_vocab()
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = "".join(f"{left} {right}\n" for left, right in published)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{lines}", encoding="utf-8")
    tokenizer = same(folder, "clip", 49408, tmp_path)
    assert (tokenizer.spec.vocabulary, tokenizer.files, tokenizer.spec.pad_id) == ("clip", {}, 49407)


def test_another_token_fills_up(tmp_path):
    """As in the second text tower of SDXL: transformers then takes `!` out of texts as a special token."""
    folder = tmp_path / "theirs"
    tokenizer = clip_tokenizer(small_merges())
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")) | {"pad_token": "!"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = same(folder, "clip", len(tokenizer), tmp_path)
    assert (tokenizer.spec.kind, tokenizer.spec.pad_id) == ("tokenizers", 0)


def test_own_byte_pairs(tmp_path):
    folder = tmp_path / "theirs"
    tokenizer = clip_tokenizer(small_merges())
    tokenizer.save_pretrained(folder)
    tokenizer = same(folder, "clip", len(tokenizer), tmp_path)
    assert (tokenizer.spec.kind, tokenizer.spec.vocabulary) == ("clip-bpe", "own")


def test_byte_pairs_in_another_order(tmp_path):
    folder = tmp_path / "theirs"
    tokenizer = clip_tokenizer(small_merges())
    tokenizer.save_pretrained(folder)
    whole = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    size = len(tokenizer)
    whole["model"]["vocab"] = {token: (number + 2) % size for token, number in whole["model"]["vocab"].items()}
    for entry in whole["added_tokens"]:
        entry["id"] = (entry["id"] + 2) % size
    whole["post_processor"] = {
        "type": "RobertaProcessing",
        "sep": ["<|endoftext|>", 1],
        "cls": ["<|startoftext|>", 0],
        "trim_offsets": False,
        "add_prefix_space": False,
    }
    (folder / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    tokenizer = same(folder, "clip", size, tmp_path)
    assert tokenizer.spec.kind == "tokenizers"


def test_siglip(tmp_path):
    folder = tmp_path / "theirs"
    siglip_tokenizer(tmp_path).save_pretrained(folder)
    tokenizer = same(folder, "siglip", 200, tmp_path)
    assert (tokenizer.spec.kind, tokenizer.spec.end_id, tokenizer.spec.pad_id) == ("sentencepiece", 1, 1)


@pytest.mark.parametrize("layout", ["siglip", "siglip2"])
def test_gemma(layout, tmp_path):
    folder = tmp_path / "theirs"
    tokenizer = gemma_tokenizer()
    tokenizer.save_pretrained(folder)
    tokenizer = same(folder, layout, len(tokenizer), tmp_path)
    assert (tokenizer.spec.kind, tokenizer.spec.padding, tokenizer.spec.padding_side) == ("tokenizers", "full", "right")


def test_gemma_padded_left(tmp_path):
    folder = tmp_path / "theirs"
    tokenizer = gemma_tokenizer(padding_side="left")
    tokenizer.save_pretrained(folder)
    assert same(folder, "siglip2", len(tokenizer), tmp_path).spec.padding_side == "left"


def test_lower_case_asked_for_beside_the_file(tmp_path):
    """Published SigLIP 2 folders: Gemma's file keeps the case, the configuration asks for lower case."""
    folder = tmp_path / "theirs"
    tokenizer = gemma_tokenizer()
    tokenizer.save_pretrained(folder)
    expected = their_tokens(folder, "siglip2")
    whole = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    whole["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    (folder / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    config |= {"tokenizer_class": "GemmaTokenizer", "do_lower_case": True, "padding_side": "right"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = read_tokenizer(CheckpointFiles(folder), "siglip", text_of("siglip", len(tokenizer)))
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.files["tokenizer.json"])
    assert tokenizer.spec.cleaning == "lower"
    assert np.array_equal(open_tokenizer(tokenizer.spec, tmp_path).batch(HARD), expected)


def test_without_files(tmp_path):
    clip = read_tokenizer(CheckpointFiles(tmp_path), "clip", text_of("clip", 49408))
    assert clip.spec.vocabulary == "clip" and "--tokenizer" in clip.assumed[0]
    for size, name, pad in ((32_000, "c4_en", 1), (250_000, "mC4", 1), (256_000, "Gemma", 0)):
        tokenizer = read_tokenizer(CheckpointFiles(tmp_path), "siglip", text_of("siglip", size))
        assert name in tokenizer.assumed[0] and tokenizer.spec.pad_id == pad and tokenizer.spec.end_id == 1


def test_piece_ids():
    data = sentencepiece_bytes()
    processor = SentencePieceProcessor(model_proto=data)
    assert piece_ids(data) == {processor.id_to_piece(n): n for n in range(processor.get_piece_size())}
    for broken in (b"", data[:50], b"\xff" * 40, b"{}"):
        with pytest.raises(FormatError, match="SentencePiece"):
            piece_ids(broken)
