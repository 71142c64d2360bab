"""Spellings of public models, and the catalogue they are looked up in."""

import pytest

from wordsight.base.errors import UnknownModel
from wordsight.weights.names import address, catalogue, near

B32 = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"


@pytest.mark.parametrize(
    "name",
    [
        "ViT-B-32/laion2b_s34b_b79k",
        "open_clip:ViT-B-32/laion2b_s34b_b79k",
        "ViT-B-32::laion2b_s34b_b79k",
        "ViT-B-32__laion2b-s34b-b79k",
        "ViT-B-32,laion2b_s34b_b79k",
        f"hf-hub:{B32}",
        f"hf_clip:{B32}",
        B32,
    ],
)
def test_every_spelling_in_use_is_the_same_place(name):
    found = address(name)
    assert (found.repository, found.revision, found.name) == (B32, "main", "ViT-B-32/laion2b_s34b_b79k")


@pytest.mark.parametrize(
    "name, repository",
    [
        ("ViT-B/32", "timm/vit_base_patch32_clip_224.openai"),
        ("ViT-L/14@336px", "timm/vit_large_patch14_clip_336.openai"),
        ("RN50x4", "timm/resnet50x4_clip.openai"),
        ("ViT-B-32-quickgelu/laion400m_e32", "timm/vit_base_patch32_clip_224.laion400m_e32"),
        ("somebody/their-model", "somebody/their-model"),
    ],
)
def test_other_names(name, repository):
    assert address(name).repository == repository


def test_a_revision_is_kept():
    assert address("org/name@abc123").revision == "abc123"
    assert address("ViT-B-16-SigLIP/webli@v2").revision == "v2"


def test_an_architecture_alone_is_refused_with_its_weights():
    with pytest.raises(
        UnknownModel, match=r"'ViT-B-32' is an architecture.*ViT-B-32/openai, .*ViT-B-32/laion2b_s34b_b79k"
    ):
        address("ViT-B-32")
    with pytest.raises(UnknownModel, match=r"no weights 'ViT-B-32/laion9b'.*ViT-B-32/openai"):
        address("ViT-B-32/laion9b")


@pytest.mark.parametrize("name", ["photos", "./org/name", "/a/b", "a/b/c", "~/model", ""])
def test_what_cannot_be_a_public_model(name):
    assert address(name) is None


def test_near_names():
    assert "ViT-B-32/laion2b_s34b_b79k" in near("ViT-B-32/laion2b_s34b_b79")


def test_nothing_is_near_a_name_that_is_like_none():
    assert near("zzzzzzzz") == near("photos of b-32") == []
    assert len(near("ViT-B-32/laion2b", count=2)) == 2


def test_the_catalogue_is_what_it_says():
    rows = catalogue()
    measured = [row for row in rows if row.imagenet is not None]
    assert len(measured) >= 60
    assert len({row.name for row in rows}) == len({row.hub for row in rows}) == len(rows)
    for row in rows:
        assert row.hub.count("/") == 1 and row.licence and row.width > 0 and 128 <= row.size <= 512, row
        assert (row.imagenet is None) == (row.source == ""), row
        assert row.imagenet is None or 1 < row.imagenet < 90, row
        assert address(row.name).repository == row.hub
