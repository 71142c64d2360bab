"""Searching a served library: what its own search answers, page by page, however deep."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.embeddings.model import load
from wordsight.search.library import open_library
from wordsight.serve.app import make_app
from wordsight.serve.hosting.kept import KeptAnswers
from wordsight.serve.settings import ServeSettings, named_libraries

SEARCH = "/api/libraries/many/search"
COUNT = 90


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A library of many images whose embeddings are all different, with captions for some."""
    folder = tmp_path_factory.mktemp("served") / "many"
    folder.mkdir()
    drawn = np.random.default_rng(0)
    for number in range(COUNT):
        pixels = drawn.integers(0, 256, (8, 8 + number % 3, 3))
        pixels = np.uint8(pixels if number % 2 else 0.3 * pixels + [170, 0, 0])
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    Image.open(folder / "007.png").save(folder / "copy.png")
    lines = [f"{number:03}.png,{'red dog' if number % 9 == 0 else 'blue'},{number}" for number in range(COUNT)]
    (folder / "table.csv").write_text("\n".join(["filename,caption,price", *lines]))
    with open_library(folder, model=load(engine="fake")) as library:
        library.sync()
    return folder


@pytest.fixture(scope="module")
def client(many):
    settings = ServeSettings(libraries=named_libraries([many]), engine="fake", port=0, thumbnails=False)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as one:
        yield one


def pages(client, asked, *, k):
    """Return all hits of a query, asked for page by page, and the totals that were answered."""
    hits, totals = [], []
    while True:
        answer = client.post(SEARCH, json={**asked, "k": k, "offset": len(hits)}).json()
        totals.append(answer["total"])
        hits += answer["hits"]
        if len(answer["hits"]) < k:
            return hits, totals


QUERIES = [
    {"query": "red"},
    {"query": "red", "where": "price > 40"},
    {"query": "red dog", "keywords": "on"},
    {"query": "red dog", "keywords": "on", "where": "price > 40"},
    {"query": "red", "without": ["blue"]},
    {"query": "red", "sort": "-price"},
    {"query": "red", "fold": True},
    {"query": "red", "min_cosine": 0.01},
    {"query": "red", "min_match": 0.02},
    {"query": "red", "sort": "price", "min_match": 0.02},
    {"query": "red", "liked": ["003.png"], "disliked": ["004.png"]},
    {"like": ["005.png"]},
    {"like": ["005.png", "006.png"], "where": "price < 60"},
    {"parts": [{"text": "red", "weight": 2}, {"key": "009.png", "weight": 0.5}]},
    {},
    {"where": "price > 40"},
    {"sort": "-price"},
]


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_pages_hold_every_result_once_and_begin_with_the_answer_of_the_library(client, many, asked):
    hits, totals = pages(client, asked, k=20)
    keys = [hit["key"] for hit in hits]
    assert len(set(keys)) == len(keys)
    assert set(totals[1:]) <= {len(keys)}
    assert totals[0] == len(keys) or (asked.get("fold") and totals[0] >= len(keys))
    if not asked.keys() & {"query", "like"}:
        return
    options = {name: value for name, value in asked.items() if name not in ("query", "where", "without")}
    with open_library(many, model=load(engine="fake")) as library:
        query = library.read(
            asked.get("query", ()),
            where=asked.get("where"),
            without=asked.get("without", ()),
            **{name: options[name] for name in options if not name.startswith("min")},
        )
        limits = {name: value for name, value in options.items() if name.startswith("min")}
        first = library.answer(query, k=20, **limits)
        everything = library.answer(query, k=200, **limits)
    assert keys[:20] == [hit.key for hit in first]
    assert [hit["match"] for hit in hits[:20]] == [hit.match for hit in first]
    assert hits[0]["alike"] == list(first[0].alike)
    assert len(keys) > 20
    assert set(keys) == {hit.key for hit in everything}
    assert [hit["why"] for hit in hits[:20]] == [hit.why for hit in first]
    if not asked.keys() & {"without", "keywords"}:
        assert keys == [hit.key for hit in everything]
        assert [hit["match"] for hit in hits] == [hit.match for hit in everything]
        np.testing.assert_allclose([hit["score"] for hit in hits], [hit.score for hit in everything], atol=1e-6)
        assert [hit["why"] for hit in hits] == [hit.why for hit in everything]


