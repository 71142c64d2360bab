"""Models and libraries of one process: what is kept, let go, opened again, and changed while it is served."""

import asyncio
import base64
import shutil
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.base.errors import BrokenImage
from wordsight.base.progress import bar
from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library
from wordsight.serve.app import make_app
from wordsight.serve.hosting.host import Host
from wordsight.serve.hosting.jobs import Job, JobDone, Jobs
from wordsight.serve.hosting.libraries import THREADS
from wordsight.serve.hosting.text_cache import TextCache
from wordsight.serve.watched.notes import RequestNotes, notes, noting


def hosting(settings, scenario):
    """Run what a scenario does with what is served."""

    async def whole():
        async with Host(settings) as host:
            assert host.ready
            return await scenario(host)

    return asyncio.run(whole())


def test_texts_that_come_again_are_not_computed_again(settings):
    async def scenario(host):
        hosted = await host.models.named()
        first = await hosted.embed_texts(["red", "blue", "red"])
        np.testing.assert_array_equal(first, load(engine="fake").embed_texts(["red", "blue", "red"]))
        computed = hosted.texts.figures.items
        again = await hosted.embed_texts(["blue", "green", "red"])
        np.testing.assert_array_equal(again[[2, 0]], first[:2])
        assert hosted.texts.figures.items == computed + 1
        assert (hosted.known.hits, hosted.known.misses) == (2, 4)
        assert (await hosted.embed_texts([])).shape == (0, hosted.model.spec.width)

    hosting(settings, scenario)


def test_the_cache_of_texts_holds_to_its_bytes_and_drops_what_was_asked_longest_ago():
    one = np.ones(64, np.float32)
    cache = TextCache(3 * (250 + 1 + one.nbytes))
    for text in "abc":
        cache.keep(text, one)
    assert cache.of("a") is not None
    cache.keep("d", one)
    assert [cache.of(text) is not None for text in "abcd"] == [True, False, True, True]
    assert len(cache) == 3 and cache.size <= cache.most
    cache.keep("x" * 10_000, one)  # larger than all of it
    assert len(cache) == 0 and cache.size == 0
    whole = np.ones((100, 64), np.float32)
    cache.keep("e", whole[3])
    assert cache.of("e").base is None
    cache.clear()
    assert (len(cache), cache.size) == (0, 0)


def test_a_broken_image_fails_its_own_request(settings, photos):
    whole, broken = (photos / "a" / "red.png").read_bytes(), b"\x89PNG\r\n\x1a\nno image"

    async def scenario(host):
        hosted = await host.models.named()
        asked = [hosted.embed_images([whole, one]) for one in (whole, broken, whole)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(one, BrokenImage) for one in results] == [False, True, False]
        np.testing.assert_array_equal(results[0], load(engine="fake").embed_images([photos / "a" / "red.png"] * 2))

    hosting(settings, scenario)


def test_an_embedding_that_is_none_fails_its_own_request(settings, photos, monkeypatch):
    async def scenario(host):
        hosted = await host.models.named()
        embed = hosted.model.engine.embed_images

        def with_nan(pixels):
            embeddings = embed(pixels)
            embeddings[pixels.mean(axis=(1, 2, 3)) < 15] = np.nan
            return embeddings

        monkeypatch.setattr(hosted.model.engine, "embed_images", with_nan)
        files = [
            (photos / name).read_bytes()
            for name in ("a/red.png", "a/black.png", "b/green.png")
            if (photos / name).is_file()
        ]
        black = next(photos.rglob("black.png")).read_bytes()
        results = await asyncio.gather(*(hosted.embed_images([one]) for one in (*files, black)), return_exceptions=True)
        assert isinstance(results[-1], Exception) and not isinstance(results[0], Exception)

    hosting(settings, scenario)


def test_a_model_that_rests_lets_go_and_is_opened_again_when_asked(settings, monkeypatch):
    async def scenario(host):
        hosted = await host.models.named()
        released = []
        monkeypatch.setattr(type(hosted.model), "release", lambda self: released.append(1) or True)
        await hosted.embed_texts(["red"])
        await asyncio.sleep(0.6)
        assert released
        await hosted.embed_texts(["orange"])
        hosted.used = time.monotonic()
        released.clear()
        assert host.models.rest(5) == 0 and not released
        await hosted.texts.close()

    hosting(replace(settings, idle_unload=0.2), scenario)


def test_a_model_on_onnx_gives_the_same_after_it_was_released():
    model = load()
    before = model.embed_texts(["a dog"])
    assert model.engine._open_here.here.sessions
    assert model.release() and not model.engine._open_here.here.sessions
    np.testing.assert_array_equal(model.embed_texts(["a dog"]), before)
    assert not load(engine="fake").release()


