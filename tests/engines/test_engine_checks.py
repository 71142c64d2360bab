"""What an engine accepts, how far each text has to be read, and what is refused, in full."""

from dataclasses import replace

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.engines.engine import batches, check_pixels, check_tokens, end_token, needed_lengths, needs_all
from wordsight.engines.fake import FakeEngine

SPEC = FakeEngine().spec  # 32 pixels; 49,408 tokens, the largest ends a text; reads there
PATCHES = replace(SPEC, preprocess=replace(SPEC.preprocess, resize="patches", patch=8, max_patches=16))


def with_text(**values):
    return replace(SPEC, text=replace(SPEC.text, **values))


def message(call):
    with pytest.raises(UsageError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("shape", [(0, 32, 32, 3), (1, 32, 32, 3), (5, 32, 32, 3)])
def test_pixels_of_the_models_size_pass_as_they_are(shape):
    pixels = np.zeros(shape, np.uint8)
    assert check_pixels(pixels, SPEC) is pixels


@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (2, 16, 8, 3), (0, 8, 8, 3), (1, 800, 8, 3)])
def test_pixels_of_whole_patches_pass_where_the_shape_is_kept(shape):
    assert check_pixels(np.zeros(shape, np.uint8), PATCHES).shape == shape


@pytest.mark.parametrize("shape", [(1, 9, 8, 3), (1, 8, 12, 3), (1, 0, 8, 3), (1, 8, 0, 3), (8, 8, 3), (1, 8, 8, 4)])
def test_pixels_of_broken_patches_do_not(shape):
    assert message(lambda: check_pixels(np.zeros(shape, np.uint8), PATCHES)) == (
        f"pixels of shape {shape} and type uint8; "
        "fake wants uint8 (B, H, W, 3), H and W multiples of 8; wordsight.images.transform makes them"
    )


@pytest.mark.parametrize("kind", ["float32", "int64", "int8"])
def test_pixels_are_bytes(kind):
    assert message(lambda: check_pixels(np.zeros((1, 32, 32, 3), kind), SPEC)) == (
        f"pixels of shape (1, 32, 32, 3) and type {kind}; "
        "fake wants uint8 (B, 32, 32, 3); wordsight.images.transform makes them"
    )


def test_tokens_become_int32_and_are_not_copied_when_they_are():
    tokens = np.array([[49406, 5, 49407]], np.int32)
    assert check_tokens(tokens, SPEC) is tokens
    for kind in (np.int64, np.uint16, np.uint32):
        checked = check_tokens(tokens.astype(kind), SPEC)
        assert checked.dtype == np.int32 and checked.tolist() == tokens.tolist()


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (np.zeros((1, 78), np.int32), "tokens of shape (1, 78) and type int32; fake wants int32 (B, L) with L from 1 to 77"),
        (np.zeros((1, 0), np.int32), "tokens of shape (1, 0) and type int32; fake wants int32 (B, L) with L from 1 to 77"),
        (np.zeros(3, np.int32), "tokens of shape (3,) and type int32; fake wants int32 (B, L) with L from 1 to 77"),
        (np.zeros((1, 3)), "tokens of shape (1, 3) and type float64; fake wants int32 (B, L) with L from 1 to 77"),
        (
            np.array([[49407, 49408]]),
            "token ids from 49407 to 49408; fake has 49408 tokens; use the tokenizer that belongs to it",
        ),
        (
            np.array([[49407, -1]]),
            "token ids from -1 to 49407; fake has 49408 tokens; use the tokenizer that belongs to it",
        ),
        (
            np.array([[1, 49407], [49407, 1], [1, 2], [3, 4]]),
            "row 2 of the tokens has no end token; end every row with 49407",
        ),
    ],
)  # fmt: skip
def test_tokens_that_cannot_be_read(tokens, said):
    assert message(lambda: check_tokens(tokens, SPEC)) == said


def test_the_border_of_length_and_ids():
    assert check_tokens(np.array([[49407]]), SPEC).shape == (1, 1)
    assert check_tokens(np.full((1, 77), 49407), SPEC).shape == (1, 77)
    assert check_tokens(np.array([[0, 49407]]), SPEC).shape == (1, 2)
    assert check_tokens(np.zeros((0, 5), np.int32), SPEC).shape == (0, 5)


def test_towers_that_read_the_padding_want_all_of_it():
    spec = with_text(mask="none", pool="last")
    assert needs_all(spec) and not needs_all(SPEC)
    assert message(lambda: check_tokens(np.zeros((2, 5), np.int32), spec)) == (
        "tokens of shape (2, 5); fake reads the padding too: give 77 columns, as its tokenizer does"
    )
    assert check_tokens(np.zeros((2, 77), np.int32), spec).shape == (2, 77)
    assert needed_lengths(np.zeros((2, 77), np.int32), spec).tolist() == [77, 77]


def test_which_token_has_to_be_there():
    assert end_token(SPEC) == 49407
    assert end_token(with_text(end_id=7)) == 7
    assert end_token(with_text(pool="last")) is None
    tokenizer = replace(SPEC.tokenizer, end_id=9)
    assert end_token(replace(SPEC, tokenizer=tokenizer)) == 9
    assert end_token(replace(SPEC, tokenizer=replace(SPEC.tokenizer, keep_end=False))) is None
    assert end_token(replace(SPEC, tokenizer=replace(SPEC.tokenizer, kind="tokenizers"))) is None


def test_a_text_is_read_up_to_its_first_end():
    tokens = np.array([[49406, 5, 49407, 0, 0], [49406, 49407, 3, 49407, 0], [1, 2, 3, 4, 49407]], np.int32)
    assert needed_lengths(tokens, SPEC).tolist() == [3, 2, 5]
    assert needed_lengths(np.array([[7, 5, 7, 49407], [1, 2, 3, 7]], np.int32), with_text(end_id=7)).tolist() == [1, 4]


def test_a_text_is_read_up_to_its_padding_where_that_is_not_seen():
    tokens = np.array([[5, 0, 6, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 9]], np.int32)
    assert needed_lengths(tokens, with_text(mask="padding", pool="first")).tolist() == [3, 5, 5, 5]


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(0, 4, []), (1, 4, [1]), (4, 4, [4]), (5, 4, [4, 1]), (8, 4, [4, 4]), (9, 1, [1] * 9)]
)
def test_pieces_are_full_and_none_is_lost(count, size, sizes):
    pieces = list(batches(np.arange(count), size))
    assert [len(piece) for piece in pieces] == sizes
    assert [row for piece in pieces for row in piece] == list(range(count))


def test_a_text_is_read_whole_where_another_token_than_its_end_is_read():
    tokens = np.array([[5, 0, 6, 0, 0], [49406, 49407, 0, 0, 0]], np.int32)
    assert needed_lengths(tokens, with_text(pool="last")).tolist() == [5, 5]
