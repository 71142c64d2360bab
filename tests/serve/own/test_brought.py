"""What is asked of images that a request brings: class probabilities, cosines, explanations, regions."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from wordsight.embeddings.model import load
from wordsight.explain.explanation import explain
from wordsight.explain.named_regions import RegionOptions, regions
from wordsight.serve.own import explaining


@pytest.fixture
def halves():
    """An image that is red on its left and blue on its right."""
    image = Image.new("RGB", (64, 48), "blue")
    image.paste((255, 0, 0), (0, 0, 32, 48))
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()


def base64_of(content):
    return base64.b64encode(content).decode()


def test_classify_is_that_of_the_library(client, photos, base64_image):
    images = [photos / "a" / "red.png", photos / "b" / "green.png"]
    asked = {"images": [base64_image(one) for one in images], "classes": ["red", "green", "blue"]}
    model = load(engine="fake")
    for templates in ("", "clip", ["a drawing of a {}"]):
        answer = client.post("/api/classify", json={**asked, "templates": templates}).json()
        expected = model.classify(images, asked["classes"], templates or None)
        assert answer["classes"] == asked["classes"]
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)


def test_scores_are_those_of_the_library(client, photos, base64_image):
    images, texts = [photos / "a" / "red.png", photos / "b" / "green.png"], ["red", "green"]
    answer = client.post("/api/score", json={"images": [base64_image(one) for one in images], "texts": texts}).json()
    model = load(engine="fake")
    np.testing.assert_allclose(answer["cosines"], model.score(images, texts), atol=1e-6)
    np.testing.assert_allclose(answer["matches"], model.match(images, texts), atol=1e-6)
    assert (answer["loss"], answer["model"]) == (model.spec.loss, "fake")


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("classify", {"images": ["x"], "classes": []}, 422),
        ("classify", {"images": ["x"], "classes": ["a", "a"]}, 422),
        ("classify", {"images": [], "classes": ["a"]}, 422),
        ("classify", {"images": ["x"], "classes": ["a"], "templates": "/etc/hostname"}, 422),
        ("classify", {"images": ["x"], "classes": ["a"], "templates": "pyproject.toml"}, 422),
        ("classify", {"images": ["x"] * 129, "classes": ["a"]}, 413),
        ("score", {"images": ["x"], "texts": []}, 422),
        ("score", {"images": ["aGVsbG8="], "texts": ["a"]}, 400),
        ("explain", {"texts": ["red"]}, 422),
        ("explain", {"image": "aGVsbG8=", "key": "a/red.png", "texts": ["red"]}, 422),
        ("explain", {"image": "aGVsbG8=", "texts": []}, 422),
        ("explain", {"image": "aGVsbG8=", "texts": ["red"] * 9}, 422),
        ("explain", {"image": "aGVsbG8=", "texts": ["red"]}, 400),
        ("explain", {"key": "nothing.png", "texts": ["red"]}, 404),
        ("explain", {"key": "a/red.png", "texts": ["red"], "method": "nothing"}, 400),
        ("regions", {"key": "a/red.png", "classes": []}, 422),
        ("regions", {"key": "a/red.png", "classes": ["a"] * 51}, 422),
        ("regions", {"key": "a/red.png", "classes": ["a", "A"]}, 400),
        ("regions", {"key": "a/red.png", "classes": ["a"], "threshold": 2}, 422),
    ],
    ids=str,
)
def test_what_nobody_can_mean_is_refused(steady, path, asked, status):
    answer = steady.post(f"/api/{path}", json=asked)
    assert answer.status_code == status
    assert answer.json()["error"]["problem"]


def test_an_explanation_is_that_of_the_library(client, halves, photos):
    asked = {"image": base64_of(halves), "texts": ["red", "blue"]}
    answer = client.post("/api/explain", json=asked).json()
    why = explain(load(engine="fake"), halves, asked["texts"])
    assert answer["method"] == why.method
    for number, one in enumerate(answer["texts"]):
        assert one["text"] == why.texts[number]
        assert one["cosine"] == pytest.approx(float(why.cosines[number]), abs=1e-6)
        np.testing.assert_allclose(one["map"]["values"], why.relevance[number], atol=1e-6)
        assert one["map"]["passes"] == why.passes(number)
        assert len(one["map"]["checks"]) >= 1
        overlay = base64.b64decode(one["map"]["overlay"].partition(",")[2])
        assert Image.open(io.BytesIO(overlay)).size == (64, 48)
    quick = client.post("/api/explain", json={**asked, "trust": False, "words": False}).json()
    assert [one["map"]["passes"] for one in quick["texts"]] == [None, None]
    (photos / "a" / "red.png").write_bytes(halves)
    from_library = client.post("/api/explain", json={"key": "a/red.png", "texts": asked["texts"]}).json()
    assert from_library == answer


def test_regions_are_those_of_the_library(client, halves):
    asked = {"image": base64_of(halves), "classes": ["red|crimson", "blue"], "background": ["green"], "threshold": 0.1}
    answer = client.post("/api/regions", json=asked).json()
    how = RegionOptions(background=("green",), threshold=0.1)
    seen = regions(load(engine="fake"), halves, {"red": ["red", "crimson"], "blue": ["blue"]}, how=how)
    assert (answer["method"], answer["width"], answer["height"]) == (seen.method, 64, 48)
    for number, one in enumerate(answer["classes"]):
        assert one["name"] == seen.classes[number]
        assert one["share"] == pytest.approx(float(seen.shares[number]), abs=1e-6)
        largest = seen.largest[number]
        assert one["box"] == (None if largest is None else pytest.approx(list(largest.box)))
        assert (one["rle"] is None) == (largest is None)
        if largest is not None:
            assert one["rle"]["size"] == [48, 64]
    assert answer["overlay"].startswith("data:image/jpeg;base64,")


def test_towers_are_opened_once_for_a_model(client, halves, monkeypatch):
    opened = []
    monkeypatch.setattr(explaining, "ready", lambda name, model: opened.append(name))
    monkeypatch.setattr(explaining, "explained", lambda *arguments, **options: 1 / 0)
    for _ in range(2):
        asked = {"image": base64_of(halves), "texts": ["red"], "words": False}
        assert client.post("/api/explain", json=asked).status_code == 500
    assert opened == ["auto"]