def test_searches_are_joined_and_answered_as_alone(settings, photos):
    texts = ["red", "blue", "green", "red", "pink"]

    async def scenario(host):
        from wordsight.search.limits import HitLimits
        from wordsight.search.query import plain_query

        library = host.libraries.named("photos")
        asked = [host.libraries.answer(library, plain_query(text), HitLimits(k=3)) for text in texts]
        bad = host.libraries.answer(library, plain_query("red", where="prize > 3"), HitLimits(k=3))
        answers = await asyncio.gather(*asked, bad, return_exceptions=True)
        assert isinstance(answers.pop(), Exception)
        assert host.libraries.queue(library).figures.batches < len(texts)
        return [[(hit.key, hit.path, hit.meta) for hit in hits] for hits in answers]

    with open_library(photos, model=load(engine="fake")) as library:
        expected = [[(hit.key, hit.path, hit.meta) for hit in library.search(text, k=3)] for text in texts]
    assert hosting(settings, scenario) == expected


def test_a_second_model_is_served_beside_the_first(settings, base64_image, photos):
    both = replace(settings, models=(None, "other"))
    with TestClient(make_app(both), base_url="http://127.0.0.1:7070") as client:
        for name in ("", "default", "other"):
            assert client.post("/api/embed", json={"texts": ["red"], "model": name}).status_code == 200
        assert client.post("/api/embed", json={"texts": ["red"], "model": "third"}).status_code == 404
        listed = [one["id"] for one in client.get("/v1/models").json()["data"]]
        assert len(listed) == len(set(listed)) == 2, "models of one name are told apart"
        for name in listed:
            assert client.post("/v1/embeddings", json={"input": "red", "model": name}).json()["model"] == name


def test_requests_go_on_while_a_library_is_synced_made_again_and_replaced(settings, photos, listening, tmp_path):
    """None of them fails, and what is new is answered."""
    statuses, stop, keys = [], threading.Event(), set()

    def ask(address):
        with httpx.Client(trust_env=False) as client:
            while not stop.is_set():
                answer = client.post(f"{address}/api/libraries/photos/search", json={"query": "red", "k": 30})
                statuses.append(answer.status_code)
                if answer.status_code == 200:
                    keys.update(hit["key"] for hit in answer.json()["hits"])
                else:
                    statuses.append(answer.text)

    def answered(key):
        end = time.monotonic() + 20
        while key not in keys and time.monotonic() < end:
            time.sleep(0.01)
        return key in keys

    with listening(settings) as address:
        askers = [threading.Thread(target=ask, args=(address,)) for _ in range(3)]
        for one in askers:
            one.start()
        try:
            with open_library(photos, model=load(engine="fake")) as library:
                Image.new("RGB", (30, 30), (200, 10, 10)).save(photos / "synced.png")
                library.sync()
                assert answered("synced.png")
                Image.new("RGB", (30, 31), (201, 10, 10)).save(photos / "again.png")
                library.rebuild()
                assert answered("again.png")
            copy = tmp_path / "copy"
            shutil.copytree(photos, copy)
            Image.new("RGB", (30, 32), (202, 10, 10)).save(copy / "replaced.png")
            shutil.rmtree(copy / ".wordsight")
            with open_library(copy, model=load(engine="fake")) as library:
                library.sync()
            (photos / ".wordsight").rename(tmp_path / "old")
            (copy / ".wordsight").rename(photos / ".wordsight")
            assert answered("replaced.png")
        finally:
            stop.set()
            for one in askers:
                one.join()
    assert set(statuses) == {200} and len(statuses) > 20


