"""What is asked of a served library beside hits: status, facets, reasons, questions, suggestions, downloads, sync."""

import asyncio
import csv
import io
import json
import threading
import zipfile

import httpx
import pytest
from PIL import Image

from wordsight.embeddings.model import load
from wordsight.search import ask as asking
from wordsight.search.library import Library, open_library
from wordsight.serve.errors import Overloaded
from wordsight.serve.hosting.long_work import LongWork
from wordsight.text.visual_questions import visual_question

PHOTOS = "/api/libraries/photos"


@pytest.fixture
def opened(photos):
    with open_library(photos, model=load(engine="fake")) as library:
        yield library


def events(answer):
    """Return the events of a stream: (name, what it says)."""
    parts = [part for part in answer.text.split("\n\n") if part.startswith("event: ")]
    return [(part.split("\n")[0][7:], json.loads(part.split("\n")[1][6:])) for part in parts]


def test_status(client, opened):
    answer = client.get("/api/status").json()
    assert answer["libraries"] == [{"name": "photos", "images": len(opened)}]
    (model,) = answer["models"]
    assert (model["name"], model["fingerprint"]) == ("fake", opened.model.fingerprint)
    assert (answer["scopes"], answer["key_needed"], answer["urls"]) == (["read", "write"], False, False)


def test_a_library_says_what_it_holds(client, opened, photos):
    (photos / "broken.png").write_bytes(b"no image")
    opened.sync()
    answer = client.get(PHOTOS).json()
    assert (answer["images"], answer["failed"], answer["absent"]) == (len(opened), 1, 0)
    columns = {one["name"]: one for one in answer["columns"]}
    assert columns["width"]["holds"] == "numbers"
    assert "a" in columns["folder"]["examples"]
    assert {"sort": "-mtime", "words": "newest file first"} in answer["orders"]
    assert client.get("/api/libraries/other").status_code == 404


def test_facets_are_those_of_the_library(client, opened):
    answer = client.post(f"{PHOTOS}/facets", json={"query": "red", "columns": ["folder"]}).json()
    expected = opened.facets("red", ["folder"])["folder"]
    (column,) = answer["columns"]
    assert [(one["value"], one["count"], one["where"]) for one in column["values"]] == [
        tuple(expected_value(one)) for one in expected
    ]
    assert [one["chosen"] for one in column["values"]] == [False, False]


def expected_value(one):
    return one.label, one.count, one.where


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        ("folder = 'a'", {"a"}),
        ("width > 1 and folder = a", {"a"}),
        ("folder in ('a', 'b')", {"a", "b"}),
        ("(folder = 'a' or folder = 'b')", {"a", "b"}),
        ("not folder = 'a'", set()),
        ("folder contains 'a'", set()),
        ("", set()),
    ],
)
@pytest.mark.parametrize("query", ["red", ""])
def test_the_values_in_force_are_chosen(steady, query, where, chosen):
    answer = steady.post(f"{PHOTOS}/facets", json={"query": query, "where": where, "columns": ["folder"]}).json()
    values = answer["columns"][0]["values"]
    assert {one["value"] for one in values if one["chosen"]} == chosen
    assert chosen <= {"a", "b"} & {one["value"] for one in values}


def test_facets_of_all_images(client, opened):
    answer = client.post(f"{PHOTOS}/facets", json={"columns": ["folder"]}).json()
    assert sum(one["count"] for one in answer["columns"][0]["values"]) == len(opened)
    assert client.post(f"{PHOTOS}/facets", json={"columns": ["nothing"]}).status_code == 400


def test_reasons_add_up_and_point_at_something(client, opened, photos):
    half = Image.new("RGB", (64, 64), "white")
    half.paste((255, 0, 0), (0, 0, 32, 64))
    half.save(photos / "half.png")
    opened.sync()
    asked = {"parts": [{"text": "red", "weight": 2}, {"text": "blue"}], "keys": ["half.png", "a/red.png"]}
    answer = client.post(f"{PHOTOS}/why", json=asked).json()["reasons"]
    expected = opened.why(["2:red", "blue"], opened.search(["2:red", "blue"], k=99)[:1])
    assert [one["key"] for one in answer] == ["half.png", "a/red.png"]
    assert {one["name"] for one in answer[0]["shares"]} == {one.name for one in expected[0].shares}
    assert answer[0]["box"] is not None
    (half_hit,) = [hit for hit in opened.search(["2:red", "blue"], k=99) if hit.key == "half.png"]
    (reason,) = opened.why(["2:red", "blue"], [half_hit])
    checks = {"swap": reason.swap, "hiding": reason.hiding}
    assert answer[0]["fails"] == [name for name, one in checks.items() if one is not None and not one.passes]
    assert answer[0]["overlay"].startswith("data:image/jpeg;base64,")
    quick = client.post(f"{PHOTOS}/why", json={**asked, "maps": False}).json()["reasons"]
    assert [one["shares"] for one in quick] == [one["shares"] for one in answer]
    assert (quick[0]["overlay"], quick[0]["problem"]) == ("", "")
    hits = {hit["key"]: hit for hit in client.post(f"{PHOTOS}/search", json={"parts": asked["parts"]}).json()["hits"]}
    assert sum(one["share"] for one in quick[0]["shares"]) == pytest.approx(hits["half.png"]["score"], abs=1e-4)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"query": "red", "keys": []}, 422),
        ({"query": "red", "keys": ["a/red.png"] * 9}, 422),
        ({"query": "red", "keys": ["nothing.png"]}, 404),
        ({"keys": ["a/red.png"]}, 422),
    ],
)
def test_reasons_that_cannot_be_given(steady, asked, status):
    assert steady.post(f"{PHOTOS}/why", json=asked).status_code == status


