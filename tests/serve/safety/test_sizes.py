"""What is too large is refused before it is decoded; what every answer has beside its body."""

import io
import zlib
from dataclasses import replace

import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.base.errors import WordsightError
from wordsight.serve.app import make_app
from wordsight.serve.route import Route
from wordsight.serve.routes import ROUTES
from wordsight.serve.safety.shown import roots_of, without_paths
from wordsight.serve.safety.sizes import opened_form
from wordsight.serve.settings import ServeLimits

FORM = Route("POST", "/api/form", f"{__name__}:form", "Takes a form.", body="raw")
FAILS = Route("GET", "/api/fails", f"{__name__}:fails", "Fails.")
ASK = "/api/libraries/photos/search"


async def form(call):
    async with opened_form(call.request, call.host) as parts:
        return {"parts": len(parts.multi_items())}


async def fails(call):
    how = call.request.query_params.get("how", "")
    if how == "mistake":
        raise ZeroDivisionError("/secret/of/ours")
    location = call.host.settings.libraries[0].location
    raise WordsightError(f"{location / 'a' / 'red.png'} cannot be read", cure=f"look into {location}")


@pytest.fixture
def client(settings, monkeypatch):
    """A client of a server with small limits, and two further routes."""
    monkeypatch.setattr("wordsight.serve.app.ROUTES", (*ROUTES, FORM, FAILS))
    limits = ServeLimits(body=20_000, image=8_000, pixels=10_000, text=100, texts=4, images=3)
    with TestClient(
        make_app(replace(settings, limits=limits)), base_url="http://127.0.0.1:7070", raise_server_exceptions=False
    ) as one:
        yield one


def png(side):
    out = io.BytesIO()
    Image.new("L", (side, side)).save(out, "PNG")
    return out.getvalue()


def parts(size, count):
    for _ in range(count):
        yield b" " * size


def test_a_body_is_refused_by_its_stated_length(client):
    assert client.post("/api/embed", content=b" " * 20_001).status_code == 413
    assert client.post("/api/embed", content=b'{"texts": ["red"]}' + b" " * 19_000).status_code == 200
    for stated in ("99999999999999999999999", "1e3", "-1", "+1", "0x10"):
        assert client.post("/api/embed", content=b"{}", headers={"content-length": stated}).status_code in (400, 413)


def test_a_body_of_unknown_length_is_refused_as_it_comes(client):
    assert client.post("/api/embed", content=parts(100, 300)).status_code == 413
    form = {"content-type": "multipart/form-data; boundary=x"}
    head = b'--x\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n'
    assert client.post("/api/form", content=(head, *parts(100, 300)), headers=form).status_code == 413


def test_packed_bodies_are_refused(client):
    bomb = zlib.compress(b" " * 1_000_000)
    for kind in ("gzip", "deflate", "br", "identity, gzip"):
        assert client.post("/api/embed", content=bomb, headers={"content-encoding": kind}).status_code == 415


def test_texts_images_and_their_sizes_are_limited(client, base64_image, photos):
    image = base64_image(photos / "a" / "red.png")
    for asked in ({"texts": ["a"] * 5}, {"texts": ["a" * 101]}, {"images": [image] * 4}, {"images": ["A" * 12_000]}):
        assert client.post("/api/embed", json=asked).status_code == 413


def test_pixels_are_counted_before_they_are_decoded(client):
    import base64

    for side, status in ((100, 200), (101, 413)):
        asked = {"images": [base64.b64encode(png(side)).decode()]}
        assert client.post("/api/embed", json=asked).status_code == status


def test_a_form_has_few_parts(client):
    assert client.post("/api/form", files=[("f", ("f", b"x"))] * 3).json()["parts"] == 3
    assert client.post("/api/form", files=[("f", ("f", b"x"))] * 4).status_code == 400
    assert (
        client.post("/api/form", data={f"n{n}": "x" for n in range(101)}, files={"f": ("f", b"x")}).status_code == 400
    )


def test_addresses_and_headers_have_an_end(client):
    assert client.get(f"/health?{'a' * 16_400}").status_code == 414
    assert client.get("/health", headers={"x-long": "a" * 33_000}).status_code == 431
    assert client.get("/health", headers=[("x-many", "a")] * 101).status_code == 431
    assert client.get("/health", headers=[("authorization", "a"), ("authorization", "b")]).status_code == 400


@pytest.mark.parametrize("path", ["/", "/health", "/nothing", "/page/shell.js", "/api/fails?how=mistake", ASK])
def test_every_answer_has_the_headers_of_safety(client, path):
    answer = client.get(path)
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in headers["content-security-policy"] or "sandbox" in headers["content-security-policy"]
    assert headers["cache-control"] and "server" not in headers
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_page_that_the_browser_has_keeps_its_policy(client):
    first = client.get("/map")
    assert "script-src 'self'" in first.headers["content-security-policy"]
    again = client.get("/map", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and "content-security-policy" not in again.headers


def test_nothing_of_a_mistake_of_ours_is_shown(client, caplog):
    answer = client.get("/api/fails?how=mistake")
    assert answer.status_code == 500
    assert answer.json()["error"]["problem"] == "an internal error"
    assert "secret" not in answer.text and "Traceback" in caplog.text


def test_no_path_of_the_server_is_shown(client, tmp_path, photos):
    answer = client.get("/api/fails")
    assert answer.status_code == 400
    assert str(tmp_path) not in answer.text and "red.png cannot be read" in answer.json()["error"]["problem"]


def test_paths_are_left_out_of_texts(settings, photos):
    roots = roots_of(settings)
    assert without_paths(roots, f"no file {photos}/a.png") == "no file …/photos/a.png"
    assert without_paths(roots, "nothing at /api/other") == "nothing at /api/other"


def test_a_slash_at_the_end_leads_nowhere_else(client):
    assert client.get("/health/", follow_redirects=False).status_code == 404


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=y"])
def test_a_form_that_is_none_is_refused(client, kind):
    broken = b"--x\r\n\r\nno name\r\n--x--"
    assert client.post("/api/form", content=broken, headers={"content-type": kind}).status_code == 400
