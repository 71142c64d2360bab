"""immich's `/predict`: a form as its server sends it, byte by byte, and every way in which it can be wrong."""

import base64
import json

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.embeddings.model import load
from wordsight.serve.app import make_app
from wordsight.serve.settings import ServeLimits, ServeSettings, named_libraries

BASE = "http://127.0.0.1:7070"
# What Node 20's fetch makes of a FormData with the fields of immich 3's server, its boundary included; IMAGE is a PNG
# of 3 x 2 red pixels.
BOUNDARY = "----formdata-undici-060563288227"
IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAFUlEQVR4nGO8IyfHwMDAwMDAxAADABSqARxxpky/AAAAAElFTkSuQmCC"
)
VISUAL = b"".join(
    (
        b'------formdata-undici-060563288227\r\nContent-Disposition: form-data; name="entries"\r\n\r\n',
        b'{"clip":{"visual":{"modelName":"ViT-B-32__openai"}}}\r\n',
        b'------formdata-undici-060563288227\r\nContent-Disposition: form-data; name="image"; filename="blob"\r\n',
        b"Content-Type: application/octet-stream\r\n\r\n",
        IMAGE,
        b"\r\n------formdata-undici-060563288227--\r\n",
    )
)
TEXTUAL = (
    b'------formdata-undici-060563288227\r\nContent-Disposition: form-data; name="entries"\r\n\r\n'
    b'{"clip":{"textual":{"modelName":"ViT-B-32__openai","options":{"language":"de"}}}}\r\n'
    b'------formdata-undici-060563288227\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
    b'zwei Hunde\r\n\xe2\x80\x9eim" Gras\r\n\xc3\xbcber\r\n'
    b"------formdata-undici-060563288227--\r\n"
)
HEADERS = {
    "content-type": f"multipart/form-data; boundary={BOUNDARY}",
    "accept": "*/*",
    "accept-language": "*",
    "sec-fetch-mode": "cors",
    "user-agent": "node",
    "accept-encoding": "gzip, deflate",
}
FACES = {"facial-recognition": {"detection": {"modelName": "buffalo_l", "options": {"minScore": 0.7}}}}
OCR = {"ocr": {"detection": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.5, "maxResolution": 736}}}}
VISUAL_ENTRY = {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}}
TEXTUAL_ENTRY = {"clip": {"textual": {"modelName": "ViT-B-32__openai"}}}


@pytest.fixture
def refused(client):
    """Return a function from the fields of a form to the status and detail that come back."""

    def asked(entries, **fields):
        written = entries if isinstance(entries, str) else json.dumps(entries)
        files = {"entries": (None, written), **{name: (None, value) for name, value in fields.items()}}
        image = fields.get("image")
        if isinstance(image, bytes):
            files["image"] = ("blob", image)
        answer = client.post("/predict", files=files)
        return answer.status_code, answer.json()["detail"]

    return asked


def test_forms_of_nodes_fetch_over_a_socket(listening, settings):
    model = load(engine="fake")
    with listening(settings) as address, httpx.Client(trust_env=False) as client:
        visual = client.post(f"{address}/predict", content=VISUAL, headers=HEADERS | {"X-Correlation-ID": "a1b2"})
        textual = client.post(f"{address}/predict", content=TEXTUAL, headers=HEADERS)
        assert (client.get(f"{address}/ping").text, client.get(f"{address}/ping").status_code) == ("pong", 200)
    assert visual.status_code == textual.status_code == 200
    answer = visual.json()
    assert answer.keys() == {"clip", "imageHeight", "imageWidth"}
    assert (answer["imageHeight"], answer["imageWidth"]) == (2, 3)
    np.testing.assert_array_equal(np.float32(json.loads(answer["clip"])), model.embed_images([IMAGE])[0])
    assert textual.json().keys() == {"clip"}
    expected = model.embed_texts(['zwei Hunde\r\n„im" Gras\r\nüber'])[0]
    np.testing.assert_array_equal(np.float32(json.loads(textual.json()["clip"])), expected)
    assert visual.headers["x-correlation-id"] == "a1b2"
    assert "x-correlation-id" not in textual.headers