def test_questions_are_answered_as_by_the_library(client, opened, photos, base64_image):
    asked = {"question": "What colour is it?", "answers": ["red", "blue"]}
    answer = client.post(f"{PHOTOS}/ask", json={**asked, "key": "a/red.png"}).json()
    question = visual_question(asked["question"], asked["answers"])
    (replied,) = asking.ask(opened.model, [photos / "a" / "red.png"], asked["question"], asked["answers"])
    assert answer == json.loads(json.dumps(asking.record(question, replied)))
    brought = client.post("/api/ask", json={**asked, "image": base64_image(photos / "a" / "red.png")}).json()
    assert [one["answer"] for one in brought["answers"]] == [one["answer"] for one in answer["answers"]]
    assert client.post(f"{PHOTOS}/ask", json={**asked, "key": "x"}).status_code == 404
    assert client.post(f"{PHOTOS}/ask", json={"key": "a/red.png", "question": "x" * 40_000}).status_code == 413


def test_suggestions_come_from_the_library(client, opened, photos):
    lines = ["filename,title,keywords"]
    lines += [f"{path.relative_to(photos)},a red dragonfly,summer's day" for path in photos.glob("a/*.png")]
    (photos / "table.csv").write_text("\n".join(lines))
    opened.sync()
    answer = client.post(f"{PHOTOS}/suggest", json={"prefix": "A red"}).json()
    assert answer["texts"][0] == "a red dragonfly"
    completed = client.post(f"{PHOTOS}/suggest", json={"prefix": "two blue drag"}).json()
    assert completed["texts"] == ["two blue dragonfly"]
    (condition,) = client.post(f"{PHOTOS}/suggest", json={"prefix": "summ"}).json()["conditions"]
    found = client.post(f"{PHOTOS}/search", json={"where": condition["where"]}).json()
    assert (condition["text"], condition["count"]) == ("summer's day", found["total"])
    assert client.post(f"{PHOTOS}/suggest", json={"prefix": " "}).json() == {"texts": [], "conditions": []}


def test_exports_hold_the_results(client, opened):
    keys = [hit.key for hit in opened.search("red", k=99)]
    asked = {"query": "red"}

    def download(form, **options):
        answer = client.post(f"{PHOTOS}/export", json={**asked, "form": form, **options})
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith('attachment; filename="photos.')
        return answer

    assert [hit["key"] for hit in download("json").json()] == keys
    assert [hit["key"] for hit in download("json", k=2).json()] == keys[:2]
    assert download("json", where="width > 9999").json() == []
    assert download("paths").text.splitlines() == keys
    rows = list(csv.DictReader(io.StringIO(download("csv").text)))
    assert [row["key"] for row in rows] == keys
    assert rows[0].keys() >= {"rank", "score", "match", "width", "folder"}
    archive = zipfile.ZipFile(io.BytesIO(download("zip", k=3).content))
    assert archive.testzip() is None
    assert [archive.read(name) for name in archive.namelist()] == [
        (opened.location / key).read_bytes() for key in keys[:3]
    ]


def test_an_archive_names_what_is_missing(client, opened):
    key = opened.search("red", k=1)[0].key
    (opened.location / key).unlink()
    content = client.post(f"{PHOTOS}/export", json={"query": "red", "form": "zip", "k": 2}).content
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.read("missing.txt").decode().startswith(f"{key}: ")
    assert len(archive.namelist()) == 2


def test_cells_that_a_spreadsheet_computes_are_text(client, opened):
    opened.note([("a/red.png", {"remark": "=1+1"})])
    text = client.post(f"{PHOTOS}/export", json={"query": "red", "form": "csv"}).text
    assert ",'=1+1" in text


