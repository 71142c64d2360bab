"""The matrix of images and texts over HTTP: what it gives is what the library and the losses give."""

import base64
import math

import numpy as np
import pytest
import torch

from wordsight.embeddings.model import load
from wordsight.losses import sigmoid_loss, softmax_loss
from wordsight.search.library import open_library
from wordsight.serve.own.bench import batch_loss
from wordsight.text.prompts import template_names, templates

TEXTS = ["red", "green", "blue", "a white thing"]
FILES = ["a/red.png", "b/green.png", "a/blue.png", "a/white.png"]


@pytest.fixture
def asked(photos, base64_image):
    """Four images with their texts, as a request."""
    paths = [next(photos.rglob(file.split("/")[1])) for file in FILES]
    return {"images": [base64_image(path) for path in paths], "texts": TEXTS}, paths


def answer(client, **body):
    response = client.post("/api/bench/matrix", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def refused(client, **body):
    response = client.post("/api/bench/matrix", json=body)
    return response.status_code, response.json()["error"]["problem"]


def test_cosines_and_matches_are_those_of_the_model(client, asked):
    body, paths = asked
    got = answer(client, **body)
    model = load(engine="fake")
    np.testing.assert_allclose(got["cosines"], model.score(paths, TEXTS), atol=1e-6)
    np.testing.assert_allclose(got["matches"], model.match(paths, TEXTS), atol=1e-6)
    np.testing.assert_allclose(got["image_to_text"], model.match(paths, TEXTS), atol=1e-6)
    np.testing.assert_allclose(np.sum(got["text_to_image"], axis=0), 1)
    assert (got["scale"], got["bias"], got["temperature"]) == (20.0, None, 1 / 20)
    assert (got["learned_with"], got["model"], got["in_library"]) == ("softmax", "fake", None)
    assert got["prompts"] == [[text] for text in TEXTS]


@pytest.mark.parametrize("temperature", [None, 0.01, 0.2, 5.0])
def test_losses_are_those_of_training(client, asked, temperature):
    body, paths = asked
    got = answer(client, **body, temperature=temperature, bias=-3)
    model = load(engine="fake")
    image, text = (torch.tensor(one) for one in (model.embed_images(paths), model.embed_texts(TEXTS)))
    scale = 20.0 if temperature is None else 1 / temperature
    assert got["loss"]["mean"] == pytest.approx(softmax_loss(image, text, scale).item(), rel=1e-4, abs=1e-6)
    assert got["loss"]["sigmoid"] == pytest.approx(sigmoid_loss(image, text, scale, -3.0).item(), rel=1e-4, abs=1e-6)
    assert got["loss"]["mean"] == pytest.approx((got["loss"]["image"] + got["loss"]["text"]) / 2)
    assert got["loss"]["chance"] == pytest.approx(math.log(4))
    np.testing.assert_allclose(got["logits"], np.array(got["cosines"]) * scale, rtol=1e-5, atol=1e-5)


def test_equal_logits_cost_what_guessing_costs():
    loss = batch_loss(np.full((5, 5), 3.0), -3.0 - math.log(4))
    assert (loss.image, loss.text, loss.mean) == pytest.approx((math.log(5),) * 3)
    assert loss.sigmoid == pytest.approx(math.log(5) + 4 * math.log(5 / 4))
    assert batch_loss(np.zeros((2, 3)), 0.0) is None


def test_extreme_temperatures_stay_finite(client, asked):
    loss = answer(client, **asked[0], temperature=1e-4)["loss"]
    assert all(math.isfinite(value) for value in loss.values())


def test_images_as_files_embeddings_and_keys_are_the_same(client, asked):
    body, _ = asked
    embeddings = client.post("/api/embed", json={"images": body["images"], "encoding": "base64"}).json()["images"]
    keys = [hit["key"] for hit in client.post("/api/libraries/photos/search", json={"query": "red"}).json()["hits"]]
    files = answer(client, **body)
    assert answer(client, embeddings=embeddings, texts=TEXTS)["cosines"] == files["cosines"]
    red = answer(client, keys=[key for key in keys if "red" in key], texts=TEXTS)
    np.testing.assert_allclose(red["cosines"], files["cosines"][:1], atol=1e-6)
    mixed = answer(client, images=body["images"][:1], embeddings=embeddings[1:3], keys=keys[:1], texts=["red"])
    np.testing.assert_allclose(mixed["cosines"][:3], np.array(files["cosines"])[:3, :1])
    assert len(mixed["cosines"]) == 4
    assert mixed["loss"] is None


def test_a_prompt_changes_the_texts(client, asked):
    body, paths = asked
    model = load(engine="fake")
    for prompt, given in (("clip-7", "clip-7"), ("a photo of a {}.", ["a photo of a {}."])):
        got = answer(client, **body, prompt=prompt)
        expected = model.embed_images(paths) @ model.embed_classes(TEXTS, given).T
        np.testing.assert_allclose(got["cosines"], expected, atol=1e-6)
        assert got["prompts"] == model.class_prompts(TEXTS, given)


def test_the_library_says_how_likely_each_text_is(client, photos, monkeypatch):
    from wordsight.search import background
    from wordsight.search.background import Background, moments

    key = next(path for path in photos.rglob("red.png")).relative_to(photos).as_posix()
    assert answer(client, keys=[key], texts=["red"])["in_library"] is None  # too few images for a background
    model = load(engine="fake")
    images = model.embed_images(sorted(photos.rglob("*.png")))
    usual = Background(
        images=moments(images), texts=moments(model.embed_texts(["a dog", "a hat", "red", "snow"])), count=11
    )
    monkeypatch.setattr(background, "read", lambda folder, fingerprint: usual)
    (got,) = answer(client, keys=[key], texts=["red", "blue"])["in_library"]
    with open_library(photos, model=model) as library:
        hits = [library.search(text, k=20) for text in ("red", "blue")]
    matches = [next(hit.match for hit in found if hit.key == key) for found in hits]
    assert got == pytest.approx(matches, abs=1e-4)
    assert answer(client, keys=[key], texts=["red"], prompt="a {}")["in_library"] is None


def test_what_cannot_be_compared_is_refused(client, asked, tmp_path):
    image = asked[0]["images"][:1]
    short = base64.b64encode(np.zeros(3, "<f4").tobytes()).decode()
    zeros = base64.b64encode(np.zeros(27, "<f4").tobytes()).decode()
    secret = tmp_path / "secret.txt"
    secret.write_text("{} secret")
    assert refused(client, texts=["a"])[0] == 422
    assert refused(client, images=image, texts=[])[0] == 422
    assert refused(client, images=image, texts=["a"], temperature=0)[0] == 422
    assert refused(client, embeddings=[short], texts=["a"])[0] == 422
    assert refused(client, embeddings=["%"], texts=["a"])[0] == 422
    assert refused(client, embeddings=[zeros], texts=["a"]) == (422, "embedding 0 has not the length 1")
    assert refused(client, keys=["none.png"], texts=["a"])[0] == 404
    assert refused(client, images=image, texts=["a"], prompt=str(secret))[0] == 422
    assert refused(client, images=image, texts=["a"], prompt="{x}")[0] == 400
    assert refused(client, images=image * 100, texts=["a"] * 2000)[0] == 422


def test_templates_that_ship(client):
    lists = client.get("/api/templates").json()["lists"]
    assert [one["name"] for one in lists] == template_names()
    assert next(one for one in lists if one["name"] == "clip")["templates"] == templates("clip")
