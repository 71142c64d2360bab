"""The dense ways to a label map on random towers of every family: which is taken, and that it is what `dense` says."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.base.errors import UsageError
from wordsight.embeddings.model import Model, load
from wordsight.engines.fake import COLOURS, FakeEngine
from wordsight.engines.torch_engine import TorchEngine
from wordsight.explain import region_methods
from wordsight.explain.inside.dense import dense_features
from wordsight.explain.mask_scores import score_masks
from wordsight.explain.proposals import propose
from wordsight.explain.region_methods import segmenter_of
from wordsight.explain.region_table import DEFAULTS, DENSE
from wordsight.explain.segmentation import ClassTexts, class_texts
from wordsight.explain.windows import cut, plan_windows
from wordsight.images.transform import normalise
from wordsight.weights.manifest import WEIGHTS

sys.path.insert(0, str(Path(__file__).parent))

from random_towers import IMAGES, towers_of


@pytest.fixture(params=IMAGES)
def model(request, monkeypatch):
    towers = towers_of(IMAGES[request.param])
    monkeypatch.setattr(region_methods, "_towers", lambda _: towers)
    return Model(TorchEngine.of(towers, fingerprint="0" * 16))


def test_every_way_labels_a_corner_as_its_own_patch_says(model):
    """Texts are the embeddings of the first and the last patch, as each way has them: no patch is nearer to another."""
    side = model.spec.preprocess.size
    image = np.random.default_rng(0).integers(0, 256, (side + 8, 2 * side, 3), dtype=np.uint8)
    plan = plan_windows(*image.shape[:2], crop=side)
    for way in DENSE:
        segmenter = segmenter_of(model, way)
        features = dense_features(segmenter.towers, cut(image, plan, at_once=4), way)
        texts = np.stack([features[0, :, 0, 0], features[-1, :, -1, -1]])
        assert texts[0] @ texts[1] < 1 - 1e-6
        labels = segmenter.segment(image, ClassTexts(("first", "last"), texts, np.arange(2))).labels
        assert labels.shape == image.shape[:2]
        assert (labels[0, 0], labels[-1, -1]) == (0, 1)


def test_auto_is_that_of_the_family(model):
    segmenter = segmenter_of(model)
    of_means = getattr(model.spec.image, "pool", "").startswith("mean")
    assert segmenter.method == ("plain" if of_means else DEFAULTS[model.spec.image.kind])
    assert segmenter.towers is not None
    assert segmenter_of(model, given=True).method == "proposals"


def test_towers_of_other_packages_have_proposals(model, monkeypatch):
    monkeypatch.setattr(region_methods, "DEFAULTS", {})
    assert segmenter_of(model).method == "proposals"
    with pytest.raises(UsageError, match="naclip does not fit t, .*; use proposals or windows"):
        segmenter_of(model, "naclip")


def test_proposals_of_a_large_image_are_cut_from_a_smaller_one(monkeypatch):
    image = np.empty((80, 120, 3), np.uint8)
    image[:, :60], image[:, 60:] = COLOURS["red"], COLOURS["blue"]
    model = Model(FakeEngine())
    classes = class_texts(model.embed_classes, ["red", "blue"])
    whole = segmenter_of(model, "proposals").segment(image, classes).labels
    monkeypatch.setattr(region_methods, "SIDE", 40)
    shapes = []

    def score(engine, pixels, masks, texts):
        shapes.append((pixels.shape, masks[0].shape))
        return score_masks(engine, pixels, masks, texts)

    monkeypatch.setattr(region_methods, "score_masks", score)
    monkeypatch.setattr(region_methods, "propose", lambda pixels: propose(pixels, side=60))
    smaller = segmenter_of(model, "proposals").segment(image, classes).labels
    assert shapes == [((27, 40, 3), (27, 40))]
    assert (smaller == whole).all() and set(np.unique(whole)) == {0, 1}


def test_the_image_tower_of_graphs_alone_is_taken_out_once(capsys):
    """Its text tower stays empty, and its images are embedded as by the graph, but for what integers lose."""
    model = load(engine="onnx")
    assert not (model.folder / WEIGHTS).exists()
    towers = segmenter_of(model, "plain").towers
    assert segmenter_of(model).towers is towers
    assert capsys.readouterr().err.count("out of its graph: some seconds, once") == 1
    assert all(not value.any() for value in towers.text.parameters())
    pixels = np.random.default_rng(0).integers(0, 256, (2, 192, 192, 3), dtype=np.uint8)
    rows = towers.encode_image(torch.from_numpy(normalise(pixels, model.spec.preprocess))).detach().numpy()
    assert ((rows * model.engine.embed_images(pixels)).sum(axis=1) > 0.95).all()