def test_a_sync_says_how_far_it_is_and_what_was_done(client, photos):
    Image.new("RGB", (30, 30), "red").save(photos / "new.png")
    (photos / "broken.png").write_bytes(b"no image")
    answer = client.post(f"{PHOTOS}/sync", json={})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *steps, (name, done) = events(answer)
    assert {step for step, _ in steps} == {"progress"}
    assert steps[0][1] == {"done": 0, "total": 2, "stage": "indexing"}
    assert (name, done["added"], done["failed"]) == ("done", 1, 1)
    assert done["failures"][0][0] == "broken.png"
    keys = [hit["key"] for hit in client.post(f"{PHOTOS}/search", json={}).json()["hits"]]
    assert "new.png" in keys
    (photos / "new.png").unlink()
    (_, done) = events(client.post(f"{PHOTOS}/sync"))[-1]
    assert done["removed"] == 1


def test_a_library_that_was_moved_away_while_it_is_served_is_told_of(client, photos):
    assert client.get(PHOTOS).json()["notices"] == []
    assert client.post(f"{PHOTOS}/search", json={"query": "red"}).status_code == 200
    (photos / ".wordsight").rename(photos.parent / "elsewhere")
    answer = client.get(PHOTOS)
    assert answer.status_code == 200 and "not there any more" in answer.json()["notices"][0]
    assert client.post(f"{PHOTOS}/search", json={"query": "red"}).status_code == 200
    name, done = events(client.post(f"{PHOTOS}/sync"))[-1]
    assert name == "done" and any("made anew" in one for one in done["notices"])
    assert client.get(PHOTOS).json()["notices"] == []


def test_a_sync_that_fails_says_why(client, photos):
    import shutil

    shutil.rmtree(photos)
    ((name, failed),) = events(client.post(f"{PHOTOS}/sync"))
    assert (name, failed["problem"]) == ("error", "no folder photos")


def test_one_change_at_a_time_and_it_goes_on_without_its_asker(settings, photos, listening, monkeypatch):
    goes_on, begun, ended = threading.Event(), threading.Event(), threading.Event()
    synced = Library.sync

    def slow(self, **options):
        begun.set()
        assert goes_on.wait(20)
        report = synced(self, **options)
        ended.set()
        return report

    monkeypatch.setattr(Library, "sync", slow)
    Image.new("RGB", (30, 30), "red").save(photos / "new.png")
    with listening(settings) as address, httpx.Client(base_url=address, trust_env=False, timeout=20) as http:
        with http.stream("POST", f"{PHOTOS}/sync", json={}):
            assert begun.wait(20)
            busy = http.post(f"{PHOTOS}/sync", json={})
            assert (busy.status_code, busy.headers["retry-after"]) == (409, "5")
            assert http.post(f"{PHOTOS}/search", json={"query": "red"}).status_code == 200
        goes_on.set()
        assert ended.wait(20)
        for _ in range(100):
            if http.post(f"{PHOTOS}/sync", json={}).status_code == 200:
                break
        keys = [hit["key"] for hit in http.post(f"{PHOTOS}/search", json={}).json()["hits"]]
    assert "new.png" in keys


def test_long_work_is_bounded_and_ends_with_its_asker(settings, photos, listening, monkeypatch):
    from wordsight.search import why

    release, hits_done = threading.Event(), []

    def slow(model, direction, hits, stored, *, maps, done):
        for hit in hits:
            release.wait(20)
            hits_done.append(hit.key)
            done()
        return []

    monkeypatch.setattr(why, "reasons_of", slow)
    asked = {"query": "red", "keys": ["a/red.png", "b/green.png"]}
    with listening(settings) as address, httpx.Client(base_url=address, trust_env=False, timeout=20) as http:
        with pytest.raises(httpx.ReadTimeout):
            http.post(f"{PHOTOS}/why", json=asked, timeout=0.3)
        release.set()
        for _ in range(200):
            if hits_done:
                break
            threading.Event().wait(0.02)
        threading.Event().wait(0.3)
    assert hits_done in (["a/red.png"], ["a/red.png", "b/green.png"])


def test_long_work_waits_for_its_turn_and_not_for_ever():
    async def crowd():
        work, release = LongWork(at_once=1, waiting=1), threading.Event()
        try:
            asked = [asyncio.ensure_future(work.run(lambda check: release.wait(10))) for _ in range(2)]
            await asyncio.sleep(0.05)
            with pytest.raises(Overloaded, match="2 long requests wait already"):
                await work.run(lambda check: True)
            release.set()
            assert await asyncio.gather(*asked) == [True, True]
            assert await work.run(lambda check: "again") == "again"
        finally:
            work.close()

    asyncio.run(crowd())


def test_notices_reach_the_asker(client, capsys):
    for asked in ({}, {"sort": "-mtime"}, {"sort": "-mtime"}):
        answer = client.post(f"{PHOTOS}/search", json={"query": "red", "where": "width > 9999", **asked}).json()
        assert answer["notices"] == ["where: no picture satisfies the condition"]
    assert client.post(f"{PHOTOS}/search", json={"query": "red"}).json()["notices"] == []
    assert "no picture" not in capsys.readouterr().err