def test_less_likely_images_come_behind_the_others(client):
    whole = client.post(SEARCH, json={"query": "blue", "k": 200}).json()["hits"]
    likely = client.post(SEARCH, json={"query": "blue", "k": 200, "min_match": 0.05}).json()["hits"]
    answer = client.post(SEARCH, json={"query": "blue", "k": 200, "min_match": 0.05, "rest": True}).json()
    keys = [hit["key"] for hit in answer["hits"]]
    before = [hit["key"] for hit in likely]
    assert 0 < len(before) == answer["matching"] < answer["total"] == len(whole)
    assert sorted(keys[: len(before)]) == sorted(before)
    assert keys[len(before) :] == [hit["key"] for hit in whole if hit["key"] not in before]
    second = client.post(SEARCH, json={"query": "blue", "k": 9, "offset": 9, "min_match": 0.05, "rest": True})
    assert [hit["key"] for hit in second.json()["hits"]] == keys[9:18]


@pytest.mark.parametrize("more", [{}, {"offset": 50}, {"sort": "price"}])
def test_a_calibrated_library_is_so_where_nothing_satisfies_the_condition(client, more):
    assert client.get("/api/libraries/many").json()["calibrated"]
    answer = client.post(SEARCH, json={"query": "red", "where": "width > 9999", **more}).json()
    assert (answer["hits"], answer["calibrated"]) == ([], True)
    listed = client.post(SEARCH, json={"where": "width > 9999", **more}).json()
    assert (listed["hits"], listed["calibrated"]) == ([], False)


def test_chosen_images_are_exported(client):
    asked = {"query": "red", "form": "paths", "keys": ["005.png", "copy.png", "no such.png"]}
    exported = client.post("/api/libraries/many/export", json=asked).text.split()
    assert sorted(exported) == ["005.png", "copy.png"]


def test_nothing_asked_lists_all_images(client):
    hits, _ = pages(client, {}, k=50)
    assert [hit["key"] for hit in hits] == [*(f"{number:03}.png" for number in range(COUNT)), "copy.png"]
    assert {(hit["score"], hit["match"]) for hit in hits} == {(None, None)}
    assert (hits[1]["name"], hits[1]["width"], hits[1]["height"], hits[1]["meta"]["price"]) == ("001.png", 9, 8, 1)
    dearest, _ = pages(client, {"sort": "-price", "where": "price < 60"}, k=50)
    assert [hit["meta"]["price"] for hit in dearest] == list(range(59, -1, -1))


def test_a_brought_image_is_a_query(client, many, base64_image):
    image = base64_image(many / "012.png")
    for given in (image, f"data:image/png;base64,{image}"):
        answer = client.post(SEARCH, json={"parts": [{"image": given}], "k": 1}).json()
        assert answer["hits"][0]["key"] == "012.png"


def test_similar_images_leave_out_the_one_itself(client):
    answer = client.post("/api/libraries/many/similar", json={"key": "007.png", "k": 3}).json()
    assert answer["hits"][0]["key"] == "copy.png"
    assert answer["total"] == COUNT
    assert "007.png" not in [hit["key"] for hit in answer["hits"]]


def test_hits_do_not_tell_where_files_lie(client, many):
    assert str(many) not in client.post(SEARCH, json={"query": "red", "k": 90}).text


def test_a_ranking_is_of_one_state_of_the_library(client, many):
    asked = {"query": "red", "k": 10, "offset": 10}
    before = client.post(SEARCH, json=asked).json()
    with open_library(many, model=load(engine="fake")) as library:
        library.note([(hit["key"], {"seen": 1}) for hit in before["hits"]])
    try:
        after = client.post(SEARCH, json=asked).json()
        assert [hit["meta"]["seen"] for hit in after["hits"]] == [1] * 10
        assert [hit["key"] for hit in after["hits"]] == [hit["key"] for hit in before["hits"]]
    finally:
        with open_library(many, model=load(engine="fake")) as library:
            library.note([(hit["key"], {"seen": None}) for hit in before["hits"]])