def test_a_caller_who_leaves_is_not_computed_for(settings, listening, monkeypatch):
    """Of a request whose connection ends while it waits nothing is computed."""
    from wordsight.serve.hosting.models import HostedModel

    go, begun, seen = threading.Event(), threading.Event(), []
    embed = HostedModel._embed_texts

    def held(self, texts):
        seen.extend(texts)
        if "first" in texts:
            begun.set()
            assert go.wait(20)
        return embed(self, texts)

    monkeypatch.setattr(HostedModel, "_embed_texts", held)
    with listening(settings) as address:
        host, port = address.removeprefix("http://").split(":")

        def asked(text):
            one = socket.create_connection((host, int(port)))
            body = f'{{"texts": ["{text}"]}}'.encode()
            one.sendall(b"POST /api/embed HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            return one

        first = asked("first")
        assert begun.wait(20)
        gone, stays = asked("gone"), asked("stays")
        time.sleep(0.2)
        gone.close()
        time.sleep(0.2)
        go.set()
        for one in (first, stays):
            assert one.recv(100).startswith(b"HTTP/1.1 200")
            one.close()
    assert "gone" not in seen and "stays" in seen


def test_an_image_of_a_request_is_base64(settings, client, photos):
    coded = base64.b64encode(Path(next(photos.rglob("*.png"))).read_bytes()).decode()
    assert client.post("/api/embed", json={"images": [coded, "data:image/png;base64," + coded]}).status_code == 200


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_seconds_that_are_none_are_refused(settings, seconds):
    with pytest.raises(Exception, match="idle-unload"):
        replace(settings, idle_unload=seconds)


def test_an_end_that_comes_while_a_step_is_handed_on_is_handed_on_too():
    async def scenario():
        go = threading.Event()

        def work():
            with bar(2) as steps:
                steps.update(1)
                assert go.wait(10)
            return "all"

        seen = []
        job = Jobs().start("photos", work)
        async for event in job.events():
            seen.append(event)
            go.set()
            await job.finished.wait()
        return seen

    *steps, last = asyncio.run(scenario())
    assert steps
    assert last == JobDone("all", [])


def test_a_thread_that_cannot_start_leaves_the_library_free(monkeypatch):
    async def scenario():
        jobs = Jobs()
        with monkeypatch.context() as patched:
            patched.setattr(Job, "start", lambda self: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
            with pytest.raises(RuntimeError):
                jobs.start("photos", lambda: None)
        return await jobs.start("photos", lambda: "done").outcome()

    assert asyncio.run(scenario()) == "done"


def test_jobs_that_are_closed_stop_together():
    ended, together = [], threading.Barrier(2)

    def work():
        try:
            with bar(10**9) as steps:
                while True:
                    steps.update(1)
                    time.sleep(0.001)
        finally:
            together.wait(10)
            ended.append(1)

    async def scenario():
        jobs = Jobs()
        for name in ("photos", "others"):
            jobs.start(name, work)
        await jobs.close()

    asyncio.run(scenario())
    assert ended == [1, 1]


def test_a_call_that_is_given_up_before_a_thread_has_it_took_no_time_of_one(settings):
    ends = threading.Event()

    async def scenario(host):
        busy = [asyncio.create_task(host.libraries.run(ends.wait, 20)) for _ in range(THREADS)]
        with noting(RequestNotes("one")):
            late = asyncio.create_task(host.libraries.run(time.sleep, 0))
            own = notes()
        await asyncio.sleep(0.05)
        late.cancel()
        await asyncio.wait([late])
        ends.set()
        await asyncio.gather(*busy)
        assert own.milliseconds("library") == 0 and own.milliseconds("queue") > 0

    hosting(settings, scenario)


def exchanged(photos, tmp_path):
    """Put another library in the place of a served one: of one more image, and with a column."""
    copy = tmp_path / "copy"
    shutil.copytree(photos, copy)
    Image.new("RGB", (30, 32), (202, 10, 10)).save(copy / "replaced.png")
    shutil.copy(copy / "replaced.png", photos / "replaced.png")
    shutil.rmtree(copy / ".wordsight")
    with open_library(copy, model=load(engine="fake")) as library:
        library.sync()
        library.note([(key, {"mood": "newish"}) for key in ("replaced.png", "a/red.png")])
    (photos / ".wordsight").rename(tmp_path / "old")
    (copy / ".wordsight").rename(photos / ".wordsight")


LIBRARY = "/api/libraries/photos"
NOTICED = {
    "search": lambda ask: "replaced.png" in ask("POST", "search", {"query": "red"}).text,
    "similar": lambda ask: ask("POST", "similar", {"key": "replaced.png"}).status_code == 200,
    "facets": lambda ask: "newish" in ask("POST", "facets", {"columns": ["mood"]}).text,
    "suggest": lambda ask: "newish" in ask("POST", "suggest", {"prefix": "newi"}).text,
    "library": lambda ask: "mood" in ask("GET", "", None).text,
    "thumbnails": lambda ask: ask("GET", "thumbnails/replaced.png", None).status_code == 200,
    "originals": lambda ask: ask("GET", "originals/replaced.png", None).status_code == 200,
    "why": lambda ask: ask("POST", "why", {"query": "red", "keys": ["replaced.png"]}).status_code == 200,
    "export": lambda ask: "replaced.png" in ask("POST", "export", {"form": "paths"}).text,
    "duplicates": lambda ask: f'"compared":{len(COLOURS) + 1}' in ask("POST", "duplicates", {}).text,
}


@pytest.mark.parametrize("name", NOTICED)
def test_every_use_notices_that_a_library_was_exchanged(client, photos, tmp_path, name):
    def ask(method, path, body):
        return client.request(method, f"{LIBRARY}/{path}".rstrip("/"), json=body)

    assert not NOTICED[name](ask)
    exchanged(photos, tmp_path)
    assert NOTICED[name](ask)


def test_the_status_and_the_map_notice_that_a_library_was_exchanged(client, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("wordsight.serve.hosting.maps.FRESH", 0.0)

    def seen():
        for _ in range(3000):
            if (answer := client.get(f"{LIBRARY}/map")).status_code == 200:
                break
            time.sleep(0.01)
        return client.get("/api/status").json()["libraries"][0]["images"], answer.json()["count"]

    before = seen()
    exchanged(photos, tmp_path)
    client.get(f"{LIBRARY}/map")  # what it finds comes with the next answer
    for _ in range(3000):
        if (after := seen())[1] != before[1]:
            break
        time.sleep(0.01)
    assert after == (before[0] + 1, before[1] + 1)
