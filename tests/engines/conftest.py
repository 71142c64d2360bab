"""A tiny saved model, with and without graphs."""

import shutil
from dataclasses import replace

import pytest
import torch

from wordsight.engines.export import export
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.folder import save_model

SPEC = ModelSpec(
    "tiny",
    width=24,
    image=VitSpec(size=16, width=32, layers=2, heads=2, patch=8),
    text=ClipTextSpec(context_length=40, vocabulary_size=600, width=32, layers=2, heads=2),
    preprocess=PreprocessSpec(size=16),
    tokenizer=TokenizerSpec(vocabulary="own", vocabulary_size=600, context_length=40),
)
LETTERS = "etaoinshrdlu"
MERGES = "".join([f"{first} {second}\n" for first in LETTERS for second in LETTERS][: 600 - 514])


@pytest.fixture
def towers():
    torch.manual_seed(0)
    return build(SPEC).eval()


@pytest.fixture(scope="session")
def _exported(tmp_path_factory):
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("models") / "tiny"
    save_model(build(SPEC).eval(), place, merges=MERGES, card="# Tiny\n")
    export(place)
    return place


@pytest.fixture
def exported(_exported, tmp_path):
    """A folder with weights and graphs in both precisions, the test's own."""
    return shutil.copytree(_exported, tmp_path / "exported")


@pytest.fixture
def recorded():
    """Return a function that records the graphs and the tokenizer of a folder as those its model was made with."""
    from wordsight.engines.export import recorded_files
    from wordsight.weights.folder import read_model_manifest, write_model_manifest

    def recording(folder):
        manifest = read_model_manifest(folder)
        write_model_manifest(folder, replace(manifest, files=recorded_files(folder, manifest.spec)))

    return recording


@pytest.fixture
def plain(exported):
    """A folder with weights only."""
    from wordsight.weights.folder import read_model_manifest, write_model_manifest

    shutil.rmtree(exported / "onnx")
    write_model_manifest(exported, replace(read_model_manifest(exported), precisions=()))
    return exported.rename(exported.with_name("plain"))


@pytest.fixture
def convolutions(tmp_path):
    """A folder with a tiny ResNet's weights only."""
    image = ResNetSpec(size=32, width=8, heads=4, stages=(1, 1, 1, 1))
    spec = replace(SPEC, image=image, preprocess=PreprocessSpec(size=32))
    save_model(build(spec).eval(), tmp_path / "convolutions", merges=MERGES)
    return tmp_path / "convolutions"


SIGLIP = replace(
    SPEC,
    image=replace(
        SPEC.image,
        size=32,
        patch_bias=True,
        pre_norm=False,
        pool="attention",
        final_norm="tokens",
        activation="gelu_tanh",
    ),
    text=replace(SPEC.text, mask="none", pool="last", projection="linear"),
    tokenizer=replace(SPEC.tokenizer, padding="full"),
    preprocess=PreprocessSpec(size=32, resize="patches", patch=8, max_patches=16),
    loss="sigmoid",
    bias=-10.0,
)
EVA = EvaSpec(
    size=32, width=32, layers=2, heads=2, patch=8, rotary="eva", mlp="swiglu", inner_norm=True, activation="silu",
    projection="linear",
)  # fmt: skip
FAMILIES = {
    "pictures of every shape, sigmoid": SIGLIP,
    "eva": replace(SPEC, image=EVA, preprocess=PreprocessSpec(size=32)),
    "queries, a class token behind the text": replace(
        SPEC,
        image=replace(SPEC.image, pool="queries", pool_queries=2, pool_heads=2, size=32),
        text=replace(SPEC.text, pool="class"),
        tokenizer=replace(SPEC.tokenizer, padding="full"),
        preprocess=PreprocessSpec(size=32),
    ),
}


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES)
def family(request, tmp_path):
    """A folder with the weights of one family's tiny towers."""
    torch.manual_seed(0)
    save_model(build(request.param).eval(), tmp_path / "family", merges=MERGES)
    return tmp_path / "family"
