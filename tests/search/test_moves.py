"""An image is its content: moved, copied, exchanged and touched ones cost reading, not encoding."""

import os

import pytest

from wordsight.search import sync as sync_module


def best(library, query):
    return library.search(query, k=1)[0].key


def test_a_renamed_folder_costs_no_encoding(opened, photos, model, monkeypatch, encoded):
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    (photos / "a").rename(photos / "z")
    report = library.sync()
    assert report.moved == [("a/blue.png", "z/blue.png"), ("a/red.png", "z/red.png")]
    assert (report.added, report.removed, report.changed) == ([], [], [])
    assert counted == []
    hit = library.search("blue", k=1)[0]
    assert (hit.key, hit.meta["folder"], hit.meta["width"]) == ("z/blue.png", "z", 24)


def test_exchanged_names_follow_the_content(opened, photos, model, monkeypatch, encoded):
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    (photos / "a" / "red.png").rename(photos / "x.png")
    (photos / "a" / "blue.png").rename(photos / "a" / "red.png")
    (photos / "x.png").rename(photos / "a" / "blue.png")
    for name in ("red", "blue"):  # equal size: only the time tells that something happened
        os.utime(photos / "a" / f"{name}.png", ns=(1, 1))
    report = library.sync()
    assert sorted(report.changed) == ["a/blue.png", "a/red.png"]
    assert counted == []
    assert best(library, "red") == "a/blue.png"
    assert best(library, "blue") == "a/red.png"


def test_copies_are_added_and_touching_is_no_change(opened, photos, model, monkeypatch, encoded):
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    (photos / "copy.png").write_bytes((photos / "top.png").read_bytes())
    assert library.sync().added == ["copy.png"]
    os.utime(photos / "top.png", ns=(10**18, 10**18))
    os.utime(photos / "copy.png", ns=(10**18, 10**18))
    assert not library.in_step()
    assert not library.sync()
    assert library.in_step()
    assert counted == []
    times = {hit.key: hit.meta["mtime"] for hit in library.search("pink", k=2)}
    assert times == {"top.png": "2001-09-09T01:46:40Z", "copy.png": "2001-09-09T01:46:40Z"}


@pytest.mark.parametrize("group", [1, 2, 256])
def test_contents_that_wander_in_a_ring_cost_no_encoding(opened, photos, model, monkeypatch, group, encoded):
    """Each name gets the content of the next, group by group: what a name has lost is still had."""
    monkeypatch.setattr(sync_module, "GROUP", group)
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    names = ["a/blue.png", "a/red.png", "b/green.png", "b/white.png", "top.png"]
    contents = [(photos / name).read_bytes() for name in names]
    for number, name in enumerate(names):
        (photos / name).write_bytes(contents[(number + 1) % 5])
        os.utime(photos / name, ns=(number, number))
    assert sorted(library.sync().changed) == names
    assert counted == []
    for number, name in enumerate(names):
        assert library.search(str(photos / name), k=1)[0].key == name
        assert library.search(str(photos / name), k=1)[0].score == pytest.approx(1, abs=1e-5), number


def test_a_broken_picture_in_the_place_of_a_content_that_moved(opened, photos, model, monkeypatch, encoded):
    monkeypatch.setattr(sync_module, "GROUP", 1)
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    (photos / "a" / "red.png").rename(photos / "z.png")
    (photos / "a" / "red.png").write_bytes(b"no picture")
    report = library.sync()
    assert ([key for key, _ in report.failed], report.added) == (["a/red.png"], ["z.png"])
    assert (counted, best(library, "red")) == ([], "z.png")


def test_two_alike_are_both_moved(opened, photos):
    (photos / "a" / "twin.png").write_bytes((photos / "a" / "red.png").read_bytes())
    library = opened(photos)
    library.sync()
    (photos / "a").rename(photos / "z")
    report = library.sync()
    moved = [(f"a/{name}.png", f"z/{name}.png") for name in ("blue", "red", "twin")]
    assert (report.moved, report.added, report.removed) == (moved, [], [])


def test_new_columns_reach_every_picture_also_in_later_groups(opened, photos, model, monkeypatch, encoded):
    monkeypatch.setattr(sync_module, "GROUP", 2)
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    names = ["a/blue.png", "a/red.png", "b/green.png", "b/white.png", "top.png"]
    (photos / "bad.jpg").write_bytes(b"no picture")
    library.sync()
    rows = "".join(f"{name},{number}\n" for number, name in enumerate(names))
    (photos / "metadata.csv").write_text(f"file,price\n{rows}bad.jpg,9\n")
    assert sorted(library.sync().changed) == names
    assert {hit.key: hit.meta["price"] for hit in library.search("red")} == {n: i for i, n in enumerate(names)}
    assert all(library.search(str(photos / name), k=1)[0].key == name for name in names)
    assert sum(counted) == len(names)  # the queries; no picture of the library
