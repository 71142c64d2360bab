"""What changes a served library: labels noted and taken back, duplicates moved and put back."""

import asyncio
import errno
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.base.errors import StorageError
from wordsight.base.records import locked
from wordsight.base.reversible import Reversible
from wordsight.embeddings.model import load
from wordsight.index.lock import LibraryBusy, writing
from wordsight.search.duplicates import applying
from wordsight.search.library import Library, open_library
from wordsight.serve.app import make_app
from wordsight.serve.hosting.host import Host
from wordsight.serve.own import changing
from wordsight.text.label_sets import label_set, label_set_names

PHOTOS = "/api/libraries/photos"


@pytest.fixture
def opened(photos):
    with open_library(photos, model=load(engine="fake")) as library:
        yield library


def events(answer):
    parts = [part for part in answer.text.split("\n\n") if part.startswith("event: ")]
    return [(part.split("\n")[0][7:], json.loads(part.split("\n")[1][6:])) for part in parts]


def tags(client):
    hits = client.post(f"{PHOTOS}/search", json={"k": 99}).json()["hits"]
    return {hit["key"]: hit["meta"].get("tags") for hit in hits}


def test_shipped_labels(steady):
    sets = steady.get("/api/labels").json()["sets"]
    assert [one["name"] for one in sets] == label_set_names()
    assert sets[0]["labels"] == [one.name for one in label_set(sets[0]["name"]).labels]


def test_tagging_is_noted_taken_away_and_taken_back(client):
    asked = {"labels": ["red", "blue"], "min_cosine": 0.3}
    *steps, (name, done) = events(client.post(f"{PHOTOS}/tag", json=asked))
    assert {step for step, _ in steps} == {"progress"}
    assert name == "done"
    assert done["counts"].keys() == {"red", "blue"}
    assert done["tagged"] == len([one for one in tags(client).values() if one])
    assert tags(client)["a/red.png"] == "red"
    cleared = client.post(f"{PHOTOS}/tag/clear", json={}).json()
    assert cleared["changed"] == done["tagged"]
    assert set(tags(client).values()) == {None}
    undone = client.post(f"{PHOTOS}/tag/undo").json()
    assert (undone["column"], undone["changed"], undone["left"]) == ("tags", done["tagged"], [])
    assert tags(client)["a/red.png"] == "red"
    assert client.post(f"{PHOTOS}/tag/undo").status_code == 200
    assert client.post(f"{PHOTOS}/tag/undo").status_code == 404


def test_a_column_that_was_taken_back_is_in_no_list(client):
    def listed():
        table = client.post(f"{PHOTOS}/export", json={"form": "csv"}).text.splitlines()[0].split(",")
        columns = [one["name"] for one in client.get(PHOTOS).json()["columns"]]
        return "tags" in table, "tags" in columns

    events(client.post(f"{PHOTOS}/tag", json={"labels": ["red", "blue"], "min_cosine": 0.3}))
    assert listed() == (True, True)
    client.post(f"{PHOTOS}/tag/undo")
    assert listed() == (False, False)


def test_a_dry_run_notes_nothing(steady):
    events(steady.post(f"{PHOTOS}/tag", json={"labels": "colours", "min_cosine": 0.1, "dry_run": True}))
    assert set(tags(steady).values()) == {None}


@pytest.mark.parametrize(
    ("labels", "status"),
    [("/etc/hostname", 404), ("nothing", 404), ([], 422), (["red", ""], 422), (["red", "red"], 422), (3, 422)],
)
def test_labels_that_are_none(steady, labels, status):
    assert steady.post(f"{PHOTOS}/tag", json={"labels": labels}).status_code == status


def test_options_that_are_none_are_an_error_event(steady):
    ((name, error),) = events(steady.post(f"{PHOTOS}/tag", json={"labels": ["red"], "min_match": 3}))
    assert (name, error["problem"]) == ("error", "a least probability of 3.0")


@pytest.fixture
def copies(photos, opened):
    """A library with copies of two images."""
    drawn = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(drawn).save(photos / "a" / "drawn.png")
    shutil.copy(photos / "a" / "drawn.png", photos / "b" / "copy.png")
    shutil.copy(photos / "a" / "red.png", photos / "b" / "red copy.png")
    opened.sync()
    return photos


