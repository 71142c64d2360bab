"""Thumbnails and originals: by key, made once, right after a change, and nothing else of the disk."""

import contextlib
import io
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import quote

import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.base.cache import cache_folder
from wordsight.base.errors import NotFound
from wordsight.embeddings.model import load
from wordsight.search import thumbnails as making
from wordsight.search.library import open_library
from wordsight.serve.app import make_app
from wordsight.serve.hosting.thumbnails import Thumbnails
from wordsight.serve.own.originals import media_type_of
from wordsight.serve.settings import ServeSettings, named_libraries

THUMBNAILS, ORIGINALS = "/api/libraries/photos/thumbnails", "/api/libraries/photos/originals"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))


def sync(photos):
    with open_library(photos, model=load(engine="fake")) as library:
        return library.sync()


def kept():
    return sorted((cache_folder() / "thumbnails").rglob("*.jpg"))


def test_a_thumbnail_is_small_upright_and_kept(client, photos):
    turned = Image.new("RGB", (900, 600), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(photos / "large.jpg", exif=exif)
    sync(photos)
    answer = client.get(f"{THUMBNAILS}/large.jpg", params={"side": 200})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["cache-control"].startswith("private, max-age=")
    assert Image.open(io.BytesIO(answer.content)).size == (171, 256)
    assert client.get(f"{THUMBNAILS}/large.jpg").content == answer.content


@pytest.mark.parametrize(("side", "status"), [(31, 422), (32, 200), (1024, 200), (1025, 422), ("x", 422)])
def test_sides_come_in_steps(steady, side, status):
    assert steady.get(f"{THUMBNAILS}/a/red.png", params={"side": side}).status_code == status


def test_the_browser_is_told_that_it_has_it(client, photos):
    first = client.get(f"{THUMBNAILS}/a/red.png")
    again = client.get(f"{THUMBNAILS}/a/red.png", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    Image.new("RGB", (50, 20), "blue").save(photos / "a" / "red.png")
    sync(photos)
    changed = client.get(f"{THUMBNAILS}/a/red.png", headers={"if-none-match": first.headers["etag"]})
    assert (changed.status_code, changed.headers["etag"] == first.headers["etag"]) == (200, False)
    red, _, blue = Image.open(io.BytesIO(changed.content)).getpixel((5, 5))
    assert blue > 200 > 50 > red


def test_a_moved_image_keeps_its_thumbnail(client, photos, monkeypatch):
    before = client.get(f"{THUMBNAILS}/a/red.png")
    (photos / "a" / "red.png").rename(photos / "moved.png")
    sync(photos)
    for _ in range(100):
        if kept():
            break
        time.sleep(0.02)
    monkeypatch.setattr(making, "thumbnail", None)
    assert client.get(f"{THUMBNAILS}/moved.png").headers["etag"] == before.headers["etag"]


def test_what_changed_since_the_last_look_is_shown_and_not_kept(client, photos):
    Image.new("RGB", (50, 20), "blue").save(photos / "a" / "red.png")
    answer = client.get(f"{THUMBNAILS}/a/red.png")
    assert answer.headers["cache-control"] == "private, max-age=0"
    assert Image.open(io.BytesIO(answer.content)).getpixel((5, 5))[2] > 200
    assert kept() == []


def test_several_askers_have_it_made_once(photos, settings, listening, monkeypatch):
    calls, begin = [], threading.Event()
    made = making.thumbnail

    def counted(hit, *arguments, **options):
        begin.wait(10)
        calls.append(hit.key)
        return made(hit, *arguments, **options)

    monkeypatch.setattr(making, "thumbnail", counted)
    with listening(settings) as address, ThreadPoolExecutor(8) as pool:
        import httpx

        asked = [
            pool.submit(httpx.get, f"{address}{THUMBNAILS}/a/red.png", trust_env=False, timeout=30) for _ in range(8)
        ]
        threading.Timer(0.5, begin.set).start()
        assert len({one.result().content for one in asked}) == 1
    assert calls == ["a/red.png"]


def test_a_broken_or_unknown_image_is_not_there(client, photos):
    assert client.get(f"{THUMBNAILS}/nothing.png").status_code == 404
    (photos / "a" / "red.png").write_bytes(b"no image")
    answer = client.get(f"{THUMBNAILS}/a/red.png")
    assert answer.status_code == 404
    assert answer.json()["error"]["problem"]
    (photos / "a" / "red.png").unlink()
    assert client.get(f"{THUMBNAILS}/a/red.png").status_code == 404


def test_a_thumbnail_that_was_cut_is_made_again(tmp_path, photos):
    import asyncio

    async def ask(thumbnails):
        with open_library(photos, model=load(engine="fake")) as library:
            return await thumbnails.of(library, "a/red.png", side=64)

    for cut in (None, b"", b"\xff\xd8 and no end"):
        thumbnails = Thumbnails(tmp_path / "kept", most=1 << 20)
        small = asyncio.run(ask(thumbnails))
        thumbnails.close()
        (path,) = (tmp_path / "kept").rglob("*.jpg")
        assert path.read_bytes() == small.jpeg
        if cut is not None:
            path.write_bytes(cut)


def test_the_oldest_go_when_there_are_too_many_bytes(tmp_path, photos):
    thumbnails = Thumbnails(tmp_path / "kept", most=3000)
    with open_library(photos, model=load(engine="fake")) as library, library.reading() as index:
        keys = list(index.files.states())
    with open_library(photos, model=load(engine="fake")) as library:
        for number, key in enumerate(keys):
            thumbnails.make(library, key, side=64)
            thumbnails._writer.submit(lambda: None).result()
            for path in (tmp_path / "kept").rglob("*.jpg"):
                if path.stat().st_mtime > 1e6:
                    os.utime(path, (number, number))
    thumbnails.close()
    left = list((tmp_path / "kept").rglob("*.jpg"))
    assert 0 < sum(path.stat().st_size for path in left) <= 3000
    assert len(left) < len(keys)
    assert max(path.stat().st_mtime for path in left) == len(keys) - 1


def test_thumbnails_are_made_beforehand(photos, settings, listening):
    with listening(replace(settings, thumbnails=True)):
        for _ in range(200):
            if len(kept()) == len(list(photos.rglob("*.png"))):
                break
            time.sleep(0.05)
    with open_library(photos, model=load(engine="fake")) as library:
        assert len(kept()) == len(library)


def test_what_several_processes_keep_counts_together(tmp_path, photos):
    def written(folder, several):
        with open_library(photos, model=load(engine="fake")) as library:
            with library.reading() as index:
                keys = list(index.files.states())
            for number, key in enumerate(keys):
                writes = several[number % len(several)]
                writes.make(library, key, side=64)
                writes._writer.submit(lambda: None).result()
        for one in several:
            one.close()
        return sum(path.stat().st_size for path in folder.rglob("*.jpg"))

    whole = written(tmp_path / "all", [Thumbnails(tmp_path / "all", most=1 << 20)])
    most = int(0.8 * whole)
    assert written(tmp_path / "kept", [Thumbnails(tmp_path / "kept", most=most) for _ in range(2)]) <= most


def test_an_image_that_the_disk_does_not_give_does_not_end_those_made_beforehand(
    photos, settings, listening, monkeypatch
):
    real, tried = Thumbnails._made, []

    def failing(self, image, side):
        tried.append(image.hit.key)
        if len(tried) == 1:
            raise OSError(5, "Input/output error")
        return real(self, image, side)

    monkeypatch.setattr(Thumbnails, "_made", failing)
    count = len(list(photos.rglob("*.png")))
    with listening(replace(settings, thumbnails=True)):
        for _ in range(200):
            if len(tried) == count:
                break
            time.sleep(0.05)
    assert len(tried) == count


def test_an_original_is_the_file(steady):
    content = (steady.photos / "a" / "red.png").read_bytes()
    answer = steady.get(f"{ORIGINALS}/a/red.png")
    assert answer.content == content
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''red.png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = steady.head(f"{ORIGINALS}/a/red.png")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content)))
    known = steady.get(f"{ORIGINALS}/a/red.png", headers={"if-none-match": answer.headers["etag"]})
    assert known.status_code == 304


