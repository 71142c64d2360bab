"""One call: every method on every family, the words, the checks, what is refused; and the verb with its page."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wordsight.base.errors import BrokenImage, MissingExtra, UsageError
from wordsight.cli.main import main
from wordsight.embeddings import model as models
from wordsight.embeddings.model import Model
from wordsight.engines.torch_engine import TorchEngine
from wordsight.explain import relevance
from wordsight.explain.explanation import SHOWN, explain
from wordsight.explain.inside import tensors
from wordsight.explain.methods import DEFAULTS, METHODS, fitting
from wordsight.explain.relevance import chosen, relevance_of

sys.path.insert(0, str(Path(__file__).parent))

from random_towers import IMAGES, some_pixels, towers_of


class Tokens:
    """Each word is a token, by its length; 1 begins a text and 39 ends it."""

    def batch(self, texts, *, pad_to=None):
        rows = np.zeros((len(texts), 9), np.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = [1, *(2 + len(word) for word in text.split()), 39]
            row[: len(ids)] = ids
        return rows

    def decode(self, ids):
        return "".join({0: "", 1: "", 39: ""}.get(one, "x" * (one - 2)) for one in ids)


@pytest.fixture
def model(monkeypatch):
    def of(name="class token"):
        towers = towers_of(IMAGES[name])
        made = Model(TorchEngine.of(towers, fingerprint="0" * 16))
        made.__dict__["tokenizer"] = Tokens()
        monkeypatch.setattr(relevance, "towers_of", lambda _: towers)
        return made

    return of


def photo(width=48, height=32):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("name", "family"), [(n, f) for f in IMAGES for n in METHODS])
def test_every_method_fits_what_its_row_says(model, name, family):
    made = model(family)
    pixels, texts = np.zeros((made.spec.image.size,) * 2 + (3,), np.uint8), made.embed_texts(["aa b", "ccc"])
    pixels[4:12, 4:12] = 200
    if name not in fitting(made.spec.image.kind):
        with pytest.raises(UsageError, match=f"{name.replace('+', '.')} does not fit t, whose image tower is of kind"):
            chosen(name, made)
        return
    try:
        maps = relevance_of(name, made, pixels, texts)
    except UsageError as error:  # of a kind of pooling that the method's file names
        assert family == "mean, class token beside" and "Grad-CAM fits all native towers" in error.cure
        return
    assert maps.dtype == np.float32 and maps.ndim == 3 and len(maps) == 2
    assert np.isfinite(maps).all()


@pytest.mark.parametrize("name", [n for n, method in METHODS.items() if method.inside and n not in ("rollout", "gem")])
def test_no_texts_are_one_clear_error(model, name):
    made = model("resnet" if name in ("grad-cam++", "layer-cam") else "class token")
    pixels = np.zeros((made.spec.image.size,) * 2 + (3,), np.uint8)
    with pytest.raises(UsageError, match="a map of no texts; give the embedding of at least one"):
        relevance_of(name, made, pixels, np.zeros((0, 20), np.float32))


def test_one_call_gives_maps_words_and_checks(model):
    why = explain(model(), photo(), ["aa b", "ccc dd"], method="legrad")
    assert (why.method, why.texts) == ("legrad", ("aa b", "ccc dd"))
    assert explain(model(), photo(), ["aa b"], trust=False).method == DEFAULTS["vit"] == "occlusion"
    assert why.maps.shape == (2, 32, 48)
    seen = ~np.isnan(why.maps[0])
    assert seen[:, 8:40].all() and not seen[:, :8].any() and not seen[:, 40:].any()  # the centre is cut out
    assert (np.nanmin(why.maps), np.nanmax(why.maps)) == (0, 1)
    assert why.overlay(0).shape == why.against(0, 1).shape == (32, 48, 3)
    assert [piece for piece, _ in why.words[0]] == ["xx", "x"]
    assert np.allclose(why.cosines, model().score([photo()], ["aa b", "ccc dd"])[0], atol=1e-5)
    assert len(why.trust) == 2 and why.swap is not None
    assert [one.name for one in why.randomised] == ["randomised"] * 2
    assert why.checks(1) == [why.trust[1], why.randomised[1], why.swap]
    assert why.passes(0) == (why.trust[0].passes and why.randomised[0].passes and why.swap.passes)
    quick = explain(model(), photo(), ["aa b"], method="legrad", trust=False)
    assert (quick.trust, quick.randomised, quick.swap, quick.passes(0)) == ((), (), None, None)
    assert np.allclose(quick.relevance[0], why.relevance[0], atol=1e-6)


def test_a_map_that_stays_without_what_was_learned_fails(model, monkeypatch):
    same = np.random.default_rng(0).random((2, 4, 4)).astype(np.float32)
    monkeypatch.setattr("wordsight.explain.inside.legrad.relevance", lambda *_, **__: torch.from_numpy(same.copy()))
    why = explain(model(), photo(), ["aa b", "ccc dd"], method="legrad")
    assert [one.correlation for one in why.randomised] == [1.0, 1.0]
    assert why.passes(0) is False and "randomised: rank correlation +1.00: fails" in map(str, why.checks(0))


def test_towers_are_built_once(model, monkeypatch):
    made, towers, built = model(), relevance.towers_of(None), []
    monkeypatch.setattr(relevance, "towers_of", lambda _: built.append(1) or towers)
    explain(made, photo(), ["a"], method="legrad", trust=False)
    assert len(built) == 1
    why = explain(made, photo(), ["aa b"], method="occlusion")
    assert why.randomised == () and [piece for piece, _ in why.words[0]] == ["xx", "x"]  # words need them, too
    assert len(built) == 2


def test_random_weights_are_others_and_leave_the_generator_alone():
    towers, before = towers_of(), torch.random.get_rng_state()
    first, again, other = (tensors.with_random_weights(towers, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state()) and not first.training
    weights = [one.visual.proj for one in (towers, first, again, other)]
    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[1], weights[0]) and not torch.equal(weights[1], weights[3])


def test_one_text_where_a_method_compares_with_nothing(model):
    assert explain(model(), photo(), ["aa b"], method="surgery", trust=False).relevance.shape == (1, 4, 4)


def test_large_images_are_shown_smaller(model):
    why = explain(model(), photo(3000, 1500), ["a"], trust=False)
    assert why.image.shape == (SHOWN // 2, SHOWN, 3)


@pytest.mark.parametrize(
    ("image", "texts", "how", "error", "says"),
    [
        (photo(), [], {}, UsageError, "no texts to explain; give a list of at least one"),
        (photo(), "a dog", {}, UsageError, "no texts to explain"),
        (photo(), ["a"], {"method": "legrat"}, UsageError, "no method 'legrat'; did you mean legrad"),
        (photo(), ["a"], {"method": "layer-cam"}, UsageError, "layer-cam does not fit t"),
        (photo(9000, 10), ["a"], {}, UsageError, "an image of 9,000 x 10 pixels; cut out a part"),
        (b"no image", ["a"], {}, BrokenImage, "picture|image"),
    ],
)
def test_what_cannot_be_explained(model, image, texts, how, error, says):
    with pytest.raises(error, match=says):
        explain(model(), image, texts, **how)


def test_a_flat_image_and_one_pixel_have_maps(model):
    for one in (Image.new("RGB", (40, 40), "red"), Image.new("RGB", (1, 1))):
        why = explain(model(), one, ["a", "bb"], trust=False)
        assert why.maps.shape == (2, one.height, one.width)


def test_without_pytorch_it_says_what_works(monkeypatch, tmp_path):
    made = Model(TorchEngine.of(towers_of(), fingerprint="0" * 16), folder=tmp_path)

    def missing(target, *, extra=""):
        if extra == "train":
            raise MissingExtra("this needs the package torch", cure="pip install 'wordsight[train]'")
        raise AssertionError(target)

    monkeypatch.setattr(relevance, "resolve", missing)
    monkeypatch.setattr(relevance, "DEFAULTS", {made.spec.image.kind: "legrad"})
    assert chosen("auto", made) == "occlusion"
    with pytest.raises(MissingExtra, match="or use occlusion, which works without"):
        relevance_of("legrad", made, some_pixels().numpy(), np.zeros((1, 20), np.float32))


def test_the_verb_writes_a_page_and_prints_numbers(model, monkeypatch, tmp_path, capsys):
    made = model()
    monkeypatch.setattr(models, "load", lambda name, **options: made)
    photo().save(tmp_path / "one.png")
    assert main(["explain", str(tmp_path / "one.png"), "aa <b>", "ccc", "--out", str(tmp_path / "why.html")]) == 0
    text = (tmp_path / "why.html").read_text()
    assert text.count("<figure>") == 5  # image and map of each text, and one difference
    assert "aa &lt;b&gt;" in text and "<b>aa" not in text
    assert "http" not in text.replace("http-equiv", "")
    capsys.readouterr()
    assert main(["explain", str(tmp_path / "one.png"), "aa", "ccc", "--json", "--fast", "--method", "gem"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["text"], first["method"], first["passes"], second["text"]) == ("aa", "gem", None, "ccc")
    assert np.array(first["relevance"]).shape == (4, 4)
    assert main(["explain", str(tmp_path / "one.png"), "aa", "--out", str(tmp_path / "why.txt")]) == 2
    assert "name a page, for example why.html" in capsys.readouterr().err
    assert torch.is_grad_enabled()
