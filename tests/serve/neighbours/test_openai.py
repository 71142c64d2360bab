"""OpenAI's shapes, asked by the official client; images in all spellings; what is refused."""

import base64

import numpy as np
import openai
import pytest
from starlette.testclient import TestClient

from wordsight.base.arrays import unit
from wordsight.embeddings.model import load
from wordsight.serve.app import make_app
from wordsight.serve.settings import ServeLimits, ServeSettings, named_libraries

BASE = "http://127.0.0.1:7070"


@pytest.fixture(scope="module")
def model():
    return load(engine="fake")


@pytest.fixture
def ask(client):
    """Return a function from an `input` to the embeddings that come back."""

    def asked(given, **fields):
        answer = client.post("/v1/embeddings", json={"input": given, "model": "default", **fields})
        assert answer.status_code == 200, answer.text
        return np.float32([one["embedding"] for one in answer.json()["data"]])

    return asked


@pytest.fixture
def refused(client):
    """Return a function from a body to the status and message of the error that comes back."""

    def asked(path="/v1/embeddings", **body):
        answer = client.post(path, json=body)
        error = answer.json()["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert answer.json()["detail"] == error["message"]
        return answer.status_code, error["message"]

    return asked


@pytest.fixture
def red(photos):
    return photos / "a" / "red.png"


@pytest.fixture
def red_image(model, red):
    return model.embed_images([red])[0]


def test_the_official_client_embeds_texts(listening, settings, model):
    with listening(settings) as address:
        with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            answer = client.embeddings.create(model="default", input=["red", "a blue sky"], user="me")
            plain = client.embeddings.create(model="fake", input="red", encoding_format="float")
            short = client.embeddings.create(model="fake", input="red", dimensions=5)
            models = list(client.models.list())
            assert client.models.retrieve("fake") == models[0]
            with pytest.raises(openai.NotFoundError) as error:
                client.embeddings.create(model="text-embedding-3-small", input="red")
            assert error.value.code == "model_not_found"
            assert "text-embedding-3-small" in error.value.message
            with pytest.raises(openai.BadRequestError, match="token ids"):
                client.embeddings.create(model="fake", input=[[1, 2, 3]])
            with pytest.raises(openai.BadRequestError, match="dimensions"):
                client.embeddings.create(model="fake", input="red", dimensions=4096)
    np.testing.assert_array_equal(
        np.float32([one.embedding for one in answer.data]), model.embed_texts(["red", "a blue sky"])
    )
    assert [one.index for one in answer.data] == [0, 1]
    assert (answer.object, answer.model, answer.usage.prompt_tokens) == ("list", "fake", 3 + 5)
    np.testing.assert_array_equal(np.float32(plain.data[0].embedding), model.embed_texts(["red"])[0])
    np.testing.assert_allclose(short.data[0].embedding, unit(model.embed_texts(["red"])[:, :5])[0], atol=1e-7)
    assert [(one.id, one.object, one.owned_by) for one in models] == [("fake", "model", "wordsight")]


def test_the_official_client_embeds_images(listening, settings, model, red, base64_image, red_image):
    data = f"data:image/png;base64,{base64_image(red)}"
    message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": data}}]}
    with listening(settings) as address:
        with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            answers = [
                client.embeddings.create(model="fake", input=[data]),
                client.embeddings.create(model="fake", input=[data], extra_body={"modality": "image"}),
                client.post(  # as vLLM's documentation asks for conversations
                    "/embeddings",
                    cast_to=openai.types.CreateEmbeddingResponse,
                    body={"model": "fake", "messages": [message], "encoding_format": "float"},
                ),
            ]
    for answer in answers:
        np.testing.assert_array_equal(np.float32(answer.data[0].embedding), red_image)
        assert answer.usage.total_tokens == 0


def test_numbers_are_those_of_the_bundled_model(red, base64_image):
    bundled = load()
    with TestClient(make_app(ServeSettings(models=("bundled",), port=0)), base_url=BASE) as client:
        for given, expected in (
            ("two dogs on grass", bundled.embed_texts(["two dogs on grass"])),
            ({"image": base64_image(red)}, bundled.embed_images([red])),
        ):
            (one,) = client.post("/v1/embeddings", json={"input": given, "model": bundled.name}).json()["data"]
            np.testing.assert_allclose(np.float32(one["embedding"]), expected[0], atol=1e-6)


def test_infinity_spells_its_addresses_without_a_version(client, ask):
    body = {"input": "red", "model": "default/not-specified"}
    assert (
        np.float32(client.post("/embeddings", json=body).json()["data"][0]["embedding"]).tolist()
        == ask("red")[0].tolist()
    )
    listed = client.get("/v1/models").json()
    (infinity,) = client.get("/models").json()["data"]
    assert infinity == listed["data"][0] | {"owned_by": "infinity"}
    assert {"id", "stats", "capabilities", "backend", "created", "object", "owned_by"} <= listed["data"][0].keys()
    assert client.get("/models/fake").json() == listed["data"][0]
    assert client.get("/v1/models/some/other").json()["error"]["code"] == "model_not_found"


def spellings(encoded):
    data = f"data:image/png;base64,{encoded}"
    return [
        data,
        {"image": encoded},
        {"image": data},
        {"url": data},
        {"bytes": encoded},
        {"image_url": {"url": data}},
        {"image_url": data},
        {"type": "image_url", "image_url": {"url": data, "detail": "low"}},
        {"type": "input_image", "image_url": data},
        {"type": "image_base64", "image_base64": data},
        {"content": [{"type": "image_url", "image_url": {"url": data}}]},
        [{"type": "image_url", "image_url": {"url": data}}],
        {"role": "user", "content": {"image": encoded}},
        {"image": f"{encoded[:40]}\n{encoded[40:]}"},
    ]


def test_every_spelling_of_an_image_is_the_same_image(ask, red, base64_image, red_image):
    embedded = ask(spellings(base64_image(red)))
    np.testing.assert_array_equal(embedded, np.tile(red_image, (len(embedded), 1)))


def test_modality_image_makes_bare_strings_images(client, ask, red, base64_image, red_image):
    data = f"data:image/png;base64,{base64_image(red)}"
    for given in (data, [data, base64_image(red)]):
        embedded = ask(given, modality="image")
        np.testing.assert_array_equal(embedded, np.tile(red_image, (len(embedded), 1)))
    old = client.post("/embeddings_image", json={"input": [base64_image(red)]}).json()["data"][0]["embedding"]
    np.testing.assert_array_equal(np.float32(old), red_image)


def test_texts_and_images_mix(ask, model, red, base64_image, red_image):
    text = model.embed_texts(["blue"])[0]
    mean = unit((text + red_image)[None])[0]
    image = {"image": base64_image(red)}
    embedded = ask(["blue", {"text": "blue"}, image, {"text": "blue", **image}, [{"text": "blue"}, image]])
    np.testing.assert_allclose(embedded, [text, text, red_image, mean, mean], atol=1e-7)


def test_a_conversation_has_one_embedding(client, model, red, base64_image, red_image):
    address = {"url": f"data:image/png;base64,{base64_image(red)}"}
    content = [{"type": "image_url", "image_url": address}, {"type": "text", "text": "blue"}]
    text = model.embed_texts(["blue"])[0]
    for messages, expected in (
        ([{"role": "user", "content": content}], unit((text + red_image)[None])[0]),
        ([{"role": "user", "content": content[:1]}], red_image),
        ([{"role": "user", "content": "blue"}], text),
    ):
        (one,) = client.post("/v1/embeddings", json={"model": "fake", "messages": messages}).json()["data"]
        np.testing.assert_allclose(np.float32(one["embedding"]), expected, atol=1e-7)


def test_numbers_of_other_types_keep_the_direction(client, model, ask):
    texts = ["red", "a blue sky", "green grass"]
    exact = model.embed_texts(texts)
    int8 = ask(texts, embedding_type="int8")
    assert int8.min() >= -127 and int8.max() == 127
    assert (unit(int8) * exact).sum(1).min() > 0.999
    np.testing.assert_array_equal(ask(texts, embedding_type="uint8"), int8 + 128)
    bits = ask(texts, embedding_type=["ubinary"]).astype(np.uint8)
    np.testing.assert_array_equal(np.unpackbits(bits, axis=1)[:, : exact.shape[1]], exact > 0)
    np.testing.assert_array_equal(ask(texts, output_dtype="binary"), bits.astype(np.int16) - 128)
    packed = client.post("/v1/embeddings", json={"input": texts, "embedding_type": "base64"}).json()["data"]
    unpacked = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in packed]
    np.testing.assert_array_equal(unpacked, exact)
    shorter = ask(texts, dimensions=6, embedding_type="float")
    np.testing.assert_allclose(np.linalg.norm(shorter, axis=1), 1, atol=1e-6)