def duplicates(client, **asked):
    *_, (name, done) = events(client.post(f"{PHOTOS}/duplicates", json={"kinds": ["exact"], **asked}))
    assert name == "done", done
    return done


def test_duplicates_are_those_of_the_library(client, opened, copies):
    done = duplicates(client)
    expected = opened.duplicates(kinds=("exact",))
    assert (done["freed"], done["compared"]) == (expected.freed, len(opened))
    for group, theirs in zip(done["groups"], expected.groups, strict=True):
        assert group["kept"] == group["members"][0]["key"] == theirs.members[0].image.key
        assert [one["key"] for one in group["members"]] == [one.image.key for one in theirs.members]
        assert [one["action"] for one in group["members"]] == ["keep", "move"]
        assert [one["similarity"] for one in group["members"]] == pytest.approx([1, 1], abs=1e-3)
        assert group["members"][0]["width"] == theirs.members[0].image.width
    assert duplicates(client, where="folder = 'a'")["groups"] == []
    assert duplicates(client, protect=["b"])["groups"][0]["kept"].startswith("b/")


def test_duplicates_are_moved_and_put_back(client, copies):
    groups = [
        {"kept": one["kept"], "move": [other["key"] for other in one["members"][1:]]}
        for one in duplicates(client)["groups"]
    ]
    moved = [key for group in groups for key in group["move"]]
    applied = client.post(f"{PHOTOS}/duplicates/apply", json={"groups": groups}).json()
    assert (sorted(applied["moved"]), applied["failed"]) == (sorted(moved), [])
    assert not any((copies / key).exists() for key in moved)
    assert (copies / ".wordsight" / "plans" / applied["plan"]).is_file()
    assert not set(moved) & set(tags(client))
    assert duplicates(client)["groups"] == []
    back = client.post(f"{PHOTOS}/duplicates/undo", json={"plan": applied["undo"]}).json()
    assert back == {"restored": 2, "failed": []}
    assert all((copies / key).exists() for key in moved)
    assert set(moved) <= set(tags(client))


def test_the_last_copy_never_leaves(client, copies):
    kept, other = "a/drawn.png", "b/copy.png"
    (copies / kept).write_bytes(b"changed since")
    applied = client.post(f"{PHOTOS}/duplicates/apply", json={"groups": [{"kept": kept, "move": [other]}]}).json()
    assert (applied["moved"], [path for path, _ in applied["failed"]]) == ([], [other])
    assert str(copies) not in json.dumps(applied)
    assert (copies / other).exists()


def asked_groups(client):
    return [
        {"kept": one["kept"], "move": [other["key"] for other in one["members"][1:]]}
        for one in duplicates(client)["groups"]
    ]


def test_the_longest_names_are_moved(client, copies, opened):
    name = "x" * 251 + ".png"
    shutil.copy(copies / "a" / "drawn.png", copies / "a" / name)
    opened.sync()
    applied = client.post(f"{PHOTOS}/duplicates/apply", json={"groups": asked_groups(client)}).json()
    assert (len(applied["moved"]), applied["failed"], applied["notices"]) == (3, [], [])
    assert len(tags(client)) == 12


def test_a_disk_that_is_full_halfway_leaves_an_answer(client, copies, monkeypatch):
    """One file is moved, the next finds no room: the plan is named, the library knows, and it can be undone."""
    groups, move = asked_groups(client), Reversible.move
    first, second = (group["move"][0] for group in groups)

    def full(self, source, target, **options):
        if source == copies / second:
            raise StorageError(f"no room for {target}") from OSError(errno.ENOSPC, "No space left on device")
        move(self, source, target, **options)

    monkeypatch.setattr(Reversible, "move", full)
    applied = client.post(f"{PHOTOS}/duplicates/apply", json={"groups": groups}).json()
    assert (applied["moved"], [key for key, _ in applied["failed"]]) == ([first], [second])
    assert str(copies) not in json.dumps(applied)
    assert first not in tags(client)
    assert second in tags(client)
    monkeypatch.undo()
    assert client.post(f"{PHOTOS}/duplicates/undo", json={"plan": applied["plan"]}).json()["restored"] == 1


