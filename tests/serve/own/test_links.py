"""A file that became a link out of the location, after the library was made, is read for no request by its key."""

import io
import json
import shutil
import zipfile

import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.embeddings.model import load
from wordsight.search.library import open_library
from wordsight.serve.app import make_app
from wordsight.serve.settings import ServeSettings, named_libraries

LIBRARY = "/api/libraries/photos"
LEADS_OUT = "a link that leads out of the location"
ASKS = {
    "original": ("GET", f"{LIBRARY}/originals/KEY", None),
    "thumbnail": ("GET", f"{LIBRARY}/thumbnails/KEY", None),
    "why": ("POST", f"{LIBRARY}/why", {"query": "red", "keys": ["KEY"]}),
    "explain": ("POST", "/api/explain", {"library": "photos", "key": "KEY", "texts": ["red", "blue"]}),
    "regions": ("POST", "/api/regions", {"library": "photos", "key": "KEY", "classes": ["red", "blue"]}),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test: a thumbnail that is kept is given out without reading the file."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))


def request_of(name, key):
    """Return method, address and body of a request for an image."""
    method, path, body = ASKS[name]
    text = json.dumps(body).replace("KEY", key)
    return method, path.replace("KEY", key), json.loads(text)


@pytest.fixture
def linked(client, photos, tmp_path):
    """A client; `a/red.png` has become a link out of the location, `linked` a folder that is one."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (photos / "linked").mkdir()
    shutil.copy(photos / "a" / "red.png", photos / "linked" / "red.png")
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync()
    shutil.move(photos / "linked" / "red.png", outside / "red.png")
    (photos / "linked").rmdir()
    (photos / "linked").symlink_to(outside)
    (photos / "a" / "red.png").unlink()
    (photos / "a" / "red.png").symlink_to(outside / "red.png")
    return client


@pytest.mark.parametrize("key", ["a/red.png", "linked/red.png"])
@pytest.mark.parametrize("name", ASKS)
def test_a_link_that_leads_out_is_refused(linked, name, key):
    method, path, body = request_of(name, key)
    answer = linked.request(method, path, json=body)
    assert (answer.status_code, answer.json()["error"]["problem"]) == (404, LEADS_OUT)


@pytest.mark.parametrize("name", ASKS)
def test_a_link_inside_the_location_is_answered(client, photos, name):
    halves = Image.new("RGB", (64, 48), "red")
    halves.paste("blue", (32, 0, 64, 48))
    halves.save(photos / "halves.png")
    (photos / "a" / "link.png").symlink_to(photos / "halves.png")
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync()
    method, path, body = request_of(name, "a/link.png")
    answer = client.request(method, path, json=body)
    assert answer.status_code == 200, answer.text


def test_an_archive_names_it_as_missing(linked):
    answer = linked.post(f"{LIBRARY}/export", json={"form": "zip"})
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    missing = archive.read("missing.txt").decode().splitlines()
    assert sorted(missing) == [f"a/red.png: {LEADS_OUT}", f"linked/red.png: {LEADS_OUT}"]
    assert len(archive.namelist()) > 3 and not any("red" in name for name in archive.namelist())


def test_hits_of_clip_retrieval_come_without_it(linked):
    hits = linked.post("/knn-service", json={"text": "red", "indice_name": "photos", "num_images": 3}).json()
    with_images = {hit["image_path"]: "image" in hit for hit in hits}
    assert with_images["a/red.png"] is with_images["linked/red.png"] is False
    assert any(with_images.values())


def test_a_table_names_files_anywhere_but_no_links(tmp_path):
    table = tmp_path / "table.csv"
    (tmp_path / "files").mkdir()
    for name in ("plain", "link"):
        Image.new("RGB", (20, 20), "blue" if name == "link" else "red").save(tmp_path / "files" / f"{name}.png")
    table.write_text("key,image\nplain,files/plain.png\nlink,files/link.png\n")
    with open_library(table, model=load(engine="fake")) as library:
        library.sync()
    (tmp_path / "files" / "link.png").rename(tmp_path / "elsewhere.png")
    (tmp_path / "files" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    settings = ServeSettings(libraries=named_libraries([table]), engine="fake", port=0, thumbnails=False)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as client:
        (name,) = [one["name"] for one in client.get("/api/status").json()["libraries"]]
        for kind in ("originals", "thumbnails"):
            assert client.get(f"/api/libraries/{name}/{kind}/plain").status_code == 200
            assert client.get(f"/api/libraries/{name}/{kind}/link").status_code == 404