REFUSED = (
    ([], "empty input"),
    ([1, 2], "token ids"),
    ([["red"], [1]], "token ids"),
    ([None], "None"),
    ([{}], "of none"),
    ([{"audio": "x"}], "audio"),
    ([{"type": "video_url", "video_url": {"url": "x"}}], "video_url"),
    ([{"type": ["text"], "text": "red"}], "text"),
    ([{"image": {"x": 1}}], "image"),
    ([[[[[["red"]]]]]], "lists inside lists"),
    ([{"image": "%%%"}], "not base64"),
    ([{"image": "aGVsbG8="}], "image 0"),
    ([{"image": ""}], "image 0"),
    (["data:image/png;base64,aGVsbG8="], "image 0"),
    ([{"image": "data:image/svg+xml,%3Csvg/%3E"}], "not base64"),
    ([{"image": "/etc/passwd"}], "image"),
)


def test_what_is_no_text_and_no_image_is_refused(refused):
    for given, words in REFUSED:
        status, message = refused(input=given)
        assert (status, words in message) == (400, True), (given, message)


def test_web_addresses_are_refused_unless_allowed(refused):
    for given in ({"image": "https://example.org/a.png"}, {"image_url": {"url": "HTTP://127.0.0.1/"}}):
        status, message = refused(input=[given])
        assert (status, "web address" in message) == (403, True)


def test_wrong_fields_are_refused(refused):
    assert refused()[0] == 400
    assert refused(input="red", messages=[])[0] == 400
    assert refused(messages=[])[0] == 400
    assert refused(input="red", embedding_type="float16")[0] == 400
    assert refused(input="red", encoding_format=["float"])[0] == 422
    assert refused(input="red", dimensions=-1)[0] == 400
    assert refused(input="red", embedding_type=["int8", "float"])[0] == 400
    assert refused(input="red", model="other")[0] == 404


@pytest.fixture
def tight(photos, listening):
    limits = ServeLimits(image=64, text=10, texts=2, images=1)
    return ServeSettings(libraries=named_libraries([photos]), engine="fake", port=0, limits=limits)


def test_limits_hold(tight, red, base64_image):
    image = {"image": base64.b64encode(bytes(40)).decode()}
    with TestClient(make_app(tight), base_url=BASE) as client:
        for given in (["red"] * 3, ["x" * 11], [image, image], [{"image": base64.b64encode(bytes(90)).decode()}]):
            answer = client.post("/v1/embeddings", json={"input": given})
            assert (answer.status_code, answer.json()["error"]["type"]) == (413, "invalid_request_error")
