"""Whatever changes a model's embeddings changes its fingerprint, field by field, in every family."""

import sys
import types
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest
import torch

from wordsight.base.errors import WordsightError
from wordsight.engines.parity import some_images, some_texts
from wordsight.towers.build import build
from wordsight.towers.catalogue import architecture, names
from wordsight.towers.check import check_spec
from wordsight.towers.families import IMAGE_FAMILIES, TEXT_FAMILIES, image_family, native, text_family
from wordsight.towers.shapes import shapes
from wordsight.weights.fingerprint import fingerprint
from wordsight.weights.folder import read_spec
from wordsight.weights.tensors import fit

sys.path.insert(0, str(Path(__file__).parent))

import pinning

# fields that weights do not show and that every example of a family must show to change its embeddings
HIDDEN = {
    "vit": {"heads", "activation"},
    "eva": {"heads", "activation", "pool"},
    "resnet": {"heads"},
    "clip": {"heads", "activation", "mask"},
}


def others(hint, value):
    """Return further values of a field's type."""
    if get_origin(hint) in (Union, types.UnionType):
        return [other for kind in get_args(hint) for other in ([None] if kind is type(None) else others(kind, value))]
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if hint is bool:
        return [False, True]
    if hint is int:
        return sorted({1, 2, 3, 4, 5, 6, 8, 12, 16, (value or 0) + 1, 2 * (value or 1)})
    return [0.0, 1e-3, 0.5, 2 * (value or 1.0)] if hint is float else []


def variants(spec, part):
    """Yield (field, spec) for each value that a field of a part could have instead, where that can be built."""
    now = getattr(spec, part)
    hints = get_type_hints(type(now))
    for field in fields(now):
        for value in others(hints[field.name], getattr(now, field.name)):
            changed = replace(spec, **{part: replace(now, **{field.name: value})})
            try:
                check_spec(changed)
            except WordsightError:
                continue
            if value != getattr(now, field.name):
                yield field.name, changed


def state_shapes(spec):
    if native(spec):
        return dict(shapes(spec))
    with warnings.catch_warnings(action="ignore"):  # layers without channels, which then have other shapes
        return {name: tuple(value.shape) for name, value in build(spec).state_dict().items()}


def embeddings(spec, state, part):
    towers = fit(spec, state, where="a test")
    with torch.inference_mode():
        if part == "image":
            return towers.encode_image(torch.from_numpy(some_images(spec, 2)).permute(0, 3, 1, 2).float() / 255)
        return towers.encode_text(torch.from_numpy(some_texts(spec, 2)))


@pytest.mark.parametrize("part", ["image", "text"])
@pytest.mark.parametrize("name", pinning.NAMES)
def test_no_other_embeddings_under_the_same_fingerprint(name, part, tmp_path):
    pinning.register_operators()
    torch.manual_seed(0)
    (tmp_path / "model.json").write_bytes((pinning.PLACE / f"{name}.json").read_bytes())
    spec = read_spec(tmp_path)
    built = build(spec).state_dict()
    state = pinning.drawn({key: (tuple(value.shape), value.is_floating_point()) for key, value in built.items()})
    wanted, given = state_shapes(spec), embeddings(spec, state, part)
    reached = set()
    for field, changed in variants(spec, part):
        if state_shapes(changed) != wanted:
            continue
        there = embeddings(changed, state, part)
        if there.shape != given.shape or not torch.allclose(there, given, atol=1e-6, rtol=0):
            assert fingerprint(changed, ()) != fingerprint(spec, ()), (field, getattr(changed, part))
            reached.add(field)
    assert reached >= HIDDEN.get(getattr(spec, part).kind, set())


@pytest.mark.parametrize("part", ["preprocess", "tokenizer"])
@pytest.mark.parametrize("name", ["clip-vit", "siglip2-naflex"])
def test_all_that_comes_before_the_towers_counts(name, part, tmp_path):
    (tmp_path / "model.json").write_bytes((pinning.PLACE / f"{name}.json").read_bytes())
    spec = read_spec(tmp_path)
    prints = [fingerprint(changed, ()) for _, changed in variants(spec, part)]
    assert len(prints) > 4
    assert len({*prints, fingerprint(spec, ())}) == len(prints) + 1


@pytest.mark.parametrize("name", [name for name in names() if name != "ViT-L-14-336"])
def test_usual_heads_do_not_count(name):
    """Fingerprints of models made before heads counted are what they were."""
    spec = architecture(name)
    for tower, family in ((spec.image, image_family(spec.image)), (spec.text, text_family(spec.text))):
        assert family.usual(tower)["heads"] == tower.heads


PUBLISHED = {  # family -> width -> heads
    "vit": {768: 12, 896: 14, 1024: 16, 1152: 16, 1280: 16, 1408: 16, 1536: 16, 1664: 16},
    "eva": {1408: 16, 1792: 16, 4096: 32, 5120: 40},
    "resnet": {64: 32, 80: 40, 96: 48},
    "clip": {384: 6, 512: 8, 1024: 16, 1152: 16, 1280: 20},
}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_usual_heads_are_those_of_published_towers(kind):
    family = {**IMAGE_FAMILIES, **TEXT_FAMILIES}[kind]
    usual = {width: family.usual(family.spec(width=width))["heads"] for width in PUBLISHED[kind]}
    assert usual == PUBLISHED[kind]