def test_a_plan_of_which_nothing_came_does_not_stay(client, copies, monkeypatch):
    def full(self, source, target, **options):
        raise StorageError(f"no room for {target}") from OSError(errno.ENOSPC, "No space left on device")

    groups = asked_groups(client)
    monkeypatch.setattr(Reversible, "move", full)
    assert client.post(f"{PHOTOS}/duplicates/apply", json={"groups": groups}).status_code == 507
    assert list((copies / ".wordsight" / "plans").iterdir()) == []


def test_a_library_that_cannot_be_brought_up_to_date_is_said_so(client, copies, monkeypatch):
    groups = asked_groups(client)

    def busy(self, keys):
        raise LibraryBusy(f"another process is writing {copies}")

    monkeypatch.setattr(Library, "drop", busy)
    applied = client.post(f"{PHOTOS}/duplicates/apply", json={"groups": groups}).json()
    assert len(applied["moved"]) == 2
    (said,) = applied["notices"]
    assert "not up to date" in said
    assert str(copies) not in said


def hand(client, where="hand_tags is not null"):
    hits = client.post(f"{PHOTOS}/search", json={"k": 99, "where": where}).json()["hits"]
    return {hit["key"]: hit["meta"]["hand_tags"] for hit in hits}


def test_people_tag_named_images_and_take_it_back(client):
    keys = sorted(tags(client))[:2]
    asked = {"keys": keys, "add": ["nice", "bright"]}
    done = client.post(f"{PHOTOS}/tags", json=asked).json()
    assert (done["images"], done["changed"]) == (2, 2)
    assert hand(client) == dict.fromkeys(keys, "nice\nbright")
    client.post(f"{PHOTOS}/tags", json={"keys": keys[1:], "remove": ["nice"]})
    columns = client.post(f"{PHOTOS}/facets", json={}).json()["columns"]
    (facet,) = [one["values"] for one in columns if one["name"] == "hand_tags"]
    assert [(one["value"], one["count"], one["where"]) for one in facet] == [
        ("bright", 2, "hand_tags has 'bright'"),
        ("nice", 1, "hand_tags has 'nice'"),
    ]
    refused = client.post(f"{PHOTOS}/tags/undo", json={"run": done["run"]})
    assert refused.status_code == 404 and "is not the last by hand" in refused.text
    assert client.post(f"{PHOTOS}/tags/undo", json={}).json()["changed"] == 1
    assert client.post(f"{PHOTOS}/tags/undo", json={"run": done["run"]}).json()["changed"] == 2
    assert hand(client) == {}


def test_without_keys_all_matches_are_tagged(client):
    """All under a condition without a query; where no line divides them, a query is refused."""
    done = client.post(f"{PHOTOS}/tags", json={"where": "folder = 'a'", "add": ["left"]}).json()
    folders = {key.partition("/")[0] for key in hand(client)}
    assert folders == {"a"} and done["changed"] == len(hand(client)) == 6
    refused = client.post(f"{PHOTOS}/tags", json={"query": "red", "add": ["x"]})
    assert refused.status_code == 422 and "no line divides" in refused.text
    unknown = client.post(f"{PHOTOS}/tags", json={"keys": ["gone.png"], "add": ["x"]})
    assert unknown.status_code == 404 and len(hand(client)) == 6


@pytest.mark.parametrize("lock", [".", "changing"])
def test_what_another_process_changes_is_not_changed(client, copies, monkeypatch, lock):
    """Refused at once, before anything is computed; no plan stays."""
    groups = asked_groups(client)
    monkeypatch.setattr(Library, "tag", None)
    asked = {
        "sync": {},
        "tag": {"labels": ["red"]},
        "tag/clear": {},
        "tag/undo": {},
        "tags": {"keys": [], "add": ["x"]},
        "tags/undo": {},
        "duplicates/apply": {"groups": groups},
    }
    with writing(copies / ".wordsight" / lock):
        for route, body in asked.items():
            answer = client.post(f"{PHOTOS}/{route}", json=body)
            assert (route, answer.status_code) == (route, 409)
            assert answer.headers["retry-after"] == "5"
            assert str(copies) not in answer.text
    assert not (copies / ".wordsight" / "plans").exists()
    applied = client.post(f"{PHOTOS}/duplicates/apply", json={"groups": groups}).json()
    assert len(applied["moved"]) == 2


