"""Hostile requests, one row each in the tables of `hostile/`: refused as the row says, and the server answers behind it."""

import json
import tomllib
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from PIL import Image
from tests.serve.safety.hostile import bodies
from tests.serve.safety.wire import exchange

from wordsight.serve.route import Route
from wordsight.serve.routes import ROUTES
from wordsight.serve.safety.fetching import fetch_image
from wordsight.serve.safety.keys import NewKey, add_key, hash_of
from wordsight.serve.safety.sizes import opened_form
from wordsight.serve.settings import ServeLimits, ServeSettings, named_libraries

HOSTILE = Path(__file__).parent / "hostile"
ROWS = [
    (table.stem, row)
    for table in sorted(HOSTILE.glob("*.toml"))
    for row in tomllib.loads(table.read_text("utf-8"))["hostile"]
]
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class FetchRequest(msgspec.Struct):
    """The address of an image."""

    address: str


async def form(call):
    async with opened_form(call.request, call.host) as parts:
        return {"parts": len(parts.multi_items())}


async def fetch(call):
    return {"bytes": len(await fetch_image(call.asked.address, call.host))}


async def writes(call):
    return {}


OWN = (
    Route("POST", "/api/form", f"{__name__}:form", "Takes a form.", body="raw"),
    Route("POST", "/api/fetch", f"{__name__}:fetch", "Fetches.", asks=FetchRequest),
    Route("POST", "/api/writes", f"{__name__}:writes", "Writes.", scope="write"),
    Route("GET", "/api/fails", f"{__name__}:writes", "Reads."),
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Two servers, without keys and with, and what a row may mention of them."""
    from tests.serve.conftest import _listening, make_photos

    folder = tmp_path_factory.mktemp("hostile")
    key = add_key(folder / "keys.json", NewKey("reader"))
    photos = photos_with_links(folder, make_photos)
    limits = ServeLimits(body=2_000_000, image=500_000)
    settings = ServeSettings(libraries=named_libraries([photos]), engine="fake", port=0, limits=limits, urls=True)
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr("wordsight.serve.app.ROUTES", (*ROUTES, *OWN))
        open_to_all = stack.enter_context(_listening(settings))
        keyed = stack.enter_context(_listening(replace(settings, keys=folder / "keys.json", urls=False)))
        mentioned = {
            "{read}": key,
            "{hash}": hash_of(key),
            "{id}": hash_of(key)[:16],
            "{port}": keyed.rsplit(":", 1)[1],
        }
        yield {False: open_to_all, True: keyed}, mentioned, str(folder)


def photos_with_links(folder, make_photos):
    """Return a library with a file and a folder that became links out of it after it was made."""
    outside, photos = folder / "outside", folder / "photos"
    for path in (outside / "out.png", photos / "linked" / "out.png", photos / "linked.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), "white").save(path)
    make_photos(photos)
    (photos / "linked" / "out.png").unlink()
    (photos / "linked").rmdir()
    (photos / "linked").symlink_to(outside)
    (photos / "linked.png").unlink()
    (photos / "linked.png").symlink_to(outside / "out.png")
    return photos


def request_of(row, mentioned):
    """Return the bytes of a row, and write them out where it says how often something comes."""

    def filled(text):
        for mark, filling, count in row.get("times", []):
            text = text.replace(mark, filling * count)
        for mark, filling in mentioned.items():
            text = text.replace(mark, filling)
        return text

    if "raw" in row:
        return filled(row["raw"]).encode("latin-1")
    method = row.get("method", "POST")
    body = (
        getattr(bodies, row["body_of"])()
        if "body_of" in row
        else filled(row.get("body", "")).encode("latin-1" if row.get("latin") else "utf-8")
    )
    lines = [f"{method} {row.get('target', '/api/embed')} HTTP/1.1", f"Host: {row.get('host', 'localhost')}"]
    lines += [*row.get("headers", []), *([f"Content-Length: {len(body)}"] if method == "POST" else [])]
    return filled("\r\n".join(lines)).encode("latin-1") + b"\r\n\r\n" + body


@pytest.mark.parametrize(("table", "row"), ROWS, ids=[f"{table}: {row['name']}" for table, row in ROWS])
def test_it_is_refused_and_the_server_answers_behind_it(servers, table, row):
    addresses, mentioned, folder = servers
    address = addresses[row.get("keyed", False)]
    answer = exchange(address, request_of(row, mentioned))
    assert answer.status in row["status"], answer
    assert answer.status == 503 or answer.status < 500
    assert folder.encode() not in answer.body and b"Traceback" not in answer.body
    assert not answer.status or answer.headers["x-content-type-options"] == "nosniff"
    if answer.status >= 400 and answer.body:
        assert json.loads(answer.body)["error"]["status"] == answer.status
    assert exchange(address, HEALTH).status == 200


def test_there_are_enough_of_them():
    assert len(ROWS) >= 60
    assert len({(table, row["name"]) for table, row in ROWS}) == len(ROWS)
