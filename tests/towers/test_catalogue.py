"""Architectures as data, and the table of their sizes in the documentation."""

from pathlib import Path

import pytest

from wordsight.base.errors import ConfigError
from wordsight.towers import count
from wordsight.towers.catalogue import architecture, names
from wordsight.towers.resnet.spec import ResNetSpec

ORIGINALS = {"ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336", "RN50", "RN101", "RN50x4", "RN50x16", "RN50x64"}
# parameters in millions as published for these towers
PUBLISHED = {
    "ViT-B-32": 151.28, "ViT-B-16": 149.62, "ViT-L-14": 427.62, "ViT-L-14-336": 427.94, "RN50": 102.01,
    "RN101": 119.69, "RN50x4": 178.30, "RN50x16": 290.98, "RN50x64": 623.26,
}  # fmt: skip
DOCS = Path(__file__).parents[2] / "docs" / "towers.md"


def test_the_catalogue_holds_the_originals_and_small_towers():
    assert set(names()) >= ORIGINALS | {"tiny-96", "tiny-clip-96", "nano-64", "tiny-rn-64"}
    for name in ORIGINALS:
        spec = architecture(name)
        assert spec.name == name
        assert isinstance(spec.image, ResNetSpec) or spec.image.activation == "quick_gelu"
        assert spec.text.activation == "quick_gelu"
        assert (spec.tokenizer.vocabulary, spec.text.context_length, spec.text.vocabulary_size) == ("clip", 77, 49408)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_parameters_are_the_published_numbers(name):
    found = count.parameters(architecture(name))
    assert (found.image + found.text) / 1e6 == pytest.approx(PUBLISHED[name], abs=0.005)


def test_operations_are_counted_as_by_hand():
    """ViT-B/32: 49 patches of 3*32*32; 12 layers over 50 tokens; the projection of one token.  Twice the products."""
    width, tokens = 768, 50
    layer = tokens * 12 * width * width + 2 * tokens * tokens * width
    products = 49 * 3 * 32 * 32 * width + 12 * layer + width * 512
    found = count.operations(architecture("ViT-B-32"))
    assert found.image == 2 * products
    text = 12 * (77 * 12 * 512 * 512 + 2 * 77 * 77 * 512) + 512 * 512
    assert found.text == 2 * text


def test_the_bundled_size_fits():
    found = count.parameters(architecture("tiny-96"))
    assert found.image + found.text < 15e6  # in int8: below 16 MB with the vocabulary


def test_the_table_in_the_documentation_is_the_computed_one():
    """Parameters of all; operations of the small ones (those of large towers take long to count)."""
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    first = lines.index(next(line for line in lines if line.startswith("| architecture |"))) + 2
    listed = dict(zip(names(), lines[first:], strict=False))
    for name, line in listed.items():
        assert line.startswith(count.shape(name) + " "), "run: python -m wordsight.towers.count"
    for name in ("nano-64", "tiny-96", "tiny-clip-96", "tiny-rn-64"):
        assert listed[name] == f"{count.shape(name)} {count.work(name)}"
    assert not lines[first + len(listed)].startswith("|")


def test_other_spellings_are_read_and_unknown_names_answered():
    assert architecture("vit-b/32").name == "ViT-B-32"
    with pytest.raises(ConfigError, match=r"no architecture 'ViT-B-23'; did you mean .*ViT-B-32"):
        architecture("ViT-B-23")
    with pytest.raises(ConfigError, match="known: .*RN50"):
        architecture("quantum")