def test_two_servers_change_a_library_one_at_a_time(client, settings, copies, monkeypatch):
    begun, go, tag = threading.Event(), threading.Event(), Library.tag

    def slow(self, *given, **options):
        begun.set()
        assert go.wait(20)
        return tag(self, *given, **options)

    monkeypatch.setattr(Library, "tag", slow)
    with ThreadPoolExecutor(1) as threads, TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as other:
        first = threads.submit(client.post, f"{PHOTOS}/tag", json={"labels": ["red"], "min_cosine": 0.3})
        try:
            assert begun.wait(20)
            assert other.post(f"{PHOTOS}/sync", json={}).status_code == 409
            assert other.post(f"{PHOTOS}/tag", json={"labels": ["blue"]}).status_code == 409
        finally:
            go.set()
        assert events(first.result(20))[-1][0] == "done"
        assert events(other.post(f"{PHOTOS}/sync", json={}))[-1][0] == "done"


def test_a_lock_that_comes_when_the_asker_has_gone_is_given_up(settings, monkeypatch):
    begun, go, real, held = threading.Event(), threading.Event(), changing._held, []

    def slow(folder, name):
        begun.set()
        assert go.wait(20)
        held.append(real(folder, name))  # so that no collector gives it up
        return held[-1]

    monkeypatch.setattr(changing, "_held", slow)

    async def scenario():
        async with Host(settings) as host:
            asker = asyncio.create_task(changing.change(host, "photos", lambda: None))
            assert await asyncio.to_thread(begun.wait, 20)
            asker.cancel()
            await asyncio.wait([asker])
            assert asker.cancelled()
            go.set()
            while not held:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            with writing(host.libraries.named("photos").folder / changing.CHANGING):
                pass

    asyncio.run(scenario())


def test_a_journal_that_another_process_has_is_a_matter_of_waiting(client, copies, monkeypatch):
    groups = asked_groups(client)
    monkeypatch.setattr(applying, "Reversible", lambda journal: locked(copies / "lock", wait=False))
    with locked(copies / "lock"):
        assert client.post(f"{PHOTOS}/duplicates/apply", json={"groups": groups}).status_code == 409
    assert list((copies / ".wordsight" / "plans").iterdir()) == []


@pytest.mark.parametrize(
    ("groups", "status"),
    [
        ([], 422),
        ([{"kept": "a/red.png", "move": []}], 422),
        ([{"kept": "a/red.png", "move": ["a/red.png"]}], 422),
        ([{"kept": "a/red.png", "move": ["nothing.png"]}], 404),
        ([{"kept": "../outside.png", "move": ["a/red.png"]}], 404),
    ],
)
def test_moves_that_are_none(steady, groups, status):
    assert steady.post(f"{PHOTOS}/duplicates/apply", json={"groups": groups}).status_code == status
    assert (steady.photos / "a" / "red.png").exists()


@pytest.mark.parametrize("plan", ["../../library.db", "/etc/hostname", "nothing.jsonl", "", "x" * 500])
def test_plans_that_are_none(steady, plan):
    assert steady.post(f"{PHOTOS}/duplicates/undo", json={"plan": plan}).status_code == 404


@pytest.mark.parametrize(
    "asked", [{"kinds": ["other"]}, {"kinds": []}, {"keep": "nothing"}, {"min_similarity": 2}, {"where": "x" * 20_000}]
)
def test_duplicates_that_nobody_can_mean(steady, asked):
    assert steady.post(f"{PHOTOS}/duplicates", json=asked).status_code in (400, 422)


def test_a_condition_that_is_none_is_an_error_event(steady):
    ((name, error),) = events(steady.post(f"{PHOTOS}/duplicates", json={"where": "("}))
    assert name == "error"
    assert error["problem"].startswith("where: ")
