"""Cohere's, Voyage's, weaviate's and clip-as-service's shapes, and what all neighbours have in common."""

import base64

import numpy as np
import pytest

from wordsight.base.arrays import unit
from wordsight.embeddings.model import load
from wordsight.serve.neighbours.table import ROUTES


@pytest.fixture(scope="module")
def model():
    return load(engine="fake")


@pytest.fixture
def red(photos):
    return photos / "a" / "red.png"


@pytest.fixture
def data(red, base64_image):
    return f"data:image/png;base64,{base64_image(red)}"


@pytest.fixture
def ask(client):
    def asked(path, status=200, **body):
        answer = client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    return asked


def test_cohere_version_2(ask, model, red, data):
    body = {"model": "default", "input_type": "search_document", "truncate": "END"}
    answer = ask("/v2/embed", **body, texts=["red", "blue"], embedding_types=["float", "int8", "ubinary", "base64"])
    exact = model.embed_texts(["red", "blue"])
    np.testing.assert_array_equal(np.float32(answer["embeddings"]["float"]), exact)
    assert answer["embeddings"].keys() == {"float", "int8", "ubinary", "base64"}
    unpacked = [np.frombuffer(base64.b64decode(one), "<f4") for one in answer["embeddings"]["base64"]]
    np.testing.assert_array_equal(unpacked, exact)
    assert (answer["texts"], answer["response_type"]) == (["red", "blue"], "embeddings_by_type")
    assert answer["meta"]["billed_units"] == {"input_tokens": 6}
    image = ask("/v2/embed", **body, images=[data])["embeddings"]["float"]
    np.testing.assert_array_equal(np.float32(image), model.embed_images([red]))
    content = [{"type": "text", "text": "blue"}, {"type": "image_url", "image_url": {"url": data}}]
    (both,) = ask("/v2/embed", **body, inputs=[{"content": content}], output_dimension=9)["embeddings"]["float"]
    mean = unit((exact[1] + model.embed_images([red])[0])[None])
    np.testing.assert_allclose(both, unit(mean[:, :9])[0], atol=1e-6)


def test_cohere_version_1(ask, model):
    answer = ask("/v1/embed", model="default", texts=["red"])
    np.testing.assert_array_equal(np.float32(answer["embeddings"]), model.embed_texts(["red"]))
    assert answer["response_type"] == "embeddings_floats"
    assert ask("/v1/embed", texts=["red"], embedding_types=["uint8"])["embeddings"].keys() == {"uint8"}


def test_cohere_refuses_in_its_shape(ask):
    assert "one call" in ask("/v2/embed", 400)["message"]
    assert "texts and images" in ask("/v2/embed", 400, texts=["x"], images=["y"])["message"]
    assert "START" in ask("/v2/embed", 400, texts=["x"], truncate="START")["message"]
    assert "tokens" in ask("/v2/embed", 400, texts=["red " * 200], truncate="NONE")["message"]
    assert ask("/v2/embed", texts=["red"], truncate="NONE")["embeddings"]
    assert "embed-v4.0" in ask("/v2/embed", 404, texts=["x"], model="embed-v4.0")["message"]
    assert "float16" in ask("/v2/embed", 400, texts=["x"], embedding_types=["float16"])["message"]
    assert "image 0" in ask("/v2/embed", 400, images=["data:image/png;base64,aGVsbG8="])["message"]


def test_voyage(ask, model, red, data):
    content = [{"type": "text", "text": "blue"}, {"type": "image_base64", "image_base64": data}]
    body = {"model": "default", "input_type": None, "truncation": True, "output_dtype": None, "output_dimension": None}
    inputs = [{"content": content}, {"content": content[:1]}]
    answer = ask("/v1/multimodalembeddings", **body, inputs=inputs, encoding_format="base64")
    unpacked = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in answer["data"]]
    text, image = model.embed_texts(["blue"]), model.embed_images([red])
    np.testing.assert_allclose(unpacked, [unit(text + image)[0], text[0]], atol=1e-7)
    assert answer["usage"] == {"text_tokens": 6, "total_tokens": 6, "image_pixels": 0, "video_pixels": 0}
    assert "empty input" in ask("/v1/multimodalembeddings", 400, inputs=[])["detail"]
    video = [{"content": [{"type": "video_url", "video_url": "x"}]}]
    assert "video_url" in ask("/v1/multimodalembeddings", 400, inputs=video)["detail"]


