"""Where results lie, which types they have, and what the refusals say in full."""

import sys

import pytest
import torch

import wordsight
from wordsight.base.errors import MissingExtra, UsageError
from wordsight.losses.positives import same_pairs
from wordsight.losses.sigmoid import sigmoid_loss, sigmoid_loss_of
from wordsight.losses.softmax import softmax_loss, softmax_loss_of


def on_meta(*shape, dtype=torch.float32):
    """A tensor of a device that is not the processor: whatever mixes the two fails."""
    return torch.empty(*shape, dtype=dtype, device="meta")


@pytest.mark.parametrize("with_positives", [False, True])
@pytest.mark.parametrize("loss_of", [softmax_loss_of, sigmoid_loss_of])
def test_everything_a_loss_makes_lies_where_its_logits_lie(loss_of, with_positives):
    positives = on_meta(4, 4, dtype=torch.bool) if with_positives else None
    loss = loss_of(on_meta(4, 4), positives)
    assert (loss.device.type, loss.shape) == ("meta", ())


def test_same_pairs_lie_where_the_images_lie():
    assert same_pairs(on_meta(3, dtype=torch.int64), [1, 2, 3]).device.type == "meta"
    assert same_pairs([1, 2, 3], torch.tensor([1, 2, 3])).device.type == "cpu"


def test_no_pairs_are_no_numbers_of_another_type():
    assert same_pairs([], []).shape == (0, 0)
    assert same_pairs([], []).dtype == torch.bool


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_losses_are_computed_in_float32_at_least(dtype):
    torch.manual_seed(0)
    image, text = torch.nn.functional.normalize(torch.randn(2, 6, 5), dim=-1).to(dtype)
    wide = torch.promote_types(dtype, torch.float32)
    for loss, exact in (
        (softmax_loss(image, text, 50.0), softmax_loss(image.to(wide), text.to(wide), 50.0)),
        (sigmoid_loss(image, text, 50.0, -10.0), sigmoid_loss(image.to(wide), text.to(wide), 50.0, -10.0)),
    ):
        assert loss.dtype == wide
        assert torch.equal(loss, exact)


def test_image_and_text_of_two_types_meet_in_the_wider_one():
    torch.manual_seed(0)
    image, text = torch.nn.functional.normalize(torch.randn(2, 6, 5), dim=-1)
    assert torch.equal(softmax_loss(image, text.bfloat16(), 9.0), softmax_loss(image, text.bfloat16().float(), 9.0))
    assert torch.equal(softmax_loss(image.bfloat16(), text, 9.0), softmax_loss(image.bfloat16().float(), text, 9.0))


def test_ready_logits_keep_their_type():
    for dtype in (torch.float32, torch.float64):
        logits = torch.zeros(3, 3, dtype=dtype)
        assert softmax_loss_of(logits).dtype == sigmoid_loss_of(logits).dtype == dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: softmax_loss(torch.ones(2, 3), torch.ones(4, 3), 1.0),
            "image embeddings (2, 3) and text embeddings (4, 3); "
            "give as many of each, both (B, D); row i of one belongs to row i of the other",
        ),
        (
            lambda: sigmoid_loss(torch.ones(3), torch.ones(3), 1.0, 0.0),
            "image embeddings (3,) and text embeddings (3,); "
            "give as many of each, both (B, D); row i of one belongs to row i of the other",
        ),
        (
            lambda: softmax_loss_of(torch.ones(2, 2), torch.ones(2, 2)),
            "positives of torch.float32, shape (2, 2); give torch.bool (2, 2)",
        ),
        (
            lambda: sigmoid_loss_of(torch.ones(2, 2), torch.ones(2, dtype=torch.bool)),
            "positives of torch.bool, shape (2,); give torch.bool (2, 2)",
        ),
        (lambda: same_pairs([1, 2], [1]), "2 image ids and 1 text ids; give one of each for every pair"),
    ],
)
def test_a_refusal_names_the_shapes_and_the_cure(call, message):
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value) == message


def test_the_public_names_are_listed():
    assert dir(wordsight.losses) == ["same_pairs", "sigmoid_loss", "softmax_loss"]


def test_without_pytorch_the_install_command_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "wordsight.losses.softmax")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra) as caught:
        _ = wordsight.losses.softmax_loss
    assert str(caught.value) == "this needs the package torch; pip install 'wordsight[train]'"
