"""What flows through the towers: the layers, the grid, the pooled rows, and the stand-ins that answer with them."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from wordsight.base.errors import UsageError
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.features import image_states, text_states
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.stand_in import ImageStandIn, TextStandIn
from wordsight.towers.vit.spec import VitSpec

TEXT = ClipTextSpec(context_length=9, vocabulary_size=40, width=24, layers=3, heads=2)
VIT = VitSpec(size=32, width=24, layers=3, heads=2, patch=8)
EVA = EvaSpec(size=32, width=24, layers=3, heads=2, patch=8, projection="linear", rotary="eva", mlp="swiglu")
IMAGES = {
    "class token": VIT,
    "mean, class token beside": dataclasses.replace(VIT, pool="mean", class_token=True),
    "attention": dataclasses.replace(VIT, pool="attention", class_token=False, final_norm="tokens", pre_norm=False),
    "queries": dataclasses.replace(VIT, pool="queries", class_token=True, pool_queries=3),
    "perception": dataclasses.replace(VIT, rotary="perception", pool="attention", final_norm="tokens"),
    "eva": EVA,
    "resnet": ResNetSpec(size=64, width=8, heads=4, stages=(1, 2, 1, 1)),
}


def towers_of(image=VIT, text=TEXT, **preprocess):
    torch.manual_seed(0)
    spec = ModelSpec(
        "t",
        width=20,
        image=image,
        text=text,
        preprocess=PreprocessSpec(**{"size": image.size, **preprocess}),
        tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=40, context_length=9, padding="full"),
    )
    towers = build(spec).eval()
    with torch.no_grad():
        for value in towers.parameters():
            value.add_(0.2 * torch.randn_like(value))
    return towers.requires_grad_(False)


def some_tokens():
    torch.manual_seed(1)
    tokens = torch.randint(1, 39, (4, 9))
    tokens[torch.arange(4), torch.tensor([2, 8, 5, 3])] = 39
    return tokens


@pytest.mark.parametrize("name", IMAGES)
def test_the_last_layer_pooled_and_projected_is_the_embedding(name):
    towers = towers_of(IMAGES[name])
    image = towers.spec.image
    pixels = torch.randn(2, 3, image.size, image.size)
    states = image_states(towers, pixels)
    assert torch.equal(states.embeddings, towers.encode_image(pixels))
    assert torch.equal(states.projected, towers.encode_image(pixels, normalize=False))
    assert torch.equal(towers.visual.project(states.pooled), states.projected)
    count = 5 if image.kind == "resnet" else image.layers + 1
    assert list(states.layers.kept) == list(range(count))
    for a, b in zip(range(count), range(-count, 0), strict=True):
        assert states.layer(a) is states.layer(b)


@pytest.mark.parametrize("name", IMAGES)
def test_the_grid_holds_every_patch_in_its_place(name):
    """The patch whose pixels change is the one whose first state changes."""
    towers = towers_of(IMAGES[name])
    image = towers.spec.image
    pixels = torch.zeros(1, 3, image.size, image.size)
    before = image_states(towers, pixels, layers=[0]).grid(0)
    cell = image.size // before.shape[-1]
    pixels[:, :, cell : 2 * cell, 2 * cell : 3 * cell] = 1.0
    changed = (image_states(towers, pixels, layers=[0]).grid(0) - before).abs().amax(dim=(0, 1))
    assert divmod(int(changed.argmax()), changed.shape[1]) == (1, 2)
    if image.kind != "resnet":
        assert (changed > 1e-6).sum() == 1
    states = image_states(towers, pixels)
    grid, patches = states.grid(-2), states.patches(-2)
    assert torch.equal(grid.flatten(2).transpose(1, 2), patches)
    assert len(patches[0]) == grid.shape[2] * grid.shape[3]


def test_the_patches_leave_out_the_class_token():
    states = image_states(towers_of(), torch.randn(1, 3, 32, 32))
    assert states.layer(-2).shape == (1, 17, 24)
    assert torch.equal(states.patches(-2), states.layer(-2)[:, 1:])


def test_pictures_that_keep_their_shape_have_grids_of_it():
    image = dataclasses.replace(VIT, pool="mean", class_token=False)
    towers = towers_of(image, resize="patches", patch=8, max_patches=20)
    assert image_states(towers, torch.randn(2, 3, 24, 48)).grid(0).shape == (2, 24, 3, 6)


TEXTS = {
    "end": TEXT,
    "last, all seen": dataclasses.replace(TEXT, pool="last", mask="none", projection="linear"),
    "mean, padding hidden": dataclasses.replace(TEXT, pool="mean", mask="padding", layer_scale=True),
    "class": dataclasses.replace(TEXT, pool="class"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_states_end_in_the_embedding(name):
    towers, tokens = towers_of(text=TEXTS[name]), some_tokens()
    states = text_states(towers, tokens)
    torch.testing.assert_close(states.embeddings, towers.encode_text(tokens), atol=1e-6, rtol=0)
    assert torch.equal(F.normalize(towers.project_text(states.pooled), dim=1), states.embeddings)
    assert torch.equal(states.layer(-1, normed=True), states.last)
    assert torch.equal(states.layer(-2, normed=True), towers.ln_final(states.layer(2)))
    assert not torch.equal(states.layer(-2), states.layer(-2, normed=True))


def test_leaving_out_the_last_block_is_a_shallower_tower():
    towers, tokens = towers_of(), some_tokens()
    whole, cut = text_states(towers, tokens), text_states(towers, tokens, leave_out=1)
    assert torch.equal(cut.layer(-1), whole.layer(-2)) and cut.layers.last == 2
    assert torch.equal(cut.last, whole.layer(-2, normed=True))
    del towers.transformer.resblocks[2]
    torch.testing.assert_close(cut.embeddings, towers.encode_text(tokens), atol=1e-6, rtol=0)


def test_only_the_asked_layers_are_kept():
    towers = towers_of()
    states = image_states(towers, torch.randn(1, 3, 32, 32), layers=(0, -2))
    assert list(states.layers.kept) == [0, 2]
    with pytest.raises(UsageError, match="layer -1 was not kept"):
        states.grid(-1)
    with pytest.raises(UsageError, match=r"layers \[4\]") as caught:
        text_states(towers, some_tokens(), layers=[4])
    assert "-4 to 3" in caught.value.cure
    with pytest.raises(UsageError, match="leave_out = 4"):
        text_states(towers, some_tokens(), leave_out=4)
    with pytest.raises(UsageError, match=r"\(1, 3, 16, 16\)"):
        image_states(towers, torch.randn(1, 3, 16, 16))


def test_gradients_flow_through_the_layers():
    towers = towers_of().requires_grad_(True)
    image_states(towers, torch.randn(1, 3, 32, 32)).patches(-2).sum().backward()
    assert towers.visual.conv1.weight.grad is not None
    assert towers.visual.proj.grad is None


@pytest.mark.parametrize("projected", [False, True])
def test_a_text_stand_in_answers_by_name_and_by_number(projected):
    towers, tokens = towers_of(), some_tokens()
    states, stand_in = text_states(towers, tokens), TextStandIn(towers, projected=projected)
    answer = stand_in(tokens, output_hidden_states=True)
    assert torch.equal(answer[0], states.projected if projected else states.last)
    assert torch.equal(answer["last_hidden_state"], states.last)
    assert torch.equal(answer[-1][-2], states.layer(-2))
    assert torch.equal(stand_in(tokens, return_dict=False)[0], answer[0])
    assert stand_in(tokens).hidden_states is None
    assert stand_in.dtype == torch.float32 and stand_in.device.type == "cpu"
    assert stand_in.config.hidden_size == 24 and stand_in.config.projection_dim == 20
    with pytest.raises(UsageError, match="attention_mask"):
        stand_in(tokens, attention_mask=torch.ones_like(tokens))


@pytest.mark.parametrize("projected", [False, True])
def test_an_image_stand_in_answers_by_name_and_by_number(projected):
    towers, pixels = towers_of(), torch.randn(2, 3, 32, 32)
    states, stand_in = image_states(towers, pixels), ImageStandIn(towers, projected=projected)
    answer = stand_in(pixels, output_hidden_states=True)
    assert torch.equal(answer[0], states.projected if projected else states.last)
    assert torch.equal(answer.hidden_states[-2], states.layer(-2))
    assert torch.equal(stand_in(pixels, return_dict=False)[0], answer[0])
    with pytest.raises(UsageError, match="interpolate_pos_encoding"):
        stand_in(pixels, interpolate_pos_encoding=True)
