"""Images whose names are no UTF-8 or have a break of line: shown, asked by their keys, moved, exported."""

import json
import os
import shutil
from urllib.parse import quote

import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.embeddings.model import load
from wordsight.search.library import open_library
from wordsight.serve.app import make_app

BAD = "bad\udcff\udcfe.png"
THUMBNAILS, ORIGINALS = "/api/libraries/photos/thumbnails", "/api/libraries/photos/originals"


def sync(photos):
    with open_library(photos, model=load(engine="fake")) as library:
        return library.sync()


@pytest.fixture
def named_badly(photos, settings):
    """A client of a library with two equal images, one of a name that is no UTF-8, as `BAD`."""
    Image.new("RGB", (9, 9), "red").save(photos / "a" / "good.png")
    shutil.copy(photos / "a" / "good.png", photos / BAD)
    sync(photos)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as client:
        yield client


def ask(client, route, body):
    return client.post(f"/api/libraries/photos/{route}", content=json.dumps(body))


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("similar", {"key": BAD, "k": 3}),
        ("search", {"like": [BAD], "k": 3}),
        ("search", {"query": "red", "liked": [BAD], "disliked": ["a/red.png"], "k": 3}),
        ("search", {"parts": [{"key": BAD}], "k": 3}),
        ("why", {"query": "red", "keys": [BAD], "maps": False}),
        ("export", {"keys": [BAD], "form": "paths"}),
    ],
)
def test_a_key_that_was_answered_can_be_asked(named_badly, route, body):
    answer = ask(named_badly, route, body)
    assert answer.status_code == 200, answer.text
    if route == "export":
        assert answer.content == os.fsencode(BAD) + b"\n"


def test_a_key_that_is_no_utf8_can_be_moved_and_put_back(named_badly, photos):
    asked = {"groups": [{"kept": "a/good.png", "move": [BAD]}]}
    applied = json.loads(ask(named_badly, "duplicates/apply", asked).text)
    assert (applied["moved"], applied["failed"]) == ([BAD], [])
    assert not (photos / BAD).exists()
    assert ask(named_badly, "duplicates/undo", {"plan": applied["plan"]}).json()["restored"] == 1
    assert (photos / BAD).exists()


@pytest.mark.parametrize("half", ["\ud800", "\udfff", "\udcff"])
@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("search", lambda half: {"query": f"red {half}"}),
        ("search", lambda half: {"query": "red", "without": [half]}),
        ("search", lambda half: {"parts": [{"text": half}]}),
        ("search", lambda half: {"where": f"folder = '{half}'"}),
        ("tag", lambda half: {"labels": [half, "red"]}),
        ("search", lambda half: {half: "red"}),
    ],
)
def test_halves_of_letters_in_texts_are_refused(named_badly, route, body, half):
    assert ask(named_badly, route, body(half)).status_code == 422


@pytest.mark.parametrize(
    "body", [b'{"like": ["\\ud800"]}', b'{"like": ["\\udcff"], "k": NaN}', b'{"like": ["\\udcff"], "k"']
)
def test_bodies_with_halves_that_are_no_bytes_of_a_name_are_refused(named_badly, body):
    assert named_badly.post("/api/libraries/photos/search", content=body).status_code == 422


def test_an_unknown_key_that_is_no_utf8_is_not_there(named_badly):
    assert ask(named_badly, "search", {"like": ["\udcf0.png"]}).status_code == 404


@pytest.mark.parametrize("name", ["new\nline.png", "last.png\n.png", "\n.png"])
def test_names_with_a_break_of_line(photos, settings, name):
    Image.new("RGB", (9, 9), "red").save(photos / "a" / name)
    sync(photos)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as client:
        asked = quote(f"a/{name}")
        assert client.get(f"{ORIGINALS}/{asked}").status_code == 200
        assert client.get(f"{THUMBNAILS}/{asked}").status_code == 200
        lines = client.post("/api/libraries/photos/export", json={"form": "paths"}).text.splitlines()
    keys = [json.loads(line) if line.startswith('"') else line for line in lines]
    assert f"a/{name}" in keys
    assert len(keys) == 12