@pytest.mark.parametrize(
    ("asked", "start", "stop", "status"),
    [
        ("bytes=0-9", 0, 10, 206),
        ("bytes=10-", 10, None, 206),
        ("bytes=-7", -7, None, 206),
        ("bytes=5-99999999", 5, None, 206),
        ("bytes=-99999999", 0, None, 206),
        ("bytes=9-5", 0, None, 200),
        ("bytes=0-1,3-4", 0, None, 200),
        ("lines=0-1", 0, None, 200),
        ("bytes=-", 0, None, 200),
    ],
)
def test_ranges(steady, asked, start, stop, status):
    content = (steady.photos / "a" / "red.png").read_bytes()
    answer = steady.get(f"{ORIGINALS}/a/red.png", headers={"range": asked})
    assert (answer.status_code, answer.content) == (status, content[start:stop])
    assert answer.headers["content-length"] == str(len(answer.content))
    if status == 206:
        first = len(content) + start if start < 0 else start
        last = len(content) if stop is None else stop
        assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(content)}"


def test_a_range_that_is_not_there(steady):
    size = (steady.photos / "a" / "red.png").stat().st_size
    answer = steady.get(f"{ORIGINALS}/a/red.png", headers={"range": f"bytes={size}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    old = steady.get(f"{ORIGINALS}/a/red.png", headers={"range": "bytes=0-1", "if-range": '"other"'})
    assert (old.status_code, len(old.content)) == (200, size)


def test_nothing_but_images_of_the_library_is_given_out(client, photos, tmp_path):
    (photos / "secret.txt").write_text("secret")
    outside = tmp_path / "outside.png"
    Image.new("RGB", (9, 9), "red").save(outside)
    for key in ("secret.txt", "../outside.png", "%2e%2e/outside.png", str(outside), ".wordsight/library.db", "a", ""):
        assert client.get(f"{ORIGINALS}/{key}").status_code == 404, key
        assert client.get(f"{THUMBNAILS}/{key}").status_code == 404, key


def test_a_link_that_leads_out_is_refused(client, photos, tmp_path):
    shutil.copy(photos / "a" / "red.png", tmp_path / "outside.png")
    (photos / "link.png").symlink_to(tmp_path / "outside.png")
    (photos / "inside.png").symlink_to(
        photos / "b" / "blue.png" if (photos / "b" / "blue.png").exists() else "a/red.png"
    )
    sync(photos)
    refused = client.get(f"{ORIGINALS}/link.png")
    assert (refused.status_code, refused.json()["error"]["problem"]) == (404, "a link that leads out of the location")
    assert client.get(f"{ORIGINALS}/inside.png").status_code == 200


def test_an_original_that_is_gone(client, photos):
    (photos / "a" / "red.png").unlink()
    assert client.get(f"{ORIGINALS}/a/red.png").status_code == 404


def test_what_is_no_image_any_more_is_a_download(client, photos):
    (photos / "a" / "red.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    answer = client.get(f"{ORIGINALS}/a/red.png")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("head", "media"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\0\0\0\x20ftypavif", "image/avif"),
        (b"<html>", None),
        (b"<svg", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_media_types_are_told_from_the_content(head, media):
    assert media_type_of(head) == media


def test_names_that_are_hard_to_write(photos, settings):
    for name in ("a b#1?.png", "größe 100%.png", "\udce9.png"):
        Image.new("RGB", (9, 9), "red").save(photos / name)
    sync(photos)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as client:
        for name in ("a b#1?.png", "größe 100%.png", "\udce9.png"):
            asked = quote(os.fsencode(name))
            assert client.get(f"{ORIGINALS}/{asked}").status_code == 200, name
            assert client.get(f"{THUMBNAILS}/{asked}").status_code == 200, name
        hits = client.post("/api/libraries/photos/search", json={"k": 50}).json()["hits"]
        assert {"a b#1?.png", "größe 100%.png", "\udce9.png"} <= {hit["key"] for hit in hits}


def test_a_folder_that_takes_no_thumbnail_is_said_once(tmp_path, photos, caplog):
    folder = tmp_path / "no folder"
    folder.write_text("a file")
    thumbnails = Thumbnails(folder, most=1 << 20)
    with open_library(photos, model=load(engine="fake")) as library:
        for name in ("a/black.png", "a/red.png", "a/white.png"):
            with contextlib.suppress(NotFound):
                thumbnails.make(library, name, side=64)
    thumbnails.close()
    (said,) = [one.getMessage() for one in caplog.records if one.name == "wordsight.serve"]
    assert said.startswith("thumbnails are not kept: ")
    assert str(tmp_path) not in said


def test_images_inside_shards(tmp_path):
    import tarfile

    shards = tmp_path / "shards"
    shards.mkdir()
    with tarfile.open(shards / "0.tar", "w") as tar:
        for name in ("red", "blue"):
            packed = io.BytesIO()
            Image.new("RGB", (60, 30), name).save(packed, "PNG")
            info = tarfile.TarInfo(f"{name}.png")
            info.size = packed.tell()
            packed.seek(0)
            tar.addfile(info, packed)
    sync(shards)
    settings = ServeSettings(libraries=named_libraries([shards]), engine="fake", thumbnails=False)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as client:
        hits = client.post("/api/libraries/shards/search", json={"query": "red"}).json()["hits"]
        key = hits[0]["key"]
        small = client.get(f"/api/libraries/shards/thumbnails/{key}")
        assert Image.open(io.BytesIO(small.content)).getpixel((3, 3))[0] > 200
        whole = client.get(f"/api/libraries/shards/originals/{key}", headers={"range": "bytes=0-3"})
        assert (whole.status_code, whole.content) == (206, b"\x89PNG")


def test_pages_of_one_file(photos, settings):
    pages = [Image.new("RGB", (40, 20), colour) for colour in ("red", "blue")]
    pages[0].save(photos / "scan.tiff", save_all=True, append_images=pages[1:])
    sync(photos)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as client:
        hits = client.post("/api/libraries/photos/search", json={"k": 50}).json()["hits"]
        keys = [hit["key"] for hit in hits if hit["key"].startswith("scan.tiff")]
        seen = [client.get(f"{THUMBNAILS}/{quote(key)}") for key in keys]
        colours = [Image.open(io.BytesIO(one.content)).getpixel((5, 5)) for one in seen]
        assert {colour.index(max(colour)) for colour in colours} == {0, 2}
        whole = client.get(f"{ORIGINALS}/{quote(keys[-1])}")
        assert (whole.content, whole.headers["content-type"]) == ((photos / "scan.tiff").read_bytes(), "image/tiff")
        assert client.get(f"{THUMBNAILS}/{quote('scan.tiff#page=9')}").status_code == 404
