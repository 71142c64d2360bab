"""Relevance maps beside the packages that their authors publish, on the same random towers.

The packages pin old companions and draw with OpenCV and matplotlib, so they are fetched without what they depend on,
into a folder of their own, and the libraries that only draw are stood in for by name.
"""

import numpy as np
import pytest
import test_bigvision
import torch
import torch.nn.functional as F
from open_clip.convert import load_big_vision_weights
from open_clip.timm_model import TimmModel
from openclip_side import TEXT, VISION, folder_of, make, ours
from tests.fetched import fetched

from wordsight.explain.inside import grad_cam, legrad, self_attention
from wordsight.weights.folder import load_towers
from wordsight.weights.formats.table import read_any

PACKAGES = ("legrad_torch==1.1", "gem_torch==1.0.1", "grad-cam==1.5.7", "einops>=0.8", "ttach==0.0.3")
DRAWING = ("cv2", "matplotlib", "matplotlib.pyplot", "matplotlib.lines")
LIMIT = 1e-4
METHODS = {"GradCAM": grad_cam.grad_cam, "LayerCAM": grad_cam.layer_cam}
CFG = {"embed_dim": 32, "vision_cfg": VISION | {"layers": 12}, "text_cfg": TEXT | {"vocab_size": 49408}}
RESNET = {"embed_dim": 32, "vision_cfg": {"image_size": 64, "layers": [1, 2, 1, 1], "width": 8, "patch_size": None}}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Give what imports a module of the packages."""
    with fetched(tmp_path_factory.mktemp("packages"), *PACKAGES, unused=DRAWING) as get:
        yield get


@pytest.fixture
def side(tmp_path):
    """Give a model of open_clip, the same towers as ours, an image and three texts (C, E)."""

    def make_both(cfg):
        model = make(cfg)
        checkpoint, *_ = ours(folder_of(tmp_path / "theirs", model, cfg), tmp_path / "ours")
        towers = load_towers(tmp_path / "ours")
        torch.manual_seed(5)
        pixels = torch.randn(1, 3, checkpoint.spec.image.size, checkpoint.spec.image.size)
        texts = F.normalize(torch.randn(3, 32), dim=-1)
        same(towers.encode_image(pixels), F.normalize(model.encode_image(pixels).detach(), dim=-1))
        return model, towers, pixels, texts

    return make_both


def same(mine, theirs):
    assert mine.shape == theirs.shape, (mine.shape, theirs.shape)
    worst = float((mine - theirs).detach().abs().max())
    assert worst <= LIMIT, worst


def tokens_first(model):
    """Let the transformer take (T, B, D), as it did when both packages were written."""

    def forward(x, attn_mask=None):
        for block in model.visual.transformer.resblocks:
            x = block(x, attn_mask=attn_mask)
        return x

    model.visual.transformer.forward = forward
    for block in model.visual.transformer.resblocks:
        block.attn.batch_first = False


def enlarged(maps, side):
    return F.interpolate(maps[None], size=(side, side), mode="bilinear")[0]


def shown(maps, side):
    """Return maps (C, G, G) as the packages show them: bilinear, each from 0 to 1."""
    maps = enlarged(maps, side)
    low = maps.flatten(1).min(dim=1).values[:, None, None]
    return (maps - low) / (maps.flatten(1).max(dim=1).values[:, None, None] - low)


def test_legrad_is_that_of_its_package(package, side):
    model, towers, pixels, texts = side(CFG)
    tokens_first(model)
    theirs = package("legrad").LeWrapper(model).compute_legrad(texts, pixels)[0].detach()
    same(shown(legrad.relevance(towers, pixels, texts), 32), theirs)


def test_gem_is_that_of_its_package(package, side):
    model, towers, pixels, texts = side(CFG)
    tokens_first(model)
    wrapper = package("gem.gem_wrapper").GEMWrapper(model, tokenizer=None, depth=self_attention.BLOCKS + 1)
    wrapper.encode_text = lambda wanted: texts[None]
    with torch.no_grad():
        theirs = wrapper(pixels, ["a", "b", "c"])[0]
    same(shown(self_attention.gem(towers, pixels, texts), 32), theirs)


@pytest.mark.parametrize("name", METHODS)
def test_class_activation_maps_are_those_of_their_package(package, side, name):
    model, towers, pixels, texts = side(RESNET | {"text_cfg": CFG["text_cfg"]})

    class Cosines(torch.nn.Module):
        def forward(self, x):
            return F.normalize(model.encode_image(x), dim=-1) @ texts.T

    whole = Cosines()
    whole.visual, layers = model.visual, [model.visual.layer4]
    cam = getattr(package("pytorch_grad_cam"), name)(model=whole, target_layers=layers)
    seen = cam.activations_and_grads
    for number, mine in enumerate(METHODS[name](towers, pixels, texts)):
        seen(pixels)[0, number].backward()
        (values,), (slopes,) = seen.activations, seen.gradients
        theirs = cam.get_cam_image(pixels, layers[0], [None], values.numpy(), slopes.numpy(), eigen_smooth=False)
        theirs = torch.from_numpy(np.maximum(theirs[0], 0))
        assert float(theirs.max()) > 0
        same(mine / mine.max(), theirs / theirs.max())


def test_legrad_of_siglip_is_that_of_its_package_but_for_the_last_norm(package, tmp_path):
    np.savez(tmp_path / "theirs.npz", **test_bigvision.model())
    test_bigvision.ours(read_any(tmp_path / "theirs.npz"), tmp_path)
    towers = load_towers(tmp_path / "ours")
    model = test_bigvision.Theirs().eval()
    load_big_vision_weights(model, str(tmp_path / "theirs.npz"))
    trunk, model.visual = model.visual.trunk, TimmModel.__new__(TimmModel)
    torch.nn.Module.__init__(model.visual)
    model.visual.trunk, model.encode_image = trunk, trunk.forward_features
    pixels, texts = test_bigvision.inputs()[0][:1], F.normalize(torch.randn(3, test_bigvision.WIDTH), dim=-1)
    normed = legrad.relevance(towers, pixels, texts)
    towers.visual.ln_post = torch.nn.Identity()  # the package reads what leaves a block without it
    mine, side = legrad.relevance(towers, pixels, texts), test_bigvision.PATCH * test_bigvision.GRID
    assert not torch.allclose(shown(normed, side), shown(mine, side), atol=0.01)
    wrapped = package("legrad").LeWrapper(model)
    for one, text in zip(mine, texts, strict=True):
        theirs = wrapped.compute_legrad_siglip(text[None], pixels, apply_correction=False)[0].detach()
        low, high = one.min(), one.max()
        same(enlarged((one[None] - low) / (high - low), side), theirs)  # enlarged after it was stretched
