"""clip-retrieval's back end, asked with the fields that its `ClipClient` and its page post, written down here."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.embeddings.model import load
from wordsight.search.library import open_library
from wordsight.serve.app import make_app
from wordsight.serve.neighbours import stable_ids
from wordsight.serve.settings import ServeSettings, named_libraries

BASE = "http://127.0.0.1:7070"
CLIENT = {  # what ClipClient 2.45 posts for query(text="red") with its defaults
    "text": "red",
    "image": None,
    "image_url": None,
    "embedding_input": None,
    "deduplicate": True,
    "use_safety_model": True,
    "use_violence_detector": True,
    "indice_name": "photos",
    "use_mclip": False,
    "aesthetic_score": 9,
    "aesthetic_weight": 0.5,
    "modality": "image",
    "num_images": 40,
    "num_result_ids": 40,
}
PAGE = {  # and its page, for an example image
    "text": None,
    "image": None,
    "image_url": None,
    "embedding_input": None,
    "modality": "image",
    "num_images": 3,
    "indice_name": "photos",
    "num_result_ids": 3000,
    "use_mclip": False,
    "deduplicate": False,
    "use_safety_model": False,
    "use_violence_detector": False,
    "aesthetic_score": "",
    "aesthetic_weight": "",
}


@pytest.fixture
def ask(client):
    """Return a function from fields to the answer of `/knn-service`, posted as the client does: JSON without a type."""

    def asked(fields, status=200, **others):
        answer = client.post("/knn-service", content=json.dumps({**fields, **others}))
        assert answer.status_code == status, answer.text
        return answer.json() if status == 200 else answer.json()["message"]

    return asked


@pytest.fixture
def nearest(photos):
    """Return a function from an embedding to the keys and cosines of all images, best first."""

    def by(query):
        with open_library(photos, model=load(engine="fake")) as library, library.reading() as index:
            return [(one.key, one.score) for one in index.search(query[None], 100)[0]]

    return by


def test_the_clients_question(ask, nearest):
    model = load(engine="fake")
    results = ask(CLIENT)
    expected = nearest(model.embed_texts(["red"])[0])
    assert len(results) == len(expected) == 11
    assert [(one["image_path"], one["similarity"]) for one in results] == [
        (key, pytest.approx(score)) for key, score in expected
    ]
    assert results[0]["image_path"] == "a/red.png"
    with Image.open(io.BytesIO(base64.b64decode(results[0]["image"]))) as image:
        assert (image.format, image.size) == ("JPEG", (40, 20))
    assert all(isinstance(one["id"], int) and 0 <= one["id"] < 2**53 for one in results)


def test_all_kinds_of_queries(ask, nearest, photos, base64_image):
    model = load(engine="fake")
    blue = photos / "a" / "blue.png"
    image = model.embed_images([blue])[0]
    for fields, query in (
        ({"image": base64_image(blue)}, image),
        ({"embedding_input": (3 * image).tolist()}, image),
        ({"text": "green", "image": base64_image(blue)}, model.embed_texts(["green"])[0]),  # text comes first
        ({"text": "", "image": base64_image(blue)}, image),
    ):
        results = ask(PAGE, **fields)
        assert [one["image_path"] for one in results[:3]] == [key for key, _ in nearest(query)][:3]
        assert len(results) == 11
        assert all(one.keys() == {"id", "similarity"} for one in results[3:])


def test_metadata_comes_for_ids_that_stay(ask, client, photos, settings):
    results = ask(PAGE, text="red")
    ids = [one["id"] for one in results]
    body = {"indice_name": "photos", "ids": [ids[5], ids[0], 12345]}
    told = client.post("/metadata", content=json.dumps(body)).json()
    assert [one["id"] for one in told] == [ids[5], ids[0]]
    assert told[1]["metadata"]["image_path"] == "a/red.png"
    assert told[1]["metadata"].keys() >= {"image", "width", "height", "size"}
    with open_library(photos, model=load(engine="fake")) as library:
        (photos / "a" / "aaa.png").write_bytes((photos / "a" / "red.png").read_bytes())
        library.sync()
    stable_ids._known.clear()  # as in another process
    with TestClient(make_app(settings), base_url=BASE) as fresh:
        assert fresh.post("/metadata", content=json.dumps(body)).json() == told
        assert fresh.post("/metadata", json={"ids": []}).json() == []
        assert fresh.post("/metadata", json={"ids": [1] * 2000}).status_code == 413


def test_near_duplicates_and_what_is_watched_are_left_out(photos, settings, base64_image):
    with open_library(photos, model=load(engine="fake")) as library:
        with Image.open(photos / "a" / "red.png") as image:
            image.resize((80, 40)).save(photos / "b" / "red-large.png")
        library.sync()
        library.note([("b/orange.png", {"moderation": "weapons"})])
    with TestClient(make_app(settings), base_url=BASE) as client:

        def keys(**fields):
            answer = client.post("/knn-service", json={**PAGE, "num_images": 20, "text": "red", **fields}).json()
            return [one["image_path"] for one in answer]

        plain = keys()
        assert {"a/red.png", "b/red-large.png", "b/orange.png"} < set(plain)
        assert set(plain) - set(keys(deduplicate=True)) == {"b/red-large.png"}
        assert set(plain) - set(keys(use_safety_model=True)) == {"b/orange.png"}
        assert set(plain) - set(keys(use_violence_detector=True)) == {"b/orange.png"}


def test_indices_are_the_libraries(photos, tmp_path, client):
    assert client.get("/indices-list").json() == ["photos"]
    assert client.get("/indices-list").headers.get("access-control-allow-origin") is None


def test_what_cannot_be_answered_is_said(ask):
    assert "modality text" in ask(CLIENT, 400, modality="text")
    assert "no query" in ask(PAGE, 400)
    assert "no library" in ask(CLIENT, 404, indice_name="laion5B")
    assert "web address" in ask(PAGE, 403, image_url="http://127.0.0.1:1/a.png")
    assert "base64" in ask(PAGE, 400, image="%")
    assert "image 0" in ask(PAGE, 400, image="aGVsbG8=")
    assert "3 numbers" in ask(PAGE, 400, embedding_input=[1, 2, 3])
    assert "numbers" in ask(PAGE, 400, embedding_input=[0.0] * 27)
    assert "numbers" in ask(PAGE, 400, embedding_input=[1e308] * 27)
    assert "negative" in ask(CLIENT, 400, num_images=-1)
    assert ask(CLIENT, 422, modality="sound")
    assert ask(CLIENT, 422, num_images="many")
    assert ask(CLIENT, num_images=0, num_result_ids=0) == []


def test_no_absolute_path_leaves_the_server(photos, tmp_path):
    table = tmp_path / "shop.csv"
    table.write_text(f"image,caption\n{photos / 'a' / 'red.png'},a red thing\n")
    model = load(engine="fake")
    with open_library(table, model=model) as library:
        library.sync()
    shop = ServeSettings(libraries=named_libraries([table]), engine="fake", port=0)
    with TestClient(make_app(shop), base_url=BASE) as client:
        (hit,) = client.post("/knn-service", json={"text": "red", "modality": "image", "num_images": 5}).json()
    assert hit["caption"] == "a red thing"
    assert "image" in hit
    assert np.float32(hit["similarity"]) > 0.5
    assert str(tmp_path) not in json.dumps({name: value for name, value in hit.items() if name != "image_path"})
