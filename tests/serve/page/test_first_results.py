"""The first results, which the server writes into the search page: the same as the API's, for who may see them, at once."""

import asyncio
import json
import re
from html.parser import HTMLParser

import httpx
import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from wordsight.serve.app import make_app
from wordsight.serve.page import first as first_page
from wordsight.serve.page.addresses import asked_by
from wordsight.serve.safety.keys import NewKey, add_key

ADDRESSES = (
    "",
    "q=blue",
    "q=+blue+&in=shop&keywords=off",
    "q=blue&weight=2&p=t1.5:red&p=k1:k004&p=t0:none",
    "weight=0&q=blue&p=t1:red",
    "q=blue&not=white&not=red&where=taken+%3E+'2020'",
    "q=blue&f=%5B%22kind%22,%22hat%22,%22kind+%3D+'hat'%22%5D&f=%5B%22kind%22,%22bag%22,%22kind+%3D+'bag'%22%5D",
    "where=taken+%3E+'2020'&f=%5B%22kind%22,%22hat%22,%22kind+%3D+'hat'%22%5D",
    "q=blue&least=0.05",
    "least=0.05",
    "sort=-taken&fold=1",
    "q=blue&sort=-taken",
    "like=k004&up=k005&down=k006&not=red",
    "q=red&like=k004&up=k005&down=k006",
    "down=k006",
    "q=%3Cscript%3Ealert(1)%3C/script%3E%22'&in=copies",
)


