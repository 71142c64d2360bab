"""A checkpoint for another size: the spec, the preprocessing and the positions change together, the rest stays."""

import dataclasses

import numpy as np
import pytest

from wordsight.base.errors import ConfigError
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.onnx.spec import OnnxImageSpec
from wordsight.towers.parts.resize import RULES, resize_grid, resize_line
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.timm.spec import TimmSpec
from wordsight.towers.transformers.options import TEXT_FIELDS
from wordsight.towers.transformers.spec import TransformersTextSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.resize import resize_checkpoint

TEXT = ClipTextSpec(context_length=9, vocabulary_size=40, width=16, layers=1, heads=2)
VIT = VitSpec(size=32, width=16, layers=1, heads=2, patch=8)


def checkpoint(image=VIT, text=TEXT, family="openclip", **preprocess):
    spec = ModelSpec(
        "t",
        width=16,
        image=image,
        text=text,
        preprocess=PreprocessSpec(**{"size": image.size, **preprocess}),
        tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=40, context_length=9, padding="full"),
    )
    random = np.random.default_rng(0)
    state = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes(spec).items()}
    return Checkpoint(spec, state, origin={"format": family})


IMAGES = {
    "visual.positional_embedding": [VIT, dataclasses.replace(VIT, pool="attention", class_token=False)],
    "visual.pos_embed": [
        EvaSpec(
            size=32,
            width=16,
            layers=1,
            heads=2,
            patch=8,
            projection="linear",
            rotary="eva",
        )
    ],
    "visual.attnpool.positional_embedding": [ResNetSpec(size=64, width=8, heads=4, stages=(1, 1, 1, 1))],
}
CASES = [(name, image) for name, images in IMAGES.items() for image in images]


@pytest.mark.parametrize("family", ["openclip", "huggingface", "eva", "unheard of"])
@pytest.mark.parametrize(("name", "image"), CASES)
def test_only_the_positions_change_and_everything_fits(name, image, family):
    given = checkpoint(image, family=family, scale_to=image.size + 8)
    resized = resize_checkpoint(given, size=image.size * 2)
    spec = resized.spec
    assert spec.image.size == spec.preprocess.size == image.size * 2
    assert spec.preprocess.scale_to == 2 * (image.size + 8)
    assert {key: value.shape for key, value in resized.state.items()} == shapes(spec)
    changed = [key for key in given.state if resized.state[key] is not given.state[key]]
    assert changed == [name]
    old, new = given.state[name], resized.state[name]
    table = old.reshape(-1, old.shape[-1])
    extra = int(image.has_class_token) if image.kind == "vit" else 1
    side = int((len(table) - extra) ** 0.5) * 2
    expected = resize_grid(table, side, extra=extra, rule=RULES.get(family, RULES["openclip"]))
    assert np.array_equal(new.reshape(expected.shape), expected)
    if isinstance(image, EvaSpec):
        assert spec.image.rotary_grid == 4
        assert resize_checkpoint(resized, size=96).spec.image.rotary_grid == 4


def test_perception_encoder_is_resized_its_way_whatever_file_it_came_in():
    image = dataclasses.replace(VIT, rotary="perception")
    resized = resize_checkpoint(checkpoint(image), size=64)
    table = checkpoint(image).state["visual.positional_embedding"]
    expected = resize_grid(table, 8, extra=1, rule=RULES["perception"])
    assert np.array_equal(resized.state["visual.positional_embedding"], expected)


@pytest.mark.parametrize("pool", ["end", "class"])
def test_texts_of_another_length(pool):
    given = checkpoint(text=dataclasses.replace(TEXT, pool=pool))
    resized = resize_checkpoint(given, context_length=20)
    assert resized.spec.text.context_length == resized.spec.tokenizer.context_length == 20
    table = resized.state["positional_embedding"]
    assert np.array_equal(table[:20], resize_line(given.state["positional_embedding"][:9], 20))
    assert np.array_equal(table[20:], given.state["positional_embedding"][9:])
    assert {key: value.shape for key, value in resized.state.items()} == shapes(resized.spec)


def test_the_same_size_changes_nothing():
    given = checkpoint()
    assert resize_checkpoint(given, size=32, context_length=9) == given
    assert resize_checkpoint(given) == given


def test_fixed_positions_need_no_table():
    given = checkpoint(dataclasses.replace(VIT, positions="sincos"))
    resized = resize_checkpoint(given, size=64)
    assert resized.spec.image.size == 64 and resized.state.keys() == given.state.keys()


def test_what_cannot_be_resized_is_said():
    naflex = dataclasses.replace(VIT, pool="mean", class_token=False)
    given = checkpoint(naflex, resize="patches", patch=8, max_patches=16)
    with pytest.raises(ConfigError, match=r"any shape") as caught:
        resize_checkpoint(given, size=64)
    assert "preprocess.max_patches" in caught.value.cure
    finished = dataclasses.replace(given.spec, image=OnnxImageSpec(size=32))
    with pytest.raises(ConfigError, match='kind "onnx"'):
        resize_checkpoint(dataclasses.replace(given, spec=finished), size=64)
    with pytest.raises(ConfigError, match=r"image\.size = 4 "):
        resize_checkpoint(checkpoint(), size=4)


CONV = TimmSpec(trunk="test_convnext", size=64, options={"pool": "avg"})
CONFIG = TEXT_FIELDS["roberta"] | {"vocab_size": 40, "max_position_embeddings": 22}
WORDS = TransformersTextSpec(
    trunk="roberta", context_length=9, vocabulary_size=40, pad_id=1, options={"config": CONFIG}
)


def timm_checkpoint(**state):
    tokens = TokenizerSpec(kind="tokenizers", vocabulary_size=40, context_length=9)
    pixels = PreprocessSpec(size=64, scale_to=80)
    spec = ModelSpec("t", width=16, image=CONV, text=WORDS, preprocess=pixels, tokenizer=tokens)
    return Checkpoint(spec, state)


def test_a_foreign_tower_changes_where_nothing_depends_on_the_size():
    whole = timm_checkpoint(**{"visual.trunk.stem.0.weight": np.zeros(3)})
    done = resize_checkpoint(whole, size=96, context_length=20)
    assert (done.spec.image.size, done.spec.preprocess.size, done.spec.preprocess.scale_to) == (96, 96, 120)
    assert done.spec.text.context_length == done.spec.tokenizer.context_length == 20
    assert done.state == whole.state
    with pytest.raises(ConfigError, match="positions for 20 tokens"):
        resize_checkpoint(whole, context_length=21)


@pytest.mark.parametrize("name", ["pos_embed", "layers.0.blocks.0.attn.relative_position_bias_table"])
def test_a_foreign_tower_with_positions_stays(name):
    with pytest.raises(ConfigError, match=f"image.size = 96: visual.trunk.{name} belongs to pictures of 64 pixels"):
        resize_checkpoint(timm_checkpoint(**{f"visual.trunk.{name}": np.zeros(3)}), size=96)
