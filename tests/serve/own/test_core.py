"""The core of our own API: embeddings, searches, errors, and a real process."""

import base64

import httpx
import numpy as np

from wordsight.embeddings.model import load
from wordsight.search.library import open_library


def test_embeddings_are_those_of_the_library(client, photos, base64_image):
    image = photos / "a" / "red.png"
    answer = client.post("/api/embed", json={"texts": ["red", "blue"], "images": [base64_image(image)]}).json()
    model = load(engine="fake")
    np.testing.assert_array_equal(np.float32(answer["texts"]), model.embed_texts(["red", "blue"]))
    np.testing.assert_array_equal(np.float32(answer["images"]), model.embed_images([image]))
    assert (answer["model"], answer["fingerprint"], answer["width"]) == ("fake", model.fingerprint, model.spec.width)


def test_embeddings_as_base64(client):
    plain = client.post("/api/embed", json={"texts": ["red"]}).json()["texts"][0]
    (packed,) = client.post("/api/embed", json={"texts": ["red"], "encoding": "base64"}).json()["texts"]
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), np.float32(plain))


def test_search_is_that_of_the_library(client, photos):
    answer = client.post("/api/libraries/photos/search", json={"query": "red", "k": 3, "where": "width > 41"}).json()
    with open_library(photos, model=load(engine="fake")) as library:
        hits = library.search("red", k=3, where="width > 41")
    assert [hit["key"] for hit in answer["hits"]] == [hit.key for hit in hits]


def test_errors_say_what_was_wrong_and_the_cure(client):
    def problem(answer):
        return answer.status_code, answer.json()["error"]["problem"]

    assert problem(client.post("/api/embed", json={"words": []})) == (422, "Object contains unknown field `words`")
    for cut in (b"{", b'{"texts": ["\\ud800"]}'):
        status, said = problem(client.post("/api/embed", content=cut))
        assert status == 422 and "ends before it is whole" in said and "surrogate" in said
    assert problem(client.post("/api/embed", json={"texts": ["x"], "model": "other"}))[0] == 404
    assert problem(client.post("/api/embed", json={"images": ["%"]}))[0] == 400
    assert problem(client.post("/api/embed", json={"images": ["aGVsbG8="]}))[0] == 400
    assert problem(client.post("/api/libraries/other/search", json={"query": "red"}))[0] == 404
    assert problem(client.post("/api/libraries/photos/search", json={"query": "red", "where": "("}))[0] == 400
    assert problem(client.get("/nothing")) == (404, "nothing at /nothing")
    assert client.get("/api/embed").status_code == 405


def test_the_command_answers_and_ends(photos, running):
    with running(str(photos)) as (address, process):
        assert httpx.get(f"{address}/ready", trust_env=False).json() == {"status": "ok"}
        answer = httpx.post(f"{address}/api/libraries/photos/search", json={"query": "red", "k": 1}, trust_env=False)
        assert answer.json()["hits"][0]["key"] == "a/red.png"
        assert "<title>" in httpx.get(address, trust_env=False).text
    assert process.returncode == 0