class _Read(HTMLParser):
    """The first results of a page: addresses of images, titles, the data; and every other tag between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images, self.titles, self.tags, self.data, self._inside = [], [], [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        self.tags.append(tag)
        if tag == "img":
            self.images.append(held["src"])
        if tag == "div" and "hit" in held.get("class", ""):
            self.titles.append(held["title"])
        self._inside = held.get("id") == "first-results"

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        self.data += data if self._inside else ""


def plain(answer):
    """Return an answer without how long it took."""
    return {name: value for name, value in answer.items() if name != "took"}


@pytest.mark.parametrize("query", ADDRESSES)
def test_they_are_those_of_the_api(address, query, monkeypatch):
    monkeypatch.setattr(first_page, "AT_ONCE", 30)
    answered = httpx.get(f"{address}/?{query}", trust_env=False)
    assert answered.headers["cache-control"] == "private, no-store" and "etag" not in answered.headers
    read = _Read(answered.text)
    given = json.loads(read.data)
    right = httpx.post(
        f"{address}/api/libraries/{given['library']}/search", json={**given["search"], "k": 60}, trust_env=False
    ).json()
    assert plain(given["answer"]) == plain(right)
    assert given["status"] == httpx.get(f"{address}/api/status", trust_env=False).json()
    names = [hit["name"] for hit in right["hits"]]
    assert read.titles == names[: len(read.titles)]
    bare = not re.search(r"(^|&)(p|not|where|f|like|up|down)=", query)
    cut = right["matching"] if right["calibrated"] and right["matching"] is not None and "sort=" not in query else 60
    assert len(read.titles) == (min(len(names), cut, first_page.WRITTEN) if bare else 0)


def test_scripts_would_have_asked_the_same(window):
    page = window()
    expect(page.locator(".hit img.here").first).to_be_visible()
    written = page.evaluate(
        """async (addresses) => {
            const { fromAddress, searchOf } = await import("/page/search-state.js");
            return addresses.map((one) => JSON.stringify(searchOf(fromAddress(`?${one}`, ""))));
        }""",
        list(ADDRESSES),
    )
    read = [asked_by(httpx.QueryParams(one).multi_items()) for one in ADDRESSES]
    assert [json.loads(one) for one in written] == [one.search for one in read]
    assert [list(json.loads(one)) for one in written] == [list(one.search) for one in read]


@pytest.mark.parametrize("query", ["p=i1:0", "q=x&p=z", "least=many", "f=no", "f=" + "[" * 3000, "f=[1]", "weight=nan"])
def test_what_the_address_does_not_say_is_left_to_the_scripts(address, query):
    assert asked_by(httpx.QueryParams(query).multi_items()) is None
    assert "first-results" not in httpx.get(f"{address}/?{query}", trust_env=False).text


@pytest.mark.parametrize("query", ["in=nothing", "where=(", "like=nothing", "sort=)("])
def test_what_is_refused_is_said_by_the_scripts(address, query):
    answered = httpx.get(f"{address}/?{query}", trust_env=False)
    assert answered.status_code == 200 and "first-results" not in answered.text and "etag" in answered.headers


@pytest.mark.parametrize(("query", "width"), [("/", 1280), ("/?q=blue", 1280), ("/", 390), ("/?in=copies", 390)])
def test_scripts_take_them_over_where_they_stand(browser, address, query, width, monkeypatch):
    monkeypatch.setattr(first_page, "AT_ONCE", 30)
    context = browser.new_context(viewport={"width": width, "height": 844}, base_url=address)
    page = context.new_page()
    asked, held = [], []
    page.on("request", lambda one: asked.append(one.url))
    page.route("**/page/search.js", lambda route: held.append(route))  # noqa: PLW0108  (it takes functions of Python only)
    page.goto(query, wait_until="commit")
    stand = """(rows) => Object.fromEntries([...document.querySelectorAll(`${rows} .hit img`)]
        .map((one) => [one.getAttribute("src").split("?")[0], one.getBoundingClientRect()])
        .filter(([, box]) => box.top < innerHeight).map(([name, box]) => [name, [box.left, box.top, box.right, box.bottom]]))"""
    expect(page.locator(".first .hit").first).to_be_visible()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.first img')].slice(0, 3).every((one) => one.complete)"
    )
    before = page.evaluate(stand, ".first")
    page.evaluate("window.image = document.querySelector('.first img')")
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    expect(page.locator(".row .hit").first).to_be_visible()
    expect(page.locator("#facets .tick, #facets .field").first).to_be_attached()
    after = page.evaluate(stand, ".row")
    assert page.evaluate("document.querySelector('.row img') === window.image")
    expect(page.locator(".first, #first-results")).to_have_count(0)
    assert len(before) > 5 and before.keys() <= after.keys()
    for name, box in before.items():
        assert box == pytest.approx(after[name], abs=2), name
    assert not [one for one in asked if one.endswith(("/search", "/api/status"))]
    thumbnails = [one for one in asked if "/thumbnails/" in one]
    assert len(thumbnails) == len(set(thumbnails))
    context.close()


def test_hostile_names_are_text(photos, client):
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library

    names = ["\"'><script>alert(1)<b>.png", "</script><!--.png", "bad\udcff.png", "a&amp;b #?%.png", "new\nline.png"]
    for name in names:
        (photos / name.replace("/", "∕")).write_bytes(next(photos.glob("a/*.png")).read_bytes())
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync()
    text = client.get("/").text
    read = _Read(text)
    hits = json.loads(read.data)["answer"]["hits"]
    assert {name.replace("/", "∕") for name in names} <= {hit["key"] for hit in hits}
    assert read.titles == [hit["name"].encode("utf-8", "replace").decode() for hit in hits]
    assert "b" not in read.tags and "<script>alert" not in text and "</script><!--" not in text
    for address in read.images:
        assert client.get(address).status_code == 200


@pytest.fixture
def keyed(settings, tmp_path):
    """A client of a server that needs keys, and a key that may ask twice a minute."""
    import dataclasses

    key = add_key(tmp_path / "keys.json", NewKey("reader", per_minute=2))
    settings = dataclasses.replace(settings, keys=tmp_path / "keys.json")
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as one:
        yield one, key


def test_without_a_key_there_are_none(keyed, monkeypatch):
    monkeypatch.setattr(first_page, "AT_ONCE", 30)
    client, key = keyed
    for headers in ({}, {"authorization": "Bearer ws_wrong"}, {"cookie": "wordsight=x"}):
        answered = client.get("/?q=red", headers=headers)
        assert answered.status_code == 200 and "first-results" not in answered.text and ".png" not in answered.text
    given = client.post("/api/session", json={"key": key}, headers={"origin": "http://127.0.0.1:7070"})
    assert given.status_code < 300
    counts = [
        "first-results" in client.get(one).text for one in ("/?q=red", "/?where=width>1", "/?q=red", "/?sort=width")
    ]
    assert counts == [True, True, False, False]  # they count towards the limit of the key
    assert "first-results" in client.get("/").text  # all images, as they are kept, do not


def test_they_are_not_waited_for(client, monkeypatch):
    async def never(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(first_page, "AT_ONCE", 0.01)
    monkeypatch.setattr(first_page, "answer_of", never)
    answered = client.get("/?q=red")
    assert answered.status_code == 200 and "first-results" not in answered.text


def test_a_mistake_of_ours_is_logged_and_the_page_comes(client, monkeypatch, caplog):
    async def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(first_page, "answer_of", broken)
    answered = client.get("/")
    assert answered.status_code == 200 and "first-results" not in answered.text
    assert "no first results" in caplog.text


def test_a_condition_that_nothing_satisfies_has_none_to_show(client, monkeypatch):
    monkeypatch.setattr(first_page, "AT_ONCE", 30)
    read = _Read(client.get("/?where=width+%3D+0").text)
    assert json.loads(read.data)["answer"]["hits"] == [] and not read.images