def test_sides_are_those_of_the_file_as_it_lies(client, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (30, 20), "red").save(tmp_path / "turned.jpg", exif=exif)
    files = {"entries": (None, json.dumps(VISUAL_ENTRY)), "image": ("blob", (tmp_path / "turned.jpg").read_bytes())}
    answer = client.post("/predict", files=files).json()
    assert (answer["imageWidth"], answer["imageHeight"]) == (30, 20)


def test_other_tasks_are_refused_so_that_immich_asks_elsewhere(refused):
    for entries in (FACES, OCR, VISUAL_ENTRY | FACES):
        status, detail = refused(entries, image=IMAGE)
        assert status == 501
        assert "another machine-learning server" in detail


def test_wrong_forms_are_refused_as_the_service_does(refused, client):
    for entries in (
        "",
        "{",
        "[]",
        "3",
        '{"clip": 3}',
        '{"clip": {"visual": {}}}',
        "{}",
        '{"clip": {"x": {"modelName": "y"}}}',
    ):
        status, detail = refused(entries, text="red")
        assert (status, detail.startswith("Invalid request format.")) == (422, True), entries
    assert refused(VISUAL_ENTRY) == (400, "Either image or text must be provided")
    assert refused(VISUAL_ENTRY, text="red")[0] == 400
    assert refused(TEXTUAL_ENTRY, image=IMAGE)[0] == 400
    assert refused(VISUAL_ENTRY, image=b"no image")[0] == 400
    assert refused(VISUAL_ENTRY, image=IMAGE[:45])[0] == 400
    assert refused(VISUAL_ENTRY, image="text")[0] == 422
    files = {"entries": (None, json.dumps(TEXTUAL_ENTRY)), "text": ("name", b"red")}
    assert client.post("/predict", files=files).status_code == 422
    assert refused("[" * 50_000, text="red")[0] == 422
    for content, headers in (
        (b"{}", {"content-type": "application/json"}),
        (VISUAL, {"content-type": "multipart/form-data"}),
        (VISUAL[:200], HEADERS),
        (b"\x00" * 100, HEADERS),
        (b"", HEADERS),
    ):
        answer = client.post("/predict", content=content, headers=headers)
        assert answer.status_code in (400, 422), content[:20]
        assert isinstance(answer.json()["detail"], str)


def test_sizes_are_limited_while_the_form_is_read(photos):
    limits = ServeLimits(image=len(IMAGE), text=10)
    tight = ServeSettings(libraries=named_libraries([photos]), engine="fake", port=0, limits=limits)

    def endless():
        yield VISUAL[:-50]
        for _ in range(100):
            yield bytes(10_000)

    with TestClient(make_app(tight), base_url=BASE) as client:
        assert client.post("/predict", content=VISUAL, headers=HEADERS).status_code == 200
        answer = client.post("/predict", content=endless(), headers=HEADERS)
        assert (answer.status_code, "a body of more than" in answer.json()["detail"]) == (413, True)
        files = {"entries": (None, json.dumps(VISUAL_ENTRY)), "image": ("blob", IMAGE + b"0")}
        assert client.post("/predict", files=files).status_code == 413
        files = {"entries": (None, json.dumps(TEXTUAL_ENTRY)), "text": (None, "x" * 11)}
        assert client.post("/predict", files=files).status_code == 413
        many = {"entries": (None, json.dumps(TEXTUAL_ENTRY)), **{f"f{i}": (None, "x") for i in range(20)}}
        assert client.post("/predict", files=many).status_code == 400


def test_a_served_model_answers_to_immichs_name(photos, monkeypatch):
    named = ServeSettings(libraries=named_libraries([photos]), models=(None, "ViT-B-32/openai"), engine="fake", port=0)
    asked = []
    from wordsight.serve.hosting.models import HostedModels

    original = HostedModels.named

    async def noted(self, name=""):
        hosted = await original(self, name)
        asked.append(name)
        return hosted

    monkeypatch.setattr(HostedModels, "named", noted)
    with TestClient(make_app(named), base_url=BASE) as client:
        assert client.post("/predict", content=TEXTUAL, headers=HEADERS).status_code == 200
    assert asked[-1] == "ViT-B-32/openai"