def test_weaviate(client, ask, model, red, base64_image):
    for path in ("/.well-known/live", "/.well-known/ready"):
        assert (client.get(path).status_code, client.get(path).content) == (204, b"")
    assert client.get("/meta").json()["width"] == model.spec.width
    answer = ask("/vectorize", texts=["red", "data:image/png;base64,AAAA"], images=[base64_image(red)])
    assert answer.keys() == {"textVectors", "imageVectors"}
    np.testing.assert_array_equal(
        np.float32(answer["textVectors"]), model.embed_texts(["red", "data:image/png;base64,AAAA"])
    )
    np.testing.assert_array_equal(np.float32(answer["imageVectors"]), model.embed_images([red]))
    assert ask("/vectorize", texts=[], images=[]) == {"textVectors": [], "imageVectors": []}
    assert "image 0" in ask("/vectorize", 400, images=["aGVsbG8="])["error"]
    assert "base64" in ask("/vectorize", 400, images=["%"])["error"]
    assert ask("/vectorize", 422, images=[3])["error"]


def test_clip_as_service_embeds(ask, model, red, base64_image, data):
    documents = [{"text": "red", "id": "mine"}, {"blob": base64_image(red)}, {"uri": data}]
    answer = ask("/post", data=documents, execEndpoint="/")
    first, *images = answer["data"]
    np.testing.assert_array_equal(np.float32(first["embedding"]), model.embed_texts(["red"])[0])
    for image in images:
        np.testing.assert_array_equal(np.float32(image["embedding"]), model.embed_images([red])[0])
        assert image.keys() == {"id", "embedding"}
    assert (first["id"], answer["header"]["status"]) == ("mine", None)
    assert ask("/post", data=[{"text": "red"}], execEndpoint="/encode/fake")["data"][0]["embedding"]
    assert ask("/post", data=[])["data"] == []


def test_clip_as_service_ranks(ask, model, red, data):
    answers = ["a blue sky", "red", "green"]
    documents = [
        {"uri": data, "matches": [{"text": text} for text in answers]},
        {"text": "no matches"},
        {"text": "green", "matches": [{"text": text} for text in answers]},
    ]
    first, alone, last = ask("/post", data=documents, execEndpoint="/rank")["data"]
    assert first["matches"][0]["text"] == "red"
    assert last["matches"][0]["text"] == "green"
    assert "matches" not in alone
    shares = {one["text"]: one["scores"]["clip_score"]["value"] for one in first["matches"]}
    expected = model.match([red], answers)[0]
    np.testing.assert_allclose([shares[text] for text in answers], expected, atol=1e-6)
    cosine = first["matches"][0]["scores"]["clip_score_cosine"]["value"]
    assert cosine == pytest.approx(float(model.score([red], ["red"])[0, 0]), abs=1e-6)


def test_clip_as_service_understands_its_python_client(ask, red, base64_image):
    """The body that `clip_client` 0.8.3 sends over jina 3.13, shortened where all is null."""
    null = dict.fromkeys(("parent_id", "granularity", "tensor", "mime_type", "uri", "tags", "embedding", "chunks"))
    matches = [
        {**null, "id": text, "adjacency": 1, "blob": None, "text": text, "scores": None, "matches": None}
        for text in ("blue", "red")
    ]
    query = {**null, "id": "8d6f", "blob": base64_image(red), "text": None, "uri": "a/red.png", "matches": matches}
    body = {"header": {"request_id": "4349", "exec_endpoint": "/rank"}, "parameters": {"drop_image_content": True}}
    answer = ask("/post", **body, data=[query], exec_endpoint="/rank")
    assert [match["id"] for match in answer["data"][0]["matches"]] == ["red", "blue"]
    gateway, towers = answer["routes"]
    assert gateway["startTime"] <= towers["startTime"] <= towers["endTime"] <= gateway["endTime"]


def test_clip_as_service_refuses_in_its_shape(ask, photos):
    def status(code=400, **body):
        return ask("/post", code, **body)["header"]["status"]["description"]

    assert "without text" in status(data=[{}])
    assert "base64" in status(data=[{"uri": str(photos / "a" / "red.png")}])  # files of the server are not read
    assert "image 0" in status(data=[{"blob": "aGVsbG8="}])
    assert "/index" in status(data=[{"text": "x"}], execEndpoint="/index")
    assert "other" in status(404, data=[{"text": "x"}], execEndpoint="/encode/other")


def test_no_neighbour_answers_nonsense_with_an_internal_error(client):
    for route in ROUTES:
        for body in (
            b"",
            b"{",
            b"[]",
            b"null",
            b'"x"',
            b"\xff\xfe",
            b"[" * 5000,
            b'{"input": {"text": {}}, "query": 1}',
        ):
            path = route.path.replace("{id:path}", "%00")
            answer = client.request(route.method, path, content=body if route.method == "POST" else None)
            assert answer.status_code < 500, (route.path, body, answer.text)
            if answer.status_code >= 400:
                assert answer.json().keys() == route.shape(400, "x", "y").keys()