@pytest.mark.parametrize(
    ("asked", "status", "problem"),
    [
        ({"query": "red", "k": 0}, 422, "k = 0"),
        ({"query": "red", "k": 1001}, 422, "k = 1001"),
        ({"query": "red", "offset": -1}, 422, "offset = -1"),
        ({"query": "red", "offset": 100_000}, 422, "offset = 100000"),
        ({"query": "red", "parts": [{"text": "blue"}]}, 422, "both query and parts"),
        ({"parts": [{"text": "red", "key": "001.png"}]}, 422, "a part that is not one of text, image and key"),
        ({"parts": [{"text": "red", "weight": -1}]}, 400, "the weight -1 of a part"),
        ({"parts": [{"text": "red"}] * 33}, 422, "33 parts"),
        ({"query": "red", "min_match": 2}, 400, "min_match = 2.0"),
        ({"query": "red", "sort": "nothing"}, 400, "sort: no column nothing"),
        ({"query": "red", "where": "a" * 20_000}, 422, "a condition of 20,000 letters"),
        ({"query": "x" * 40_000}, 413, "a text of 40,000 letters"),
        ({"like": ["/etc/hostname"]}, 404, "no image '/etc/hostname' in the library"),
        ({"liked": ["nothing.png"], "query": "red"}, 404, "no image 'nothing.png' in the library"),
        ({"like": ["001.png"], "query": "red"}, 400, "a query beside like"),
        ({"parts": [{"image": "aGVsbG8="}]}, 400, None),
        ({"disliked": ["x"] * 300, "query": "red"}, 422, "300 images in disliked"),
    ],
    ids=str,
)
def test_what_nobody_can_mean_is_refused(client, asked, status, problem):
    answer = client.post(SEARCH, json=asked)
    assert (answer.status_code, answer.json()["error"]["problem"] if problem else None) == (status, problem)


def test_a_path_is_no_query_even_where_it_is_there(client, many, tmp_path):
    Image.open(many / "003.png").save(tmp_path / "outside.png")
    outside = str(tmp_path / "outside.png")
    assert client.post(SEARCH, json={"like": [outside]}).status_code == 404
    assert client.post(SEARCH, json={"parts": [{"key": outside}]}).status_code == 404
    words = client.post(SEARCH, json={"query": outside, "k": 1}).json()
    assert words["hits"][0]["score"] < 0.99


async def in_thread(work):
    return await asyncio.to_thread(work)


def test_rankings_are_kept_within_their_bytes_and_made_once():
    calls = []

    def make(value):
        return lambda: (calls.append(value) or value, 40)

    async def scenario():
        kept = KeptAnswers("rankings", 100, in_thread)

        async def of(key, work):
            return await kept.of(lambda: key, work)

        slow = [of("slow", lambda: (time.sleep(0.05), calls.append("slow"), ("slow", 40))[2]) for _ in range(4)]
        assert (await asyncio.gather(*slow), calls) == (["slow"] * 4, ["slow"])
        assert [await of("b", make("b")), await of("slow", make("x")), await of("c", make("c"))] == ["b", "slow", "c"]
        assert (kept.get("b"), kept.get("slow"), kept.get("c"), kept.size) == (None, "slow", "c", 80)
        kept.put("large", "large", size=101)
        assert (kept.get("large"), kept.size) == (None, 0)
        with pytest.raises(ZeroDivisionError):
            await of("wrong", lambda: 1 / 0)
        assert await of("wrong", make("right")) == "right"

    asyncio.run(scenario())


def test_those_who_wait_for_one_ranking_hold_no_threads():
    """Of two threads one makes it; the other answers whoever asks for something else."""
    go, threads = threading.Event(), ThreadPoolExecutor(2)

    async def scenario():
        async def run(work):
            return await asyncio.get_running_loop().run_in_executor(threads, work)

        kept = KeptAnswers("rankings", 100, run)
        pages = [asyncio.create_task(kept.of(lambda: "slow", lambda: (go.wait(20), 1))) for _ in range(8)]
        await asyncio.sleep(0.05)
        try:
            assert await asyncio.wait_for(kept.of(lambda: "other", lambda: ("other", 1)), 10) == "other"
        finally:
            go.set()
        assert await asyncio.gather(*pages) == [True] * 8

    asyncio.run(scenario())


def test_a_ranking_that_all_have_left_is_made_only_if_it_was_begun():
    go, calls, runs = threading.Event(), [], []

    def make(value):
        return lambda: (calls.append(value), go.wait(20), (value, 1))[2]

    async def run(work):
        runs.append(work)
        if len(runs) == 4:  # what would make "waits" gets no thread
            await asyncio.Event().wait()
        return await asyncio.to_thread(work)

    async def scenario():
        kept = KeptAnswers("rankings", 100, run)

        async def leaves(key):
            asker = asyncio.create_task(kept.of(lambda: key, make(key)))
            await asyncio.sleep(0.1)
            asker.cancel()
            await asyncio.wait([asker])

        await leaves("begun")
        await leaves("waits")
        again = asyncio.create_task(kept.of(lambda: "begun", make("twice")))
        await asyncio.sleep(0.1)
        go.set()
        assert await again == kept.get("begun") == "begun"
        assert await asyncio.wait_for(kept.of(lambda: "waits", make("anew")), 10) == "anew"
        assert calls == ["begun", "anew"] and len(runs) == 7

    asyncio.run(scenario())
