"""The map of a library over HTTP: made in the background, then given out, with keys and columns on demand."""

import base64
import threading
import time

import numpy as np
import pytest

from wordsight.base.errors import StorageError
from wordsight.embeddings.model import load
from wordsight.search.library import open_library
from wordsight.search.mapping.library_map import library_map
from wordsight.serve.hosting import maps

AT = "/api/libraries/photos/map"


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Make layouts in less time: what is tested here needs no good ones."""
    monkeypatch.setattr("wordsight.search.mapping.layout.STEPS", 40)


def made(client, path=AT):
    """Return the map, asked for until it is there."""
    for _ in range(200):
        answer = client.get(path)
        if answer.status_code != 202:
            return answer
        time.sleep(0.05)
    raise AssertionError("no map")


def numbers_of(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_it_is_that_of_the_library(client, photos):
    answer = made(client)
    body = answer.json()
    with open_library(photos, model=load(engine="fake")) as library:
        known = library_map(library)
    assert (body["library"], body["count"]) == ("photos", len(known))
    positions = numbers_of(body["positions"], "<u2").reshape(-1, 2) / 65535 * 2 - 1
    np.testing.assert_allclose(positions, known.positions, atol=2e-5)
    np.testing.assert_array_equal(numbers_of(body["numbers"], np.uint8), known.numbers)
    assert [(one["name"], one["size"]) for one in body["clusters"]] == [(c.name, c.size) for c in known.clusters]
    assert body["clusters"][0]["examples"] == list(known.clusters[0].examples)
    same = client.get(AT, headers={"if-none-match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_until_it_is_there_it_says_how_far_it_is(client, monkeypatch):
    goes_on = threading.Event()
    real = maps.library_map

    def slow(library, *, progress):
        progress("layout", 0.625)
        assert goes_on.wait(30)
        return real(library, progress=progress)

    monkeypatch.setattr(maps, "library_map", slow)
    monkeypatch.setattr(maps, "SOON", 0.2)
    answer = client.get(AT)
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
    assert answer.json() == {"stage": "layout", "share": 0.625}
    near = client.get(f"{AT}/near?x=0&y=0")
    assert (near.status_code, near.headers["retry-after"]) == (503, "1")
    goes_on.set()
    assert made(client).status_code == 200


def test_what_goes_wrong_is_told_and_tried_again(client, monkeypatch):
    real, calls = maps.library_map, []

    def failing(library, *, progress):
        calls.append(1)
        if len(calls) == 1:
            raise StorageError("the disk is full", cure="free room")
        return real(library, progress=progress)

    monkeypatch.setattr(maps, "library_map", failing)
    for _ in range(3):
        assert client.get(AT).json()["error"]["problem"] == "the disk is full"
    assert len(calls) == 1  # it would fail again
    monkeypatch.setattr(maps, "AGAIN", 0.0)
    assert made(client).status_code == 200 and len(calls) == 2


def test_a_map_that_failed_is_begun_again_as_soon_as_the_library_changes(client, photos, monkeypatch):
    real, calls = maps.library_map, []

    def failing(library, *, progress):
        calls.append(1)
        if len(calls) == 1:
            raise StorageError("too few images", cure="add some")
        return real(library, progress=progress)

    monkeypatch.setattr(maps, "library_map", failing)
    assert client.get(AT).json()["error"]["problem"] == "too few images"
    (photos / "a" / "red.png").unlink()
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync(accept_removal=True)
    assert made(client).status_code == 200 and len(calls) == 2


def test_a_map_that_is_there_is_given_out_though_the_next_one_fails(client, monkeypatch):
    made(client)
    calls = []

    def failing(library, *, progress):
        calls.append(1)
        raise StorageError("the disk is full", cure="free room")

    monkeypatch.setattr(maps, "library_map", failing)
    monkeypatch.setattr(maps, "FRESH", 0.0)
    statuses = [client.get(AT).status_code]
    while len(statuses) < 200 and statuses[-1] == 200:
        statuses.append(client.get(AT).status_code)
    assert statuses[-1] == 507
    assert {client.get(AT).status_code for _ in range(5)} == {200} and len(calls) == 1


def test_a_changed_library_gets_another_map_and_the_old_one_answers_meanwhile(client, photos, monkeypatch):
    first = made(client).json()
    (photos / "a" / "red.png").unlink()
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync(accept_removal=True)
    assert client.get(AT).json()["version"] == first["version"]  # looked at a moment ago
    monkeypatch.setattr(maps, "FRESH", 0.0)
    assert client.get(AT).json()["version"] == first["version"]
    for _ in range(200):
        now = made(client).json()
        if now["version"] != first["version"]:
            break
        time.sleep(0.05)
    assert now["count"] == first["count"] - 1
    gone = client.get(f"{AT}/points", params={"numbers": "0", "version": first["version"]})
    assert gone.status_code == 409


def test_keys_come_by_number_and_by_position(client, photos):
    body = made(client).json()
    with open_library(photos, model=load(engine="fake")) as library:
        known = library_map(library)
    answer = client.get(f"{AT}/points", params={"numbers": "3,0", "version": body["version"]}).json()
    assert [(one["number"], one["key"]) for one in answer["points"]] == [(3, known.keys[3]), (0, known.keys[0])]
    x, y = known.positions[5].tolist()
    near = client.get(f"{AT}/near", params={"x": x, "y": y, "count": 2}).json()["points"]
    assert [one["key"] for one in near] == [known.keys[number] for number in known.nearest(x, y, 2)]
    assert near[0]["cluster"] == known.numbers[near[0]["number"]]


def test_columns_colour_the_map(client, photos):
    body = made(client).json()
    with open_library(photos, model=load(engine="fake")) as library:
        keys = library_map(library).keys
    answer = client.get(f"{AT}/column", params={"name": "folder", "version": body["version"]}).json()
    codes = numbers_of(answer["codes"], np.uint8)
    labels = [one["label"] for one in answer["values"]]
    assert [labels[code] for code in codes] == [key.split("/")[0] for key in keys]
    assert [one["count"] for one in answer["values"]] == np.bincount(codes, minlength=len(labels)).tolist()
    assert answer["values"][-1] == {"label": "other", "count": 0, "where": ""}
    widths = client.get(f"{AT}/column", params={"name": "width", "version": body["version"]}).json()
    assert 2 < len(widths["values"]) <= 13


def test_errors_say_what_was_wrong(client):
    version = made(client).json()["version"]

    def problem(path):
        answer = client.get(path)
        return answer.status_code, answer.json()["error"]["problem"]

    assert problem("/api/libraries/other/map")[0] == 404
    assert problem(f"{AT}/near?x=2&y=0")[0] == 422
    assert problem(f"{AT}/points?numbers=9999&version={version}") == (422, "no image '9999' on the map")
    assert problem(f"{AT}/points?numbers=a&version={version}")[0] == 422
    assert problem(f"{AT}/points?numbers={'0,' * 1000}0&version={version}")[0] == 413
    assert problem(f"{AT}/points?numbers=0&version=old") == (409, "no map of version 'old'")
    assert problem(f"{AT}/column?name=none&version={version}") == (404, "no column 'none'")


def test_a_server_that_ends_gives_up_the_map_it_makes(settings, monkeypatch):
    from starlette.testclient import TestClient

    from wordsight.serve.app import make_app

    begun, ended = threading.Event(), []

    def slow(library, *, progress):
        begun.set()
        for _ in range(3000):
            try:
                progress("layout", 0.5)
            except BaseException:
                ended.append(1)
                raise
            time.sleep(0.01)

    monkeypatch.setattr(maps, "library_map", slow)
    monkeypatch.setattr(maps, "SOON", 0.05)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as client:
        assert client.get(AT).status_code == 202
        assert begun.wait(30)
    assert ended == [1]
