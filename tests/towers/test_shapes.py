"""The names and shapes that are stated are those of the towers that are built, in the same order."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import ConfigError
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.catalogue import architecture, names
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.families import native
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.timm.spec import TimmSpec
from wordsight.towers.vit.spec import VitSpec


def built(spec):
    with torch.device("meta"):
        towers = build(spec)
    return [(name, tuple(value.shape)) for name, value in towers.state_dict().items()]


@pytest.mark.parametrize("name", names())
def test_the_shapes_of_every_architecture_are_those_of_its_towers(name):
    spec = architecture(name)
    assert list(shapes(spec).items()) == built(spec)


WIDTH = 24  # of the space


def some_of(**choices):
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in choices.items()})


VITS = some_of(
    width=(24, 32),
    layers=(1, 3),
    mlp_ratio=(4.0, 50 / 24, 2.6667),
    stem=("patch", "conv", "tiered"),
    patch_bias=(False, True),
    class_token=(None, False, True),
    positions=("learned", "sincos"),
    pre_norm=(False, True),
    pool=("class", "mean", "attention", "queries"),
    pool_mlp_ratio=(0.0, 3.0),
    pool_queries=(1, 5),
    final_norm=("pooled", "tokens"),
    projection=("matrix", "linear", "none"),
    layer_scale=(False, True),
    patch=(8, 4, 5),
)
TEXTS = some_of(
    width=(24, 32),
    layers=(1, 2),
    mlp_ratio=(4.0, 50 / 24),
    mask=("causal", "none", "padding"),
    pool=("end", "last", "first", "mean", "class"),
    projection=("matrix", "linear", "none"),
    layer_scale=(False, True),
    mixer=(0, 3),
)
RESNETS = some_of(width=(8, 16), stages=((1, 1, 1, 1), (2, 1, 3, 1)), size=(32, 96))
EVAS = some_of(
    patch=(8,),
    pool=("class", "mean", "mean_all"),
    mlp=("plain", "swiglu"),
    inner_norm=(False, True),
    attention_bias=("no_key", "none"),
    norm=("layer", "rms"),
    norm_order=("pre", "post"),
    layer_scale=(False, True),
    rotary=("none", "eva"),
    projection=("linear",),
    width=(24,),
    layers=(1,),
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    st.one_of(
        VITS.map(lambda options: VitSpec(**{"size": 32, "heads": 2, **options})),
        VITS.map(lambda options: VitSpec(**{"size": 32, "heads": 2, **options})),
        EVAS.map(lambda options: EvaSpec(**{"size": 32, "heads": 2, **options})),
        RESNETS.map(lambda options: ResNetSpec(**{"size": 32, "heads": 2, **options})),
    ),
    TEXTS,
    st.sampled_from((None, -10.0)),
)
def test_the_shapes_of_any_options_are_those_of_the_towers(image, text, bias):
    text = ClipTextSpec(context_length=9, vocabulary_size=40, heads=2, **text)
    spec = ModelSpec(
        "t",
        width=WIDTH,
        image=image,
        text=text,
        preprocess=PreprocessSpec(size=image.size),
        tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=40, context_length=9, padding="full"),
        loss="softmax" if bias is None else "sigmoid",
        bias=bias,
    )
    try:
        expected = built(spec)
    except ConfigError:
        return
    assert list(shapes(spec).items()) == expected


def test_the_grid_of_options_is_not_refused_as_a_whole():
    spec = ModelSpec("t", image=VitSpec(pool="attention", class_token=True, projection="linear", patch_bias=True))
    assert shapes(spec)["visual.attn_pool.probe"] == (1, 1, 768)
    assert shapes(spec)["visual.head.weight"] == (512, 768)


def test_towers_of_other_packages_have_no_stated_shapes():
    spec = ModelSpec("t", image=TimmSpec(trunk="convnext_base"))
    assert not native(spec)
    with pytest.raises(ConfigError, match='image.kind = "timm"'):
        shapes(spec)
    assert native(dataclasses.replace(spec, image=VitSpec()))
